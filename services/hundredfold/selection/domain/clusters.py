"""Cluster pages: what people see before anything is known."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.pool import Pool

CLUSTERS_PER_CLASS = 2
SEED_IMAGES = 16
"""So many of a cluster that does not fit on a page: pages of predicted classes get more out of the others."""

_SMALLEST = 6
_FEWEST_LEFT = 3
_SURE = 0.5


@dataclass(frozen=True)
class Clusters:
    """A clustering.

    Attributes:
        run: that made it.
        rows: int64 [m], cluster after cluster, the nearest to its centre first.
        starts: int64 [k + 1], where each cluster begins.
    """

    run: str
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def members(self, number: int) -> NDArray[np.int64]:
        """The images of a cluster, the nearest to its centre first."""
        return self.rows[self.starts[number] : self.starts[number + 1]]

    def page_rows(self, page_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What is shown of each cluster: the rows, and the number of the cluster of each.

        All of one that fits on a page, since a rest would cost a look of its own; else the nearest to its
        centre.
        """
        size = np.diff(self.starts)
        shown = np.where(size <= page_size, size, min(SEED_IMAGES, page_size))
        number = np.repeat(np.arange(len(self)), shown)
        before = np.cumsum(shown) - shown
        return self.rows[np.arange(len(number)) + (self.starts[:-1] - before)[number]], number

    def numbers(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """The cluster of each row [n], -1 for one in none: int32 [n]."""
        known = rows < len(self._by_row)
        return np.where(known, self._by_row[np.where(known, rows, 0)], np.int32(-1))

    @cached_property
    def _by_row(self) -> NDArray[np.int32]:
        by_row = np.full(int(self.rows.max(initial=0)) + 1, -1, np.int32)
        by_row[self.rows] = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.starts))
        return by_row


def wanted(expected_classes: int, images: int) -> int:
    """How many clusters to seed with: two a class, at most one for every eight images."""
    return max(1, min(CLUSTERS_PER_CLASS * expected_classes, math.ceil(images / 8)))


def seed_pages(clusters: Clusters, pool: Pool, page_size: int) -> list[Draft]:
    """A page for each cluster that nobody has answered yet, the largest first.

    A cluster is answered once people have said something of half of its page: that it was labelled,
    that it is not of some class, that they are unsure. So nothing else need be remembered, and what
    is undone comes back. Clusters of a few images are left to the head, where there are others.
    """
    rows, number = clusters.page_rows(page_size)
    place = pool.places(rows)
    open_ = place >= 0
    open_[open_] = pool.kicks[place[open_]] == 0
    size = np.bincount(number, minlength=len(clusters))
    left = np.bincount(number[open_], minlength=len(clusters))
    worth_a_page = (size >= min(_SMALLEST, int(size.max(initial=0)))) & (left >= _FEWEST_LEFT)
    waiting = np.flatnonzero((2 * left > size) & worth_a_page)
    sizes = np.diff(clusters.starts)
    ranked = waiting[np.argsort(-sizes[waiting], kind="stable")]
    bounds = np.searchsorted(number, np.arange(len(clusters) + 1))
    pages = []
    for rank, each in enumerate(ranked):
        nearest = slice(bounds[each], bounds[each + 1])
        kept = rows[nearest][open_[nearest]]
        pages.append(_page(clusters, int(each), kept, pool, float(len(ranked) - rank)))
    return pages


def remaining_pages(clusters: Clusters, pool: Pool, page_size: int, limit: int) -> list[Draft]:
    """Further pages of clusters, and of images in none, for as long as there is no head."""
    pages: list[Draft] = []
    for number in range(len(clusters)):
        if len(pages) == limit:
            return pages
        members = clusters.members(number)
        members = members[pool.places(members) >= 0][:page_size]
        if len(members):
            pages.append(_page(clusters, number, members, pool, float(len(members))))
    left = pool.rows[clusters.numbers(pool.rows) < 0]
    starts = range(0, len(left), page_size)[: limit - len(pages)]
    return pages + [Draft(Kind.CLUSTER, left[at : at + page_size], 0.0) for at in starts]


def _page(
    clusters: Clusters, number: int, rows: NDArray[np.int64], pool: Pool, score: float
) -> Draft:
    return Draft(Kind.CLUSTER, rows, score, _likely(pool, rows), cluster=f"{clusters.run}/{number}")


def _likely(pool: Pool, rows: NDArray[np.int64]) -> int:
    """The class that a head takes most of the images for, if it is rather sure; else 0."""
    places = np.searchsorted(pool.rows, rows)
    mass = np.bincount(pool.top[places], pool.probability[places])
    best = int(mass.argmax()) if len(mass) else 0
    return best if best and mass[best] > _SURE * len(rows) else 0
