"""Searching spaces through the indexes that are open."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.newest import Newest
from hundredfold.index.domain import device, finding, nearest
from hundredfold.index.domain.parts import normalised
from hundredfold.index.engine import OpenIndex, outdated
from hundredfold.index.filters import Filter, Filters, Mask
from hundredfold.index.spaces import Spaces
from hundredfold.index.store import IndexStore

ALL = Filter()

RETRY_SECONDS = 60
"""So often files that were damaged are looked at again."""


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        rows: int64 [q, limit], nearest first, -1 where there were no more.
        cosines: float32 [q, limit], 0 there.
        damaged: files whose images were not searched.
    """

    rows: NDArray[np.int64]
    cosines: NDArray[np.float32]
    damaged: tuple[str, ...]


@dataclass(frozen=True)
class FoundWithin:
    """What a range search found: of query i the elements starts[i] to starts[i + 1].

    Attributes:
        starts: int64 [q + 1].
        rows: int64 [n], nearest first within a query.
        cosines: float32 [n].
        damaged: files whose images were not searched.
    """

    starts: NDArray[np.int64]
    rows: NDArray[np.int64]
    cosines: NDArray[np.float32]
    damaged: tuple[str, ...]


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
        self._filters = Filters(store)
        self._threads = threads
        self._opened: Newest[OpenIndex] = Newest(open_indexes)
        self._tries: dict[tuple[str, str], int] = {}

    def search(
        self,
        collection: str,
        space: str,
        vectors: NDArray[np.float32],
        limit: int,
        *,
        wanted: Filter = ALL,
        model: str = "",
    ) -> Found:
        """Find the images nearest to vectors: float32 [q, d], of any length but 0.

        Raises:
            NotFound: there is no such collection, space or cluster.
            Conflict: there is no index, or it is damaged or not signed.
            InvalidArgument: the vectors are of another dimension or model, or point nowhere.
        """
        opened = self._open(collection, space)
        queries = _queries(opened, space, vectors, model)
        allowed = self._filters.mask(collection, space, opened, wanted)
        positions, cosines = self._nearest(opened, queries, limit, allowed)
        return Found(_rows(opened, positions), cosines, opened.damaged)

    def neighbours(
        self,
        collection: str,
        space: str,
        rows: NDArray[np.int64],
        limit: int,
        *,
        wanted: Filter = ALL,
    ) -> Found:
        """Find the images nearest to images, themselves left out.

        Raises:
            NotFound: there is no such collection, space or cluster, or a row has no vector.
            Conflict: there is no index, or it is damaged or not signed.
        """
        opened = self._open(collection, space)
        queries = self._of_rows(opened, collection, space, rows)
        allowed = self._filters.mask(collection, space, opened, wanted)
        positions, cosines = self._nearest(opened, queries, limit + 1, allowed)
        found = nearest.without_self(_rows(opened, positions), cosines, rows)
        return Found(*found, opened.damaged)

    def within(
        self,
        collection: str,
        space: str,
        near: NDArray[np.float32] | NDArray[np.int64],
        least: float,
        most: int,
        *,
        wanted: Filter = ALL,
        model: str = "",
    ) -> FoundWithin:
        """Find all images of at least a cosine to vectors, or to images, themselves left out.

        Args:
            collection: in which.
            space: in which.
            near: vectors float32 [q, d], or rows int64 [q].
            least: cosine.
            most: found for each, the nearest.
            wanted: what may be found.
            model: as for `search`.

        Raises:
            As `search` and `neighbours`.
        """
        opened = self._open(collection, space)
        own = np.asarray(near, dtype=np.int64) if near.ndim == 1 else None
        queries = (
            _queries(opened, space, np.asarray(near, dtype=np.float32), model)
            if own is None
            else self._of_rows(opened, collection, space, own)
        )
        allowed = self._filters.mask(collection, space, opened, wanted)
        device.limit_thread(self._threads)
        found = finding.within(opened.finder, queries, least, most + (own is not None), allowed)
        pairs = [(opened.rows[positions], cosines) for positions, cosines in found]
        if own is not None:
            others = [rows != row for (rows, _), row in zip(pairs, own, strict=True)]
            pairs = [
                (rows[keep][:most], cosines[keep][:most])
                for (rows, cosines), keep in zip(pairs, others, strict=True)
            ]
        starts = np.cumsum([0, *(len(rows) for rows, _ in pairs)], dtype=np.int64)
        rows, cosines = (np.concatenate(each) for each in zip(*pairs, strict=True))
        return FoundWithin(starts, rows, cosines, opened.damaged)

    def _open(self, collection: str, space: str) -> OpenIndex:
        self._spaces.require_space(collection, space)
        indexes = self._store.indexes
        key = collection, space
        version = indexes.version(collection, space), self._tries.get(key, 0)
        opened = self._opened.get(key, version, lambda: indexes.open(collection, space))
        if opened.damaged:
            # What is damaged may be mended without a new index.
            self._tries[key] = int(time.monotonic() // RETRY_SECONDS)
        return opened

    def _of_rows(
        self, opened: OpenIndex, collection: str, space: str, rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """The vectors of rows; Conflict (INDEX_OUTDATED) if they are longer or shorter than those of the index."""
        vectors = self._spaces.vectors_of(collection, space, rows)
        now, then = vectors.shape[1], opened.dimensions
        if now != then:
            raise outdated(
                f"the index of {space} is of vectors of {then} numbers, its vectors have {now}"
            )
        return vectors

    def _nearest(
        self,
        opened: OpenIndex,
        queries: NDArray[np.float32],
        limit: int,
        allowed: Mask | None,
    ) -> finding.Found:
        device.limit_thread(self._threads)
        return opened.finder.find(queries, limit, allowed)


def _queries(
    opened: OpenIndex, space: str, vectors: NDArray[np.float32], model: str
) -> NDArray[np.float32]:
    """The vectors at length 1; InvalidArgument if they are none of the space."""
    if model not in ("", space):
        raise InvalidArgument(f"vectors of {model} are none of {space}", field="model")
    if vectors.shape[1] != opened.dimensions:
        raise InvalidArgument(
            f"vectors of {space} have {opened.dimensions} numbers, not {vectors.shape[1]}",
            field="vectors",
        )
    if not (np.isfinite(vectors).all() and vectors.any(axis=1).all()):
        raise InvalidArgument("vectors must be finite and not all zero", field="vectors")
    # Divided first, so that the squares of large numbers stay finite.
    return normalised(vectors / np.abs(vectors).max(axis=1, keepdims=True))


def _rows(opened: OpenIndex, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(positions >= 0, opened.rows[positions], -1)
