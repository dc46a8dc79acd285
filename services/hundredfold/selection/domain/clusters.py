"""Cluster pages: what people see before anything is known."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.pool import Pool

CLUSTERS_PER_CLASS = 2
_SMALLEST = 3
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
        """The nearest images of each cluster: their rows, and the number of the cluster of each."""
        sizes = np.diff(self.starts)
        place = np.arange(len(self.rows)) - np.repeat(self.starts[:-1], sizes)
        number = np.repeat(np.arange(len(sizes)), sizes)
        chosen = place < page_size
        return self.rows[chosen], number[chosen]


def wanted(expected_classes: int, images: int) -> int:
    """How many clusters to seed with: two a class, at most one for every eight images."""
    return max(1, min(CLUSTERS_PER_CLASS * expected_classes, math.ceil(images / 8)))


def seed_pages(clusters: Clusters, pool: Pool, page_size: int) -> list[Draft]:
    """A page for each cluster that nobody has answered yet, the largest first.

    A cluster is answered once people have said something of half of its page: that it was labelled,
    that it is not of some class, that they are unsure. So nothing else need be remembered, and what
    is undone comes back. Clusters of one or two images are left to the head.
    """
    rows, number = clusters.page_rows(page_size)
    open_ = np.isin(rows, pool.rows[pool.kicks == 0])
    size = np.bincount(number, minlength=len(clusters))
    left = np.bincount(number[open_], minlength=len(clusters))
    waiting = np.flatnonzero((2 * left > size) & (left >= _SMALLEST))
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
    left = pool.rows
    for number in range(len(clusters)):
        members = clusters.members(number)
        members = members[np.isin(members, left)][:page_size]
        if len(members) and len(pages) < limit:
            pages.append(_page(clusters, number, members, pool, float(len(members))))
    left = left[~np.isin(left, clusters.rows)]
    for start in range(0, len(left), page_size):
        if len(pages) < limit:
            pages.append(Draft(Kind.CLUSTER, left[start : start + page_size], 0.0))
    return pages


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
