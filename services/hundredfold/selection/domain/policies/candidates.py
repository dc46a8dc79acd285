"""A few images that stand for all: what is too dear for millions is done on these.

Each region of the space, a cluster of the collection, gives as many as the square root of its images
asks for, so that large ones do not crowd out small ones, and each of its candidates carries the weight of
the images that it stands for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.policies.base import Known
from hundredfold.selection.domain.pool import Labels, Pool

MOST = 50_000
FEW = 8_192
_MOST_FLOATS = 1 << 24
_MOST_LABELS = 2_048


@dataclass(frozen=True)
class Candidates:
    """Images that stand for a pool.

    Attributes:
        places: int64 [c], in the pool.
        vectors: float32 [c, d].
        weights: float64 [c], how many images each stands for; they add up to the pool.
    """

    places: NDArray[np.int64]
    vectors: NDArray[np.float32]
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.places)


def stand_ins(known: Known, most: int = MOST) -> Candidates:
    """At most `most` images of the pool, fewer where vectors are long; all where there are no more.

    Deterministic: the images of a region are taken at equal steps of row.
    """
    pool = known.pool
    if not len(pool):
        return Candidates(np.empty(0, np.int64), np.empty((0, 1), np.float32), np.empty(0))
    width = pool.vectors_of(pool.rows[:1]).shape[1]
    most = max(1, min(most, _MOST_FLOATS // width))
    if len(pool) <= most:
        places, weights = np.arange(len(pool)), np.ones(len(pool))
    else:
        places, weights = _by_region(known, most)
    return Candidates(places, pool.vectors_of(pool.rows[places]), weights)


def least_decided(pool: Pool, most: int) -> NDArray[np.int64]:
    """The places of the images of smallest margin, that first; ties by row: int64 [c]."""
    if len(pool) > most:
        bound = np.partition(pool.margin, most - 1)[most - 1]
        places = np.flatnonzero(pool.margin <= bound)
    else:
        places = np.arange(len(pool))
    return places[np.argsort(pool.margin[places], kind="stable")[:most]]


def known_vectors(pool: Pool, labels: Labels, most: int = _MOST_LABELS) -> NDArray[np.float32]:
    """Vectors of labelled images, at most so many, evenly spread: float32 [l, d]."""
    some = np.linspace(0, len(labels) - 1, min(len(labels), most)).astype(np.int64)
    return pool.vectors_of(labels.rows[some])


def _by_region(known: Known, most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    region = known.clusters.numbers(known.pool.rows) + 1
    sizes = np.bincount(region)
    root = np.sqrt(sizes)
    # Rounded down, so that no more than `most` come; every region that has images gives one.
    shares = np.minimum(sizes, np.maximum(1, most * root // root.sum())).astype(np.int64)
    shares[sizes == 0] = 0
    bits = max(1, len(region) - 1).bit_length()
    key = (region.astype(np.int64) << bits) | np.arange(len(region))
    key.sort()
    key &= (1 << bits) - 1
    number = np.repeat(np.arange(len(sizes)), shares)
    step = np.arange(len(number)) - np.repeat(np.cumsum(shares) - shares, shares)
    offset = (step * sizes[number]) // shares[number]
    places = key[(np.cumsum(sizes) - sizes)[number] + offset]
    return places[:most], (sizes[number] / shares[number])[:most]
