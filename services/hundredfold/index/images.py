"""What the source of a collection says of its images: tags, such as those of a split, and labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import read_images_part
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore

Mask = NDArray[np.bool_]


class Images:
    """The catalog's rows of all collections. Safe for threads."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def version(self, collection: str) -> str:
        """Changes whenever images come."""
        return Manifest.load(self._store, layout.images(collection)).version

    def said(
        self, collection: str, rows: NDArray[np.int64], column: str, values: Sequence[str]
    ) -> Mask:
        """Of which rows, int64 [m] ascending, the source says one of some things: bool [m].

        Args:
            collection: whose.
            rows: which.
            column: "tags" or "label".
            values: what it says.
        """
        found = np.zeros(len(rows), dtype=np.bool_)
        manifest = Manifest.load(self._store, layout.images(collection))
        for part in layout.part_numbers(manifest.entries, layout.images_part):
            first = part * layout.PART_ROWS
            begin, end = np.searchsorted(rows, [first, first + layout.PART_ROWS])
            if begin == end:
                continue
            table = read_images_part(self._store, collection, part, [column])
            says = _says(table[column].combine_chunks(), values)
            places = rows[begin:end] - first
            known = places < len(says)
            found[begin:end][known] = says[places[known]]
        return found


def _says(column: Any, values: Sequence[str]) -> Mask:
    """Which entries of a column, texts or lists of texts, are or hold one of the values: bool [n]."""
    import pyarrow as pa  # noqa: PLC0415 - slow to load
    import pyarrow.compute as pc  # noqa: PLC0415

    wanted = pa.array(values, pa.string())
    if not pa.types.is_list(column.type):
        return np.asarray(pc.is_in(column, value_set=wanted), np.bool_)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    of = np.repeat(np.arange(len(column)), lengths)
    says = np.zeros(len(column), dtype=np.bool_)
    says[of[np.asarray(pc.is_in(column.flatten(), value_set=wanted), np.bool_)]] = True
    return says
