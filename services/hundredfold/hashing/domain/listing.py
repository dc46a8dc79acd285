"""Groups of copies, and copies across sides, as lists to page through."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.arrays import Indices
from hundredfold.hashing.domain.groups import Groups


@dataclass(frozen=True)
class Listed:
    """One group.

    Attributes:
        representative: its row.
        copies: int64 [c], the nearest first; not all of them in a very large group.
        distances: uint8 [c], bits of the pHash.
        copy_count: how many copies there are.
    """

    representative: int
    copies: Indices
    distances: NDArray[np.uint8]
    copy_count: int


class GroupList:
    """The groups of two and more images, the largest first, equally large ones by representative.

    Attributes:
        group_count: how many groups.
        copy_count: how many copies in all of them.
    """

    def __init__(self, groups: Groups) -> None:
        rows = np.arange(len(groups.representative))
        copies = rows[(groups.representative >= 0) & (groups.representative != rows)]
        order = np.lexsort((copies, groups.distance[copies], groups.representative[copies]))
        self._copies = copies[order]
        self._distances = groups.distance[self._copies]
        of, begins, sizes = np.unique(
            groups.representative[self._copies], return_index=True, return_counts=True
        )
        largest = np.lexsort((of, -sizes))
        self._of, self._begins, self._sizes = of[largest], begins[largest], sizes[largest]
        self.group_count = len(of)
        self.copy_count = len(copies)

    def after(self, copy_count: int, representative: int) -> int:
        """The place behind the group of that size and representative, whether it is there or not."""
        before = self._sizes > copy_count
        before |= (self._sizes == copy_count) & (self._of <= representative)
        return int(before.sum())

    def page(self, begin: int, groups: int, *, copies: int, copies_each: int) -> list[Listed]:
        """Groups from a place on: one at least if there is one, then as many as limits allow.

        Args:
            begin: a place, from 0.
            groups: at most this many.
            copies: no further group that would bring more than this many copies in all.
            copies_each: at most this many copies of one group.
        """
        held = np.cumsum(np.minimum(self._sizes[begin : begin + groups], copies_each))
        end = begin + max(int((held <= copies).sum()), 1)
        return [self._listed(place, copies_each) for place in range(begin, min(end, len(self._of)))]

    def _listed(self, place: int, most: int) -> Listed:
        begin, size = int(self._begins[place]), int(self._sizes[place])
        some = slice(begin, begin + min(size, most))
        return Listed(int(self._of[place]), self._copies[some], self._distances[some], size)


@dataclass(frozen=True)
class LeakList:
    """Images that have a copy on another side, the nearest first.

    Attributes:
        rows: int64 [m, 2], the row of each and of its nearest copy.
        sides_of: uint8 [m, 2], their sides.
        distances: uint8 [m], bits of the pHash.
        sides: the names of the sides.
        counts: how many images of each side have a copy on each other one: [from][to].
    """

    rows: Indices
    sides_of: NDArray[np.uint8]
    distances: NDArray[np.uint8]
    sides: list[str]
    counts: list[list[int]]
