"""Finding the nearest vectors: an index proposes candidates, the vectors themselves decide."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain.parts import BLOCK, VectorParts

Found = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Positions int64 [q, k], nearest first, -1 where there were no more; cosines float32 [q, k], 0 there."""

FEW = 20_000
"""So few allowed vectors are compared one by one, whatever the index: nothing is missed."""

CANDIDATES_LEAST = 10
_AT_A_TIME = 1 << 22
"""Numbers of candidates in memory at a time: 16 MB."""


class Finder(Protocol):
    """Searches one index."""

    def find(
        self, queries: NDArray[np.float32], limit: int, allowed: NDArray[np.bool_] | None = None
    ) -> Found:
        """Find the nearest of the allowed vectors by cosine.

        Args:
            queries: float32 [q, d], length 1.
            limit: how many to find for each.
            allowed: bool [n], by position; None = all.
        """


def within(
    finder: Finder,
    queries: NDArray[np.float32],
    least: float,
    most: int,
    allowed: NDArray[np.bool_] | None = None,
) -> list[Found]:
    """Find, for each query, the allowed vectors of at least a cosine: [k] each, at most `most`.

    Asks for more and more of the nearest, until one is too far away.
    """
    limit = min(most, 128)
    while True:
        positions, cosines = finder.find(queries, limit, allowed)
        inside = (positions >= 0) & (cosines >= least)
        if limit == most or not inside[:, -1].any():
            return [
                (each[keep], near[keep])
                for each, near, keep in zip(positions, cosines, inside, strict=True)
            ]
        limit = min(most, limit * 4)


@dataclass(frozen=True)
class Exact:
    """Searches an index that holds the vectors themselves."""

    index: Any

    def find(
        self, queries: NDArray[np.float32], limit: int, allowed: NDArray[np.bool_] | None = None
    ) -> Found:
        """As `Finder` says; nothing is missed."""
        cosines, positions = self.index.search(
            np.ascontiguousarray(queries),
            limit,
            params=faiss.SearchParameters(**_selector(allowed)),
        )
        return _filled(positions, np.where(positions < 0, -np.inf, cosines))


@dataclass(frozen=True)
class Refined:
    """Searches inverted lists of codes, and compares what they propose with the vectors.

    Attributes:
        index: the faiss index; the number of a vector in it is its position.
        vectors: those that were indexed.
        where: int64 [n], the position in `vectors` of each position of the index, -1 for one that is
            not there and never allowed; None where they are the same.
        probes: inverted lists that a search looks into.
        depth: candidates for each of the ten nearest.
    """

    index: Any
    vectors: VectorParts
    where: NDArray[np.int64] | None = None
    probes: int = 1
    depth: int = 1

    def find(
        self, queries: NDArray[np.float32], limit: int, allowed: NDArray[np.bool_] | None = None
    ) -> Found:
        """As `Finder` says; few allowed vectors are compared one by one, so none is missed."""
        queries = np.ascontiguousarray(queries)
        count = self.index.ntotal if allowed is None else int(np.count_nonzero(allowed))
        if allowed is not None and count <= FEW:
            return self._one_by_one(queries, limit, np.flatnonzero(allowed))
        wanted = self._candidates(limit)
        asked = self._parameters(allowed, self._probes(count, wanted))
        proposed = self.index.search(queries, wanted, params=asked)[1]
        return self._decide(queries, proposed, limit)

    def _one_by_one(
        self, queries: NDArray[np.float32], limit: int, positions: NDArray[np.int64]
    ) -> Found:
        best = np.full((len(queries), limit), -np.inf, dtype=np.float32)
        found = np.full(best.shape, -1, dtype=np.int64)
        for start in range(0, len(positions), BLOCK):
            block = positions[start : start + BLOCK]
            vectors, lengths = self._take(block)
            cosines = queries @ vectors.T / lengths
            best, found = _merged(best, found, cosines, np.broadcast_to(block, cosines.shape))
        return _filled(found, best)

    def _decide(
        self, queries: NDArray[np.float32], proposed: NDArray[np.int64], limit: int
    ) -> Found:
        best = np.full((len(queries), limit), -np.inf, dtype=np.float32)
        found = np.full(best.shape, -1, dtype=np.int64)
        for some in self._pieces(*proposed.shape):
            candidates = proposed[some]
            vectors, lengths = self._take(np.maximum(candidates, 0).ravel())
            vectors = vectors.reshape(*candidates.shape, -1)
            cosines = np.matmul(vectors, queries[some, :, None])[:, :, 0]
            cosines /= lengths.reshape(candidates.shape)
            cosines[candidates < 0] = -np.inf
            best[some], found[some] = _merged(best[some], found[some], cosines, candidates)
        return _filled(found, best)

    def _pieces(self, queries: int, candidates: int) -> Iterator[slice]:
        size = max(1, _AT_A_TIME // (candidates * self.vectors.dimensions))
        return (slice(start, start + size) for start in range(0, queries, size))

    def _take(
        self, positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The vectors at positions of the index, float32 [n, d], and their lengths, [n]."""
        if self.where is not None:
            positions = np.maximum(self.where[positions], 0)
        # faiss widens half floats eight times as fast as numpy.
        halves = faiss.ScalarQuantizer(self.vectors.dimensions, faiss.ScalarQuantizer.QT_fp16)
        vectors = halves.decode(self.vectors.stored(positions).view(np.uint8))
        lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
        return vectors, np.maximum(lengths, np.finfo(np.float32).tiny)

    def _candidates(self, limit: int) -> int:
        """More for the ten nearest than for the hundredth, whose rank matters less."""
        further = (self.depth - 1) * math.sqrt(10 * max(limit, CANDIDATES_LEAST))
        held: int = self.index.ntotal
        return min(held, math.ceil(limit + further))

    def _probes(self, allowed: int, wanted: int) -> int:
        """More lists the fewer of their vectors are allowed, and enough for all that is wanted."""
        lists: int = faiss.extract_index_ivf(self.index).nlist
        held: int = self.index.ntotal
        fewest = math.ceil(4 * wanted * lists / max(1, allowed))
        scaled = math.ceil(self.probes * held / max(1, allowed))
        return min(lists, max(fewest, scaled))

    def _parameters(self, allowed: NDArray[np.bool_] | None, probes: int) -> Any:
        lists = faiss.extract_index_ivf(self.index)
        of_bits = isinstance(lists, faiss.IndexIVFRaBitQ)
        kind: Any = faiss.IVFRaBitQSearchParameters if of_bits else faiss.SearchParametersIVF
        inner = kind(nprobe=probes, **_selector(allowed))
        if isinstance(self.index, faiss.IndexPreTransform):
            outer: Any = faiss.SearchParametersPreTransform
            return outer(index_params=inner)
        return inner


def _selector(allowed: NDArray[np.bool_] | None) -> dict[str, Any]:
    """The argument of faiss' search parameters, which keep alive what it points to."""
    if allowed is None:
        return {}
    selector: Any = faiss.IDSelectorBitmap
    return {"sel": selector(np.packbits(allowed, bitorder="little"))}


def _merged(
    best: NDArray[np.float32],
    found: NDArray[np.int64],
    cosines: NDArray[np.float32],
    positions: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The best of what was found and what is new, [q, k] as before, nearest first."""
    both = np.concatenate([best, cosines], axis=1)
    every = np.concatenate([found, positions], axis=1)
    limit = best.shape[1]
    near = np.argpartition(-both, limit - 1, axis=1)[:, :limit]
    order = np.argsort(-np.take_along_axis(both, near, 1), axis=1, kind="stable")
    near = np.take_along_axis(near, order, 1)
    return np.take_along_axis(both, near, 1), np.take_along_axis(every, near, 1)


def _filled(positions: NDArray[np.int64], cosines: NDArray[np.float32]) -> Found:
    none = np.isneginf(cosines)
    cosines = np.where(none, 0, np.clip(cosines, -1, 1)).astype(np.float32)
    return np.where(none, -1, positions), cosines
