"""`hundredfold search`: look-alikes of an image, or what words describe."""

import io
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.cli import output
from hundredfold.cli.collections import json_option
from hundredfold.client import Client
from hundredfold.client.types import Filter

_MOST_BYTES = 3 << 20
_SIDE = 1024


@click.command()
@click.argument("name")
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Find what looks like this image.",
)
@click.option("--text", help="Find what these words describe, where a model embeds texts.")
@click.option("--space", default="", help="name@version; else the one that its loop works in.")
@click.option("--limit", type=click.IntRange(1, 1000), default=12, show_default=True)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    help="Only images that their source gave this tag, such as a split; may be repeated.",
)
@json_option
def search(
    name: str,
    image: Path | None,
    text: str | None,
    space: str,
    limit: int,
    tags: tuple[str, ...],
    as_json: bool,
) -> None:
    """Find the images of collection NAME that look like a given one, or fit to words."""
    if (image is None) == (text is None):
        raise click.UsageError("give either --image or --text")
    with Client() as client:
        space = space or client.selection.get(name).space
        vector = _vector(client, space, image, text)
        found = client.index.search(name, space, vector, limit=limit, only=Filter(tags=tags))
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


def _vector(
    client: Client, space: str, image: Path | None, text: str | None
) -> NDArray[np.float32]:
    if image is not None:
        return client.embedding.embed([_sendable(image)], model=space)
    return client.embedding.embed_texts([text or ""], model=space)


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
