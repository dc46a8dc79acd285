"""Vectors in a store, as the embedding service would leave them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from tests.benchmarks.vectors.made import Maker


def write_made(store: ArtifactStore, collection: str, space: str, made: Maker, rows: int) -> None:
    """Write `rows` vectors that were drawn."""
    parts = range(-(-rows // layout.PART_ROWS))
    counts = (min(layout.PART_ROWS, rows - part * layout.PART_ROWS) for part in parts)
    drawn = (
        np.concatenate(list(made.draw(count, 2 + part)))
        for part, count in zip(parts, counts, strict=True)
    )
    write_parts(store, collection, space, drawn)


def write_parts(
    store: ArtifactStore, collection: str, space: str, parts: Iterable[NDArray[np.float16]]
) -> None:
    """Write vectors, float16 [m, d] of each part, all but the last full."""
    store.write_json(layout.collection_record(collection), {"collection": collection})
    manifest = Manifest(store, layout.vectors(collection, space))
    for part, vectors in enumerate(parts):
        begin = part * layout.PART_ROWS
        manifest.add_array(layout.vectors_part(part), vectors)
        manifest.add_array(layout.vectors_rows(part), np.arange(begin, begin + len(vectors)))
    manifest.save()
