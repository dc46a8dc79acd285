"""Centres of clusters, and which of them is nearest to a point."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain import device

SCORED = 1 << 22
"""Scores held at a time: 16 MB."""

GATHERED = 2_048
"""Points of a group that are multiplied at a time: 1 MB at 128 dimensions, as much as a cache holds."""

Found = tuple[NDArray[np.int32], NDArray[np.float32]]
"""The number of the nearest centre of each point, int32 [n], and its score, float32 [n]."""


@dataclass(frozen=True)
class Centres:
    """Nearest to a point `x` is the centre with the greatest *score*, `x @ at + offset`.

    Attributes:
        at: float32 [k, p].
        offset: float32 [k]; as `Geometry.at` gives it, less what a cluster that is too large asks.
    """

    at: NDArray[np.float32]
    offset: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.at)

    def some(self, numbers: NDArray[np.integer]) -> "Centres":
        """These of them, in this order."""
        return Centres(self.at[numbers], self.offset[numbers])

    def scores(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [n, k]."""
        found: NDArray[np.float32] = points @ self.at.T
        found += self.offset
        return found

    def best(self, points: NDArray[np.float32]) -> Found:
        """The nearest centre of each point, the first of several, by looking at all of them."""
        numbers = np.empty(len(points), dtype=np.int32)
        best = np.empty(len(points), dtype=np.float32)
        step = max(1, SCORED // len(self))
        for start in range(0, len(points), step):
            scores = self.scores(points[start : start + step])
            found = scores.argmax(axis=1)
            numbers[start : start + step] = found
            best[start : start + step] = scores[np.arange(len(found)), found]
        return numbers, best


@dataclass(frozen=True)
class Geometry:
    """What "near" means.

    Attributes:
        spherical: points and centres have length 1 and likeness is the cosine; else distances are
            Euclidean.
    """

    spherical: bool

    def at(self, places: NDArray[np.float32]) -> Centres:
        """Centres at these places, float32 [k, p]."""
        if self.spherical:
            return Centres(places, np.zeros(len(places), dtype=np.float32))
        return Centres(places, -0.5 * np.einsum("kp,kp->k", places, places))

    def middles(self, sums: NDArray[np.float64], sizes: NDArray[np.integer]) -> NDArray[np.float32]:
        """The best places for centres of clusters with these sums [k, p] and sizes [k], 1 or more."""
        by = np.linalg.norm(sums, axis=1) if self.spherical else sizes
        return np.asarray(sums / np.maximum(by, 1e-30)[:, None], dtype=np.float32)

    def losses(
        self, points: NDArray[np.float32], scores: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """How far points are from centres with these scores: float32 [n].

        1 - cosine, or the squared distance; not below 0.
        """
        if self.spherical:
            return np.asarray(np.maximum(1 - scores, 0), dtype=np.float32)
        lengths = np.einsum("np,np->n", points, points)
        return np.asarray(np.maximum(lengths - 2 * scores, 0), dtype=np.float32)


class Groups:
    """Numbers sorted by the group they are in.

    Args:
        group: of each, 0 to count - 1: [n].
        count: of groups.
    """

    def __init__(self, group: NDArray[np.integer], count: int) -> None:
        narrow = group.astype(np.uint16) if count <= 1 << 16 else group  # is sorted by radix
        self.order = np.argsort(narrow, kind="stable")
        self.sizes = np.bincount(group, minlength=count)
        self.ends = np.cumsum(self.sizes)

    def members(self, number: int) -> NDArray[np.intp]:
        """Who is in a group, ascending."""
        return self.order[self.ends[number] - self.sizes[number] : self.ends[number]]

    def between(self, first: int, last: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """The groups first to last - 1 that have members, and these, at most GATHERED at a time."""
        for number in range(first, last):
            members = self.members(number)
            for start in range(0, len(members), GATHERED):
                yield number, members[start : start + GATHERED]

    def shares(self, count: int) -> list[tuple[int, int]]:
        """Ranges of groups, for `between`, with about as many members each."""
        marks = np.linspace(0, len(self.order), count + 1)[1:-1]
        cuts = [0, *np.searchsorted(self.ends, marks).tolist(), len(self.sizes)]
        return [(low, high) for low, high in itertools.pairwise(cuts) if low < high]

    def sums(self, points: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The groups that have members, and the sums of these, float64 [groups, p]: for some 10,000 points."""
        filled = np.flatnonzero(self.sizes)
        starts = (self.ends - self.sizes)[filled]
        ordered = np.take(points, self.order, axis=0)
        # In float32: a sum of float64 takes ten times as long.
        return filled, np.add.reduceat(ordered, starts, axis=0).astype(np.float64)


def best_among(
    points: NDArray[np.float32],
    groups: Groups,
    centres: Centres,
    candidates: Sequence[NDArray[np.int32]] | NDArray[np.int32],
) -> Found:
    """The nearest centre of each point among the candidates of its group, the first of several.

    Args:
        points: float32 [n, p].
        groups: of the points.
        centres: k.
        candidates: of each group, numbers of centres, at least one.
    """
    numbers = np.empty(len(points), dtype=np.int32)
    scores = np.empty(len(points), dtype=np.float32)

    def work(share: tuple[int, int]) -> None:
        held, some = -1, centres
        for group, members in groups.between(*share):
            if group != held:
                held, some = group, centres.some(candidates[group])
            local, scores[members] = some.best(np.take(points, members, axis=0))
            numbers[members] = candidates[group][local]

    device.side_by_side(work, groups.shares(4 * device.workers()))
    return numbers, scores
