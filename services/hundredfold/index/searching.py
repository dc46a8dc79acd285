"""Searching spaces through the indexes that are open."""

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.newest import Newest
from hundredfold.index.domain import device, nearest
from hundredfold.index.domain.parts import normalised
from hundredfold.index.spaces import Spaces
from hundredfold.index.store import IndexStore, OpenIndex

Found = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows int64 [q, limit], nearest first, -1 where there were no more; cosines float32 [q, limit]."""


class Searcher:
    """Finds nearest images. Safe for threads.

    Args:
        spaces: where the vectors of rows come from.
        store: where the indexes are.
        threads: for one search, 0 = one a core.
        open_indexes: how many indexes stay in memory.
    """

    def __init__(
        self, spaces: Spaces, store: IndexStore, *, threads: int, open_indexes: int
    ) -> None:
        self._spaces = spaces
        self._store = store
        self._threads = threads
        self._opened: Newest[OpenIndex] = Newest(open_indexes)

    def search(
        self, collection: str, space: str, vectors: NDArray[np.float32], limit: int
    ) -> Found:
        """Find the images nearest to vectors: float32 [q, d], of any length but 0.

        Raises:
            NotFound: there is no such collection.
            Conflict: there is no index, or it is damaged.
            InvalidArgument: the vectors are of another dimension, or point nowhere.
        """
        opened = self._open(collection, space)
        if vectors.shape[1] != opened.dimensions:
            raise InvalidArgument(
                f"vectors of {space} have {opened.dimensions} numbers, not {vectors.shape[1]}",
                field="vectors",
            )
        if not (np.isfinite(vectors).all() and vectors.any(axis=1).all()):
            raise InvalidArgument("vectors must be finite and not all zero", field="vectors")
        # Divided first, so that the squares of large numbers stay finite.
        queries = normalised(vectors / np.abs(vectors).max(axis=1, keepdims=True))
        positions, cosines = self._nearest(opened, queries, limit)
        return _rows(opened, positions), cosines

    def neighbours(self, collection: str, space: str, rows: NDArray[np.int64], limit: int) -> Found:
        """Find the images nearest to images, themselves left out.

        Raises:
            NotFound: there is no such collection, or a row has no vector.
            Conflict: there is no index, or it is damaged.
        """
        opened = self._open(collection, space)
        queries = self._spaces.vectors_of(collection, space, rows)
        positions, cosines = self._nearest(opened, queries, limit + 1)
        return nearest.without_self(_rows(opened, positions), cosines, rows)

    def _open(self, collection: str, space: str) -> OpenIndex:
        version = self._store.index_version(collection, space)
        return self._opened.get(
            (collection, space), version, lambda: self._store.open_index(collection, space)
        )

    def _nearest(self, opened: OpenIndex, queries: NDArray[np.float32], limit: int) -> Found:
        device.limit_thread(self._threads)
        return nearest.search(opened.index, queries, limit)


def _rows(opened: OpenIndex, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(positions >= 0, opened.rows[positions], -1)
