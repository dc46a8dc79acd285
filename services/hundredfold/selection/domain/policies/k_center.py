"""Single images that leave none far from a label.

Source: core-set selection, Sener and Savarese 2018 (arXiv 1708.00489), the greedy algorithm (Gonzalez
1985), on at most 50,000 images that stand for the pool.
"""

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked, Known, Policy
from hundredfold.selection.domain.policies.candidates import known_vectors, stand_ins
from hundredfold.selection.domain.policies.greedy import lazily
from hundredfold.selection.domain.policies.predicted import SINGLES, single_pages

_BLOCK = 4_096


def choose(known: Known, asked: Asked) -> list[Draft]:
    """The image farthest from everything labelled or chosen, again and again."""
    some = stand_ins(known)
    if not len(some):
        return []
    centres = known_vectors(known.pool, known.labels)
    order, distances = farthest(some.vectors, centres, min(len(some), SINGLES * asked.limit))
    places = some.places[order]
    return single_pages(known.pool, places, distances, asked.page_size, asked.limit)


def farthest(
    vectors: NDArray[np.float32], centres: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Farthest-first traversal.

    Args:
        vectors: float32 [c, d], length 1.
        centres: float32 [l, d], where to begin; without any, at what is farthest from the mean.
        count: how many to choose, at most c.

    Returns:
        The choices, int64 [count], and how far each was when chosen, float64 [count], not rising.
    """
    if not len(centres):
        mean = vectors.mean(0, keepdims=True)
        centres = mean / max(float(np.linalg.norm(mean)), 1e-12)
    gap = np.concatenate(
        [_gap(vectors[at : at + _BLOCK], centres) for at in range(0, len(vectors), _BLOCK)]
    )
    chosen: list[int] = []

    def now(places: NDArray[np.int64]) -> NDArray[np.float64]:
        if not chosen:
            return gap[places]
        return np.asarray(np.minimum(gap[places], _gap(vectors[places], vectors[chosen])))

    distances: list[float] = []

    def choose_one(place: int) -> None:
        distances.append(float(now(np.array([place]))[0]))
        chosen.append(place)

    order = lazily(gap, now, choose_one, count)
    return order, np.minimum.accumulate(distances)


def _gap(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared distance of each to the nearest of the centres: float64 [n]."""
    return np.asarray(2 - 2 * (vectors @ centres.T).max(1), np.float64)


K_CENTER = Policy("k-center", "Sener and Savarese 2018", Kind.SINGLE, choose)
