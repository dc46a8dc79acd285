"""`hundredfold gaps`: what the images without a label are like, so far as the labels do not tell."""

from typing import Any

import click
import numpy as np

from hundredfold.cli import output
from hundredfold.cli.collections import json_option
from hundredfold.client import Client
from hundredfold.client.types import Map, Rows


@click.command()
@click.argument("name")
@click.option("--space", default="", help="name@version; else the one that its loop works in.")
@click.option(
    "--examples",
    type=click.IntRange(1, 100),
    default=4,
    show_default=True,
    help="Images shown of each end.",
)
@json_option
def gaps(name: str, space: str, examples: int, as_json: bool) -> None:
    """Show in what the images of collection NAME differ that have no label.

    What the labelled classes differ by is taken out; of the two ways in which the rest differs most,
    the images at both ends are listed. Ways with small shares say that no kind of image was overlooked.
    """
    with Client() as client:
        space = space or client.selection.get(name).space
        labels = client.labels.labels(name)
        found = client.index.unlabelled(name, space, labels.rows, labels.class_ids)
        ends = _ends(found.view, labels.rows, examples)
        images = client.catalog.images_at(
            name, np.unique(np.concatenate([rows for *_, rows in ends]))
        )
    named = {each.row: {"row": each.row, "key": each.key, "uri": each.uri} for each in images}
    told: dict[str, Any] = {
        "space": space,
        "images": len(found.view.rows),
        "unlabelled": int((~np.isin(found.view.rows, labels.rows)).sum()),
        "ends": [
            {
                "way": way,
                "end": end,
                "share": found.shares[way - 1],
                "images": [named[row] for row in rows.tolist()],
            }
            for way, end, rows in ends
        ],
    }
    output.show(told, as_json=as_json, words=lambda: _say(**told))


def _ends(view: Map, labelled: Rows, examples: int) -> list[tuple[int, str, Rows]]:
    """Of each way, from 1, the images without a label at its two ends, the outermost first."""
    without = ~np.isin(view.rows, labelled)
    rows, points = view.rows[without], view.points[without]
    found = []
    for axis in range(points.shape[1]):
        order = np.argsort(points[:, axis], kind="stable")
        found.append((axis + 1, "low", rows[order[:examples]]))
        found.append((axis + 1, "high", rows[order[::-1][:examples]]))
    return found


def _say(space: str, images: int, unlabelled: int, ends: list[dict[str, Any]]) -> None:
    output.say(f"{unlabelled:,} of {images:,} images in {space} have no label; they differ most by")
    output.table(
        ["way", "share", "end", "images"],
        [
            [
                str(each["way"]),
                f"{each['share']:.1%}",
                each["end"],
                ", ".join(image["key"] for image in each["images"]),
            ]
            for each in ends
        ],
    )
