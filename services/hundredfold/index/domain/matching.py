"""Which cluster of a new clustering is which of the one before, by the images they share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Names:
    """What clusters are called for good, whatever their numbers are in a clustering.

    Attributes:
        ids: int64 [k], of each cluster, each once.
        next_id: no cluster of the collection has had this id, or a greater one.
    """

    ids: NDArray[np.int64]
    next_id: int

    @classmethod
    def first(cls, count: int) -> "Names":
        """Of the first clustering of a collection."""
        return cls(np.arange(count), count)

    def more(self, count: int) -> "Names":
        """With new ones for the clusters after the last, so that there are `count`."""
        new = np.arange(count - len(self.ids)) + self.next_id
        return Names(np.concatenate([self.ids, new]), self.next_id + len(new))


@dataclass(frozen=True)
class Named:
    """A clustering whose clusters have names.

    Attributes:
        rows: int64 [n], ascending: what was clustered.
        assignment: int32 [n], the number of the cluster of each.
        names: k.
    """

    rows: NDArray[np.int64]
    assignment: NDArray[np.int32]
    names: Names


def matched(
    before: Named, rows: NDArray[np.int64], assignment: NDArray[np.int32]
) -> list[tuple[int, int]]:
    """Pairs of (number before, number now) of clusters that are the same: those that share most rows first.

    Two clusters are the same when they share more than half of what either of them has of the rows that
    are in both clusterings. A cluster is in one pair at most.

    Args:
        before: the clustering before.
        rows: int64 [m], ascending: what was clustered now.
        assignment: int32 [m], the cluster of each.
    """
    both, old, new = np.intersect1d(before.rows, rows, assume_unique=True, return_indices=True)
    if not len(both):
        return []
    was, now = before.assignment[old], assignment[new]
    width = int(now.max()) + 1
    pairs, shared = np.unique(was.astype(np.int64) * width + now, return_counts=True)
    was_of, now_of = pairs // width, pairs % width
    enough = 2 * shared > np.minimum(np.bincount(was)[was_of], np.bincount(now)[now_of])
    order = np.argsort(-shared[enough], kind="stable")
    return _greedy(was_of[enough][order].tolist(), now_of[enough][order].tolist())


def _greedy(was: list[int], now: list[int]) -> list[tuple[int, int]]:
    seen_was: set[int] = set()
    seen_now: set[int] = set()
    pairs = []
    for old, new in zip(was, now, strict=True):
        if old not in seen_was and new not in seen_now:
            seen_was.add(old)
            seen_now.add(new)
            pairs.append((old, new))
    return pairs


def numbers_kept(pairs: list[tuple[int, int]], count: int) -> NDArray[np.int32]:
    """New numbers for the clusters, so that those that were there before keep theirs: int32 [count].

    A cluster whose number was `count` or more can't, and gets one that is free, as new clusters do.
    """
    numbers = np.full(count, -1, dtype=np.int32)
    for old, new in pairs:
        if old < count:
            numbers[new] = old
    free = np.setdiff1d(np.arange(count), numbers)
    numbers[numbers < 0] = free
    return numbers


def names_kept(before: Names, pairs: list[tuple[int, int]], count: int) -> Names:
    """The names of `count` clusters: those that were there before keep theirs.

    Args:
        before: the names before.
        pairs: (number before, number now), as `matched` gives them for the numbers that the clusters have now.
        count: of clusters.
    """
    ids = np.full(count, -1, dtype=np.int64)
    for old, new in pairs:
        ids[new] = before.ids[old]
    unnamed = np.flatnonzero(ids < 0)
    ids[unnamed] = before.next_id + np.arange(len(unnamed))
    return Names(ids, before.next_id + len(unnamed))
