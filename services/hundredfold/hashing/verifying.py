"""Confirms pairs of one FindDuplicates run by what the images look like."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.groups import Similar
from hundredfold.hashing.domain.near import near_pairs
from hundredfold.hashing.domain.ranking import Ranked
from hundredfold.hashing.domain.verify.classes import Kind, Look, classify
from hundredfold.hashing.domain.verify.windows import RADIUS, WINDOWS, window_hashes, window_pairs
from hundredfold.hashing.images import HashedImages
from hundredfold.hashing.looks import Looks

MOST_VERIFIED = 1_000_000
"""Near pairs of a run; where there are more, the hashes decide alone."""

MOST_BY_WINDOWS = 50_000
"""Images of a collection in which crops and borders are looked for."""

MOST_SIMILAR = 100_000
"""Pairs that are left for people, the most alike ones."""

_PAIRS = 1024
_ROWS = 2048


class Verifying:
    """Says which pairs are the same picture, and keeps those that a person has to judge.

    Args:
        looks: the thumbnails.
        images: of the collection.
        ranked: the same images, the best first.
        pool: classifies.
        threads: how many it has.
        check: called now and then; may raise.
    """

    def __init__(
        self,
        looks: Looks,
        images: HashedImages,
        ranked: Ranked,
        pool: Executor,
        *,
        threads: int,
        check: Callable[[], None],
    ) -> None:
        self._looks = looks
        self._ranked = ranked
        self._pool = pool
        self._threads = threads
        self._check = check
        self._place = np.zeros(ranked.rows, np.uint32)
        self._place[ranked.hashed] = np.arange(len(ranked.hashed), dtype=np.uint32)
        self._twins = _rows_of_equal_hashes(ranked)
        rows = np.unique(self._twins)
        self._known, self._digests = rows, images.digests(rows)
        self._similar = [(np.empty((0, 2), np.int64), np.empty(0, np.float32))]

    def unlike(self) -> NDArray[np.int64]:
        """Rows whose two hashes are those of a better row that is not the same picture: int64 [u]."""
        same = self.confirm(self._twins)
        return np.asarray(self._twins[~same, 1])

    def windows(self) -> Iterator[NDArray[np.int64]]:
        """Pairs of rows of which one may be a crop of the other, no small ones, the better one first: [m, 2] each."""
        rows = self._ranked.hashed.astype(np.int64)
        order = np.argsort(rows)
        hashes = np.empty((len(rows), len(WINDOWS)), np.uint64)
        seen = np.zeros(len(rows), np.bool_)
        for begin in range(0, len(rows), _ROWS):
            self._check()
            some = order[begin : begin + _ROWS]
            found = self._looks.read(rows[some])
            luma, seen[some] = found.luma, found.there & found.fine
            shares = np.array_split(np.arange(len(some)), self._threads)
            made = self._pool.map(lambda share, luma=luma: window_hashes(luma[share]), shares)
            hashes[some] = np.concatenate(list(made))
        there = np.flatnonzero(seen)
        for pairs in window_pairs(hashes[there], RADIUS, near_pairs):
            if len(pairs):
                yield rows[there[pairs]]

    def confirm(self, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which pairs of rows [p, 2] are the same picture: bool [p]."""
        same = np.zeros(len(pairs), np.bool_)
        for begin in range(0, len(pairs), _PAIRS):
            self._check()
            same[begin : begin + _PAIRS] = self._confirm(pairs[begin : begin + _PAIRS])
        return same

    def _confirm(self, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
        rows, places = np.unique(pairs, return_inverse=True)
        look = self._look(rows)
        left, right = places.reshape(-1, 2).T
        shares = np.array_split(np.arange(len(pairs)), self._threads)
        verdicts = list(
            self._pool.map(
                lambda share: classify(look.take(left[share]), look.take(right[share])), shares
            )
        )
        kind = np.concatenate([each.kind for each in verdicts])
        likeness = np.concatenate([each.likeness for each in verdicts])
        doubtful = kind == Kind.SIMILAR
        self._keep(pairs[doubtful], likeness[doubtful])
        return np.asarray(kind <= Kind.SAME_PICTURE)

    def _look(self, rows: NDArray[np.int64]) -> Look:
        seen = self._looks.read(rows)
        digests = np.zeros((len(rows), 4), np.uint64)
        at = np.searchsorted(self._known, rows)
        at[at == len(self._known)] = 0
        if len(self._known):
            known = self._known[at] == rows
            digests[known] = self._digests[at[known]]
        places = self._place[rows]
        phash, dhash = self._ranked.phash[places], self._ranked.dhash[places]
        return Look(*seen, phash, dhash, digests)

    def _keep(self, pairs: NDArray[np.int64], likeness: NDArray[np.float32]) -> None:
        self._similar.append((np.sort(pairs, axis=1), likeness))
        if sum(len(each) for each, _ in self._similar) > 2 * MOST_SIMILAR:
            self._similar = [self._best()]

    def _best(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        pairs = np.concatenate([each for each, _ in self._similar])
        likeness = np.concatenate([each for _, each in self._similar])
        pairs, first = np.unique(pairs, axis=0, return_index=True)
        best = np.argsort(-likeness[first], kind="stable")[:MOST_SIMILAR]
        return pairs[best], likeness[first][best]

    def similar(self, representative: NDArray[np.int64], apart: NDArray[np.int64]) -> Similar:
        """Pairs of representatives for a person to judge, the most alike first.

        Args:
            representative: of each row, as it came out.
            apart: int64 [a, 2], pairs of rows of which people said that they are not the same.
        """
        pairs, _ = self._best()
        pairs = _standing(pairs, representative)
        _, first = np.unique(pairs, axis=0, return_index=True)
        pairs = pairs[np.sort(first)]
        said = {tuple(pair) for pair in _standing(apart, representative).tolist()}
        kept = np.array([tuple(pair) not in said for pair in pairs.tolist()], np.bool_)
        pairs = pairs[kept]
        left, right = self._ranked.phash[self._place[pairs]].T
        return Similar(pairs, np.bitwise_count(left ^ right))


def _standing(pairs: NDArray[np.int64], representative: NDArray[np.int64]) -> NDArray[np.int64]:
    """The representatives of pairs, the smaller one first; not where they are one."""
    of = np.sort(representative[pairs], axis=1)
    standing: NDArray[np.int64] = of[of[:, 0] != of[:, 1]]
    return standing


def _rows_of_equal_hashes(ranked: Ranked) -> NDArray[np.int64]:
    """The best row of each two hashes and each other one that has them: int64 [p, 2]."""
    order = np.lexsort((np.arange(len(ranked.phash)), ranked.dhash, ranked.phash))
    phash, dhash = ranked.phash[order], ranked.dhash[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (phash[1:] != phash[:-1]) | (dhash[1:] != dhash[:-1])
    first = order[new][np.cumsum(new) - 1] if len(order) else order
    rows = ranked.hashed.astype(np.int64)
    pairs: Any = np.stack([rows[first], rows[order]], axis=1)[~new]
    return np.asarray(pairs, np.int64)
