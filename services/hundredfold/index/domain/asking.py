"""Finding in an index elsewhere, which knows rows and takes no masks, only lists of the rows that may be found.

Few allowed rows are named. Of more, more of the nearest are asked for than are wanted, and those that are not allowed are
dropped; only where that is not enough, because hardly any of what is near is allowed, all allowed rows are named, list by list.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain.finding import Found

MOST_NAMED = 10_000
"""So many rows are named at a time: about 100 kB."""

MOST_ASKED = 16_384
"""So many can be asked for: Milvus gives no more."""

_AT_A_TIME = 1 << 18
"""So many are asked for with one call: 3 MB of rows and cosines."""

_MARGIN = 1.5
_WIDER = 4


class Remote(Protocol):
    """An index elsewhere."""

    def nearest(
        self,
        queries: NDArray[np.float32],
        limit: int,
        only: NDArray[np.int64] | None,
        share: float,
    ) -> Found:
        """Find the nearest vectors by cosine.

        Args:
            queries: float32 [q, d], length 1.
            limit: how many to find for each, at most MOST_ASKED.
            only: int64 [n], at most MOST_NAMED: the rows that may be found; None = all.
            share: how many of all vectors those are: the fewer, the farther a search must look.

        Returns:
            Rows, not positions; else as `Found`.
        """


@dataclass(frozen=True)
class Asked:
    """Searches an index elsewhere.

    Attributes:
        remote: the index.
        rows: int64 [m], ascending: those that are in it.
    """

    remote: Remote
    rows: NDArray[np.int64]

    def find(
        self, queries: NDArray[np.float32], limit: int, allowed: NDArray[np.bool_] | None = None
    ) -> Found:
        """As `Finder` says."""
        if allowed is None:
            return self._first(self._ask(queries, limit, None), None, limit)
        count = int(np.count_nonzero(allowed))
        if count <= MOST_NAMED:
            return self._named(queries, limit, allowed)
        share = count / len(self.rows)
        asked = math.ceil(_MARGIN * limit / share)
        while True:
            asked = min(asked, MOST_ASKED, len(self.rows))
            answer = self._ask(queries, asked, None)
            found = self._first(answer, allowed, limit)
            if (found[0][:, -1] >= 0).all():
                return found
            if asked in (MOST_ASKED, len(self.rows)):
                return self._named(queries, limit, allowed)
            asked *= _WIDER

    def _named(self, queries: NDArray[np.float32], limit: int, allowed: NDArray[np.bool_]) -> Found:
        """The nearest of all that are allowed, named list by list."""
        best = _nothing(len(queries), limit)
        chosen = self.rows[allowed]
        for start in range(0, len(chosen), MOST_NAMED):
            answer = self._ask(queries, limit, chosen[start : start + MOST_NAMED])
            best = _merged(best, self._first(answer, None, limit))
        return best

    def _ask(
        self, queries: NDArray[np.float32], limit: int, only: NDArray[np.int64] | None
    ) -> Found:
        """What the index answers, asked in pieces that are not too large."""
        among = len(self.rows) if only is None else len(only)
        most, share = min(limit, MOST_ASKED, among), among / len(self.rows)
        pieces = [self.remote.nearest(piece, most, only, share) for piece in _pieces(queries, most)]
        rows, cosines = (np.concatenate(each) for each in zip(*pieces, strict=True))
        return rows, cosines

    def _first(self, answer: Found, allowed: NDArray[np.bool_] | None, limit: int) -> Found:
        """The first `limit` rows of an answer that are in the index and allowed, as positions."""
        rows, cosines = answer
        at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        good = (rows >= 0) & (self.rows[at] == rows)
        if allowed is not None:
            good &= allowed[at]
        order = np.argsort(~good, axis=1, kind="stable")[:, :limit]
        taken = np.take_along_axis(good, order, axis=1)
        positions, near = _nothing(len(rows), limit)
        width = order.shape[1]
        positions[:, :width] = np.where(taken, np.take_along_axis(at, order, axis=1), -1)
        near[:, :width] = np.where(taken, np.take_along_axis(cosines, order, axis=1), 0)
        return positions, np.clip(near, -1, 1)


def _nothing(queries: int, limit: int) -> Found:
    shape = (queries, limit)
    return np.full(shape, -1, dtype=np.int64), np.zeros(shape, dtype=np.float32)


def _pieces(queries: NDArray[np.float32], limit: int) -> Iterator[NDArray[np.float32]]:
    size = max(1, _AT_A_TIME // max(1, limit))
    return (queries[start : start + size] for start in range(0, len(queries), size))


def _merged(left: Found, right: Found) -> Found:
    """The best of two answers of the same width."""
    positions = np.concatenate([left[0], right[0]], axis=1)
    cosines = np.concatenate([left[1], right[1]], axis=1)
    keys = np.where(positions >= 0, -cosines, np.inf)
    order = np.argsort(keys, axis=1, kind="stable")[:, : left[0].shape[1]]
    return np.take_along_axis(positions, order, 1), np.take_along_axis(cosines, order, 1)
