"""The order of the images on a page: alike beside alike, so that odd ones stand together.

A run of odd images is kicked with one drag. Sorted by the second guess, or by confidence, odd images
are as scattered as by chance, since the probabilities are calibrated: what the head could know of
their places it has said. What images look like knows more: a walk from the surest image, each time to
the one most alike, took 5 to 8 % off the seconds of kicking (docs/adr/0007-the-loop.md), as much as
optimal leaf ordering of a hierarchical clustering, which takes longer.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.page import Draft
from hundredfold.selection.domain.pool import Pool

_LOOKS = 4.0  # weight of the squared distance of vectors against that of guesses


def arrange(page: Draft, pool: Pool) -> Draft:
    """A page of one predicted class, its images, all of the pool, in the order of a walk."""
    places = pool.places(page.rows)
    sorter = np.argsort(places)
    order = sorter[np.searchsorted(places, walk(pool, places), sorter=sorter)]
    return replace(
        page,
        rows=page.rows[order],
        second=page.second[order],
        probability=page.probability[order],
    )


def walk(pool: Pool, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order images of one predicted class.

    Args:
        pool: the images.
        places: int64 [n], of those on the page; n at least 1.

    Returns:
        The same places, int64 [n].
    """
    distance = _LOOKS * _between(pool.vectors_of(pool.rows[places])) + _guesses(pool, places)
    at = int(pool.probability[places].argmax())
    order = [at]
    left = np.ones(len(places), bool)
    while len(order) < len(places):
        left[at] = False
        at = int(np.where(left, distance[at], np.inf).argmin())
        order.append(at)
    return places[order]


def _between(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances of vectors of length 1: float32 [n, n]."""
    return np.asarray(2 - 2 * (vectors @ vectors.T), np.float32)


def _guesses(pool: Pool, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Squared Hellinger-like distances of the two likeliest guesses: float32 [n, n]."""
    first = np.sqrt(pool.probability[places])
    next_best = np.sqrt(np.maximum(pool.probability[places] - pool.margin[places], 0))
    second = pool.second[places]
    same = second[:, None] == second[None]
    apart = next_best[:, None] ** 2 + next_best[None] ** 2
    near = (next_best[:, None] - next_best[None]) ** 2
    spread = (first[:, None] - first[None]) ** 2 + np.where(same, near, apart)
    return np.asarray(spread, np.float32)
