"""`hundredfold duplicates`: copies in a collection, across two, or across the splits of one."""

from collections.abc import Iterable

import click
import numpy as np

from hundredfold.cli import output
from hundredfold.cli.collections import json_option
from hundredfold.client import Client, pipeline
from hundredfold.client.types import DuplicateGroup, DuplicateGroups, Leaks

_MOST_KEYS = 5000


@click.command()
@click.argument("name")
@click.option(
    "--radius",
    type=click.IntRange(0, 10),
    help="Look for copies now; bits in which their hashes may differ "
    f"({pipeline.DUPLICATE_RADIUS} is recommended). Without it the groups found last are printed.",
)
@click.option(
    "--despite", is_flag=True, help="Go on though very many pairs of images are to be expected."
)
@click.option("--against", default="", help="Look for copies in this other collection instead.")
@click.option(
    "--across",
    "tags",
    multiple=True,
    metavar="TAG",
    help="Look for copies across the images of these tags instead, such as train and test.",
)
@click.option("--examples", type=click.IntRange(1, 1000), default=10, show_default=True)
@json_option
def duplicates(
    name: str,
    radius: int | None,
    despite: bool,
    against: str,
    tags: tuple[str, ...],
    examples: int,
    as_json: bool,
) -> None:
    """Show the copies in collection NAME: how many groups and images, and the largest groups.

    With --against or --across it shows which images have a copy on another side.
    """
    if against or tags:
        _leaks(name, against, tags, radius, examples, as_json)
    else:
        _groups(name, radius, despite, examples, as_json)


def _groups(name: str, radius: int | None, despite: bool, examples: int, as_json: bool) -> None:
    with Client() as client, output.progress_bars() as bars:
        if radius is not None:
            run = client.hashing.hash_collection(name)
            client.hashing.runs.wait(run.run_id, bars)
            run = client.hashing.find_duplicates(name, radius=radius, despite=despite)
            client.hashing.runs.wait(run.run_id, bars)
        found = client.hashing.duplicates(name, limit=examples)
        keys = _keys(client, name, (row for each in found.groups for row in _rows(each)))
    output.show(
        {"radius": radius, **output.plain(found), "keys": keys},
        as_json=as_json,
        words=lambda: _say_groups(found, keys),
    )


def _say_groups(found: DuplicateGroups, keys: dict[int, str]) -> None:
    output.say(f"{found.group_count:,} groups, {found.copy_count:,} copies")
    output.table(
        ["representative", "copies", "bits"],
        [
            [
                _named(keys, each.representative),
                ", ".join(_named(keys, row) for row in each.copies.tolist()),
                f"0 to {each.distances.max(initial=0)}",
            ]
            for each in found.groups
        ],
    )


def _leaks(
    name: str, against: str, tags: tuple[str, ...], radius: int | None, examples: int, as_json: bool
) -> None:
    with Client() as client, output.progress_bars() as bars:
        for each in (name, against) if against else (name,):
            run = client.hashing.hash_collection(each)
            client.hashing.runs.wait(run.run_id, bars)
        bits = pipeline.DUPLICATE_RADIUS if radius is None else radius
        run = client.hashing.find_leaks(name, against=against, tags=tags, radius=bits)
        result = client.hashing.runs.wait(run.run_id, bars).result
        found = client.hashing.leaks(name, limit=examples)
        keys = _keys(client, name, found.rows.tolist())
        others = _keys(client, against or name, found.others.tolist())
    output.show(
        {
            "radius": bits,
            "counts": result["counts"],
            **output.plain(found),
            "keys": keys,
            "other_keys": others,
        },
        as_json=as_json,
        words=lambda: _say_leaks(found, result["counts"], keys, others),
    )


def _say_leaks(
    found: Leaks, counts: list[list[int]], keys: dict[int, str], others: dict[int, str]
) -> None:
    for one, side in enumerate(found.sides):
        for two, other in enumerate(found.sides):
            if counts[one][two]:
                output.say(f"{counts[one][two]:,} images of {side} have a copy in {other}")
    if not found.count:
        output.say(f"no copies across {', '.join(found.sides)}")
    pairs = zip(found.rows, found.others, found.row_sides, found.other_sides, strict=True)
    output.table(
        ["image", "in", "copy", "in", "bits"],
        [
            [
                _named(keys, int(row)),
                found.sides[side],
                _named(others, int(other)),
                found.sides[other_side],
                str(bits),
            ]
            for (row, other, side, other_side), bits in zip(pairs, found.distances, strict=True)
        ],
    )


def _rows(group: DuplicateGroup) -> list[int]:
    return [group.representative, *group.copies.tolist()]


def _named(keys: dict[int, str], row: int) -> str:
    return keys.get(row, f"row {row}")  # no more than fit into one call have a key here


def _keys(client: Client, name: str, rows: Iterable[int]) -> dict[int, str]:
    some = sorted(set(rows))[:_MOST_KEYS]
    if not some:
        return {}
    images = client.catalog.images_at(name, np.array(some, np.int64))
    return {image.row: image.key for image in images}
