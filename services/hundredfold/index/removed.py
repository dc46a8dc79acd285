"""The rows that were removed from what searches find, whoever keeps the index."""

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.spaces import again

_Rows = NDArray[np.int64]


class Removed:
    """Keeps the removed rows of each space. Safe for threads.

    They are beside the index, not in it: building again does not bring them back, and restoring needs no vector.
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._changing = threading.Lock()

    def rows(self, collection: str, space: str) -> _Rows:
        """The rows that are removed: int64 [r], ascending."""
        return again(lambda: self._read(collection, space))

    def version(self, collection: str, space: str) -> str:
        """Changes whenever what is removed does; "" when nothing ever was."""
        manifest = Manifest.load(self._store, layout.index_removed(collection, space))
        return manifest.version if manifest.entries else ""

    def remove(self, collection: str, space: str, rows: _Rows) -> int:
        """Remove rows; how many are removed then."""
        return self._change(collection, space, lambda old: np.union1d(old, rows))

    def restore(self, collection: str, space: str, rows: _Rows) -> int:
        """Put rows back; how many are removed then."""
        return self._change(collection, space, lambda old: np.setdiff1d(old, rows))

    def _read(self, collection: str, space: str) -> _Rows:
        manifest = Manifest.load(self._store, layout.index_removed(collection, space))
        if not manifest.entries:
            return np.empty(0, np.int64)
        return manifest.read_array(self._store, layout.REMOVED_ROWS, deep=True)

    def _change(self, collection: str, space: str, change: Callable[[_Rows], _Rows]) -> int:
        folder = layout.index_removed(collection, space)
        with self._changing:
            rows = change(self.rows(collection, space))
            manifest = Manifest(self._store, folder)
            path = f"{folder}/{layout.REMOVED_ROWS}"
            manifest.add(layout.REMOVED_ROWS, self._store.write_array(path, rows))
            manifest.save()
        return len(rows)
