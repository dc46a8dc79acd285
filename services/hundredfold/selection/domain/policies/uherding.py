"""Single images that cover what is uncertain.

Source: uncertainty herding, Bae et al. 2025 (arXiv 2412.20644), the MaxHerding of Bae et al. 2024 (arXiv
2407.12212) weighted by uncertainty; ProbCover (Yehuda et al. 2022) is the same with a kernel of 0 and 1,
whose radius it is very sensitive to. Greedily maximises, over images that stand for the pool, weight x
(1 - margin) x the likeness of the nearest labelled or chosen image.
"""

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked, Known, Policy
from hundredfold.selection.domain.policies.candidates import FEW, known_vectors, stand_ins
from hundredfold.selection.domain.policies.greedy import lazily
from hundredfold.selection.domain.policies.predicted import SINGLES, single_pages

_MOST_TARGETS = 2_048
_BLOCK = 1_024
_NARROWEST = 0.05


def choose(known: Known, asked: Asked) -> list[Draft]:
    """The images that add most to what is covered."""
    some = stand_ins(known, FEW)
    if not len(some):
        return []
    wanted = SINGLES * asked.limit
    targets = np.linspace(0, len(some) - 1, min(len(some), _MOST_TARGETS)).astype(np.int64)
    # An image that is decided needs covering too, a little: all decided, coverage alone chooses.
    doubt = 1.001 - known.pool.margin[some.places[targets]].astype(np.float64)
    order, gains = herd(
        some.vectors,
        some.vectors[targets],
        some.weights[targets] * doubt,
        known_vectors(known.pool, known.labels),
        wanted,
    )
    return single_pages(known.pool, some.places[order], gains, asked.page_size, asked.limit)


def herd(
    vectors: NDArray[np.float32],
    targets: NDArray[np.float32],
    weights: NDArray[np.float64],
    covered_by: NDArray[np.float32],
    count: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Greedy coverage.

    Args:
        vectors: float32 [c, d], length 1: to choose from.
        targets: float32 [t, d], to cover.
        weights: float64 [t], of each.
        covered_by: float32 [l, d], what covers already.
        count: how many to choose.

    Returns:
        The choices, int64 [min(count, c)], and the share of all weight that each added, not rising.
    """
    width = _width(targets)
    covered = np.zeros(len(targets), np.float32)
    if len(covered_by):
        covered = _kernel(targets, covered_by, width).max(1)
    shares = (weights / weights.sum()).astype(np.float32)
    gains: list[float] = []

    def now(places: NDArray[np.int64]) -> NDArray[np.float64]:
        added = np.maximum(_kernel(vectors[places], targets, width) - covered, 0)
        return np.asarray(added @ shares, np.float64)

    def chosen(place: int) -> None:
        gains.append(float(now(np.array([place]))[0]))
        np.maximum(covered, _kernel(vectors[place][None], targets, width)[0], out=covered)

    places = np.arange(len(vectors))
    blocks = [now(places[at : at + _BLOCK]) for at in range(0, len(places), _BLOCK)]
    order = lazily(np.concatenate(blocks), now, chosen, count)
    return order, np.minimum.accumulate(gains)


def _kernel(
    one: NDArray[np.float32], other: NDArray[np.float32], width: float
) -> NDArray[np.float32]:
    """Gaussian likeness of vectors of length 1: float32 [n, m]."""
    return np.asarray(np.exp(((one @ other.T) - 1) * np.float32(2 / width**2)), np.float32)


def _width(targets: NDArray[np.float32]) -> float:
    """The median distance of a target to its nearest other one."""
    if len(targets) < 2:
        return 1.0
    likeness = targets @ targets.T
    np.fill_diagonal(likeness, -1)
    return max(float(np.median(np.sqrt(np.maximum(2 - 2 * likeness.max(1), 0)))), _NARROWEST)


UHERDING = Policy("uherding", "Bae et al. 2025", Kind.SINGLE, choose)
