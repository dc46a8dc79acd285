"""Clusters of about the same size: a centre with too many points asks a price, which drives some to others.

The price is taken off a centre's score, so a point goes where score less price is greatest (the dual of an
assignment with capacities, as in Bertsekas' auctions, raised and lowered by the logarithm of the size). It
is found on the training points and holds for all others, so that assigning stays one pass.
"""

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain.assigning import Assign, finder
from hundredfold.index.domain.centres import Centres, Geometry, Groups
from hundredfold.index.domain.progress import Progress, silent

ROUNDS = 40
MOVE = 4
"""Every so many rounds the centres move; in between prices settle."""

JUDGES = 4096
STEP = 0.1
"""Of the mean loss, for a cluster of e times the size it should have or more, in the first round."""

BLOCK = 65_536


def balanced(
    points: NDArray[np.float32],
    centres: Centres,
    geometry: Geometry,
    *,
    seed: int,
    progress: Progress = silent,
) -> Centres:
    """Price centres, and move them, until clusters are of about the same size.

    Args:
        points: float32 [n, p], n >= k.
        centres: k, as training without prices left them.
        geometry: what "near" means.
        seed: of what finds the nearest.
        progress: told after every round.
    """
    prices = np.zeros(len(centres), dtype=np.float32)
    mean = len(points) / len(centres)
    judges = points[:: -(-len(points) // JUDGES)]
    unit = float(geometry.losses(judges, centres.best(judges)[1]).mean())
    best, least = centres, np.inf
    for number in range(ROUNDS):
        assign = finder(centres, geometry, judges, seed=seed)
        groups = Groups(_all(points, assign), len(centres))
        uneven = float(np.square(groups.sizes / mean - 1).mean())
        if uneven < least:
            best, least = centres, uneven
        wrong = np.log((groups.sizes + 0.5) / (mean + 0.5)).clip(-1, 1).astype(np.float32)
        # A step that shrinks: early ones find the price, later ones stop it from swinging.
        prices += np.float32(STEP * unit / (1 + number / 8)) * wrong
        at = _moved(points, groups, centres, geometry) if number % MOVE == 0 else centres.at
        centres = Centres(at, geometry.at(at).offset - prices)
        progress(number + 1, ROUNDS)
    return best


def _all(points: NDArray[np.float32], assign: Assign) -> NDArray[np.int32]:
    return np.concatenate(
        [assign(points[start : start + BLOCK]) for start in range(0, len(points), BLOCK)]
    )


def _moved(
    points: NDArray[np.float32], groups: Groups, centres: Centres, geometry: Geometry
) -> NDArray[np.float32]:
    at = centres.at.copy()
    for number in np.flatnonzero(groups.sizes).tolist():
        sums = points[groups.members(number)].sum(axis=0, dtype=np.float64)
        at[number] = geometry.middles(sums[None], groups.sizes[number : number + 1])[0]
    return at
