"""No part of the space takes the whole of a round."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.page import Draft
from hundredfold.selection.domain.pool import Pool

MULTIPLE = 4.0
"""Of any first pages of a round at most so many times its share of the pool's images are of one region,
and one more, while others have pages."""


def spread(pages: Sequence[Draft], pool: Pool, clusters: Clusters, limit: int) -> list[Draft]:
    """Choose pages in their order, but those of a region that has had its part after those of others.

    Args:
        pages: the best first, of images of the pool.
        pool: what they were chosen from.
        clusters: the regions; images in none are one more.
        limit: how many to choose.
    """
    if len(clusters) < 2:
        return list(pages[:limit])
    shares = _shares(pool, clusters)
    waiting = [(page, _region(page, clusters)) for page in pages]
    had: Counter[int] = Counter()
    chosen: list[Draft] = []
    while waiting and len(chosen) < limit:
        at = _next([region for _, region in waiting], had, shares, len(chosen))
        page, region = waiting.pop(at)
        had[region] += 1
        chosen.append(page)
    return chosen


def _next(waiting: list[int], had: Counter[int], shares: NDArray[np.float64], so_far: int) -> int:
    for at, region in enumerate(waiting):
        if had[region] <= MULTIPLE * shares[region] * (so_far + 1):
            return at
    return 0


def _shares(pool: Pool, clusters: Clusters) -> NDArray[np.float64]:
    """The share of the pool's images that each region has, the last those in none: float64 [k + 1]."""
    number = clusters.numbers(pool.rows)
    counts = np.bincount(np.where(number < 0, len(clusters), number), minlength=len(clusters) + 1)
    return np.asarray(counts / max(len(pool), 1))


def _region(page: Draft, clusters: Clusters) -> int:
    """Where most images of a page are."""
    number = clusters.numbers(page.rows)
    return int(np.bincount(np.where(number < 0, len(clusters), number)).argmax())
