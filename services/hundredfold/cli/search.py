"""Commands that look for images: copies and look-alikes."""

import io
from pathlib import Path

import click
import numpy as np

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.cli import output
from hundredfold.cli.collections import json_option
from hundredfold.client import Client, pipeline
from hundredfold.client.types import DuplicateGroup

_MOST_BYTES = 3 << 20
_SIDE = 1024


@click.command()
@click.argument("name")
@click.option(
    "--radius",
    type=click.IntRange(0, 10),
    default=pipeline.DUPLICATE_RADIUS,
    show_default=True,
    help="Bits in which hashes of copies may differ.",
)
@click.option("--examples", type=click.IntRange(1, 1000), default=10, show_default=True)
@json_option
def duplicates(name: str, radius: int, examples: int, as_json: bool) -> None:
    """Group the copies in collection NAME: counts and examples."""
    with Client() as client, output.progress_bars() as bars:
        run = client.hashing.hash_collection(name)
        client.hashing.runs.wait(run.run_id, bars)
        run = client.hashing.find_duplicates(name, radius=radius)
        client.hashing.runs.wait(run.run_id, bars)
        found = client.hashing.duplicates(name, limit=examples)
        keys = _keys(client, name, found.groups)

    def named(row: int) -> str:
        return keys.get(row, f"row {row}")  # no more than fit into one call have a key here

    def words() -> None:
        output.say(
            f"{found.group_count:,} groups, {found.copy_count:,} copies within {radius} bits"
        )
        output.table(
            ["representative", "copies"],
            [
                [named(each.representative), ", ".join(map(named, each.copies.tolist()))]
                for each in found.groups
            ],
        )

    output.show(
        {"radius": radius, **output.plain(found), "keys": keys}, as_json=as_json, words=words
    )


def _keys(client: Client, name: str, groups: tuple[DuplicateGroup, ...]) -> dict[int, str]:
    rows = sorted({row for each in groups for row in (each.representative, *each.copies.tolist())})
    if not rows:
        return {}
    images = client.catalog.images_at(name, np.array(rows[:5000], np.int64))
    return {image.row: image.key for image in images}


@click.command()
@click.argument("name")
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Find what looks like this image.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=12, show_default=True)
@json_option
def search(name: str, image: Path, limit: int, as_json: bool) -> None:
    """Find the images of collection NAME that look like a given one."""
    with Client() as client:
        space = client.selection.get(name).space
        vector = client.embedding.embed([_sendable(image)], model=space)
        found = client.index.search(name, space, vector, limit=limit)
        rows = found.rows[0][found.rows[0] >= 0]
        images = client.catalog.images_at(name, rows)
    results = [
        {"row": each.row, "key": each.key, "uri": each.uri, "similarity": float(similarity)}
        for each, similarity in zip(images, found.similarities[0], strict=False)
    ]
    output.show(
        results,
        as_json=as_json,
        words=lambda: output.table(
            ["similarity", "row", "image"],
            [[f"{each['similarity']:.3f}", str(each["row"]), str(each["key"])] for each in results],
        ),
    )


def _sendable(file: Path) -> bytes:
    """An image's bytes; of one that is too large for a message a smaller one, which looks the same.

    Raises:
        InvalidArgument: it can't be read, or is large and can't be decoded.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidArgument(f"{file} can't be read: {error.strerror}", field="image") from error
    return data if len(data) <= _MOST_BYTES else _smaller(data, file)


def _smaller(data: bytes, file: Path) -> bytes:
    from hundredfold.chassis.imaging import ImageError, upright_rgb  # noqa: PLC0415 - seldom needed

    try:
        image = upright_rgb(data, min_side=_SIDE)
    except ImageError as error:
        raise InvalidArgument(f"{file}: {error}", reason=error.reason, field="image") from error
    image.thumbnail((_SIDE, _SIDE))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95)
    return out.getvalue()
