"""What a look-up found: rows and distances of many queries."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.arrays import Indices


@dataclass(frozen=True)
class Found:
    """What was found for q queries.

    Attributes:
        rows: int64 [m], of one query after the other, the nearest first and then by number.
        distances: uint8 [m], bits of the pHash; 0 for equal bytes.
        starts: int64 [q + 1], where the rows of each query begin.
    """

    rows: Indices
    distances: NDArray[np.uint8]
    starts: Indices

    def of(self, query: int) -> tuple[Indices, NDArray[np.uint8]]:
        """Rows and distances of one query."""
        some = slice(int(self.starts[query]), int(self.starts[query + 1]))
        return self.rows[some], self.distances[some]


def with_equal(found: Found, equal: Iterable[Indices | None], *, most: int) -> Found:
    """What was found, and rows of equal bytes at distance 0.

    Args:
        found: by hashes.
        equal: int64 of each query; None = it has no hashes, and what was found is none of it.
        most: rows of a query.
    """
    return concatenated([_merged(*found.of(query), rows, most) for query, rows in enumerate(equal)])


def _merged(
    rows: Indices, distances: NDArray[np.uint8], equal: Indices | None, most: int
) -> tuple[Indices, NDArray[np.uint8]]:
    if equal is None:
        return rows[:0], distances[:0]
    if not len(equal):
        return rows, distances
    rows = np.concatenate([rows, equal])
    distances = np.concatenate([distances, np.zeros(len(equal), np.uint8)])
    order = np.lexsort((rows, distances))[:most]
    return rows[order], distances[order]


def concatenated(found: list[tuple[Indices, NDArray[np.uint8]]]) -> Found:
    """What was found of each query, rows and distances, as one."""
    rows = [np.empty(0, np.int64), *(each for each, _ in found)]
    distances = [np.empty(0, np.uint8), *(each for _, each in found)]
    starts = np.cumsum([len(each) for each in rows])
    return Found(np.concatenate(rows), np.concatenate(distances), starts.astype(np.int64))
