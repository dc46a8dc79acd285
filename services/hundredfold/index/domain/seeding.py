"""Where k-means of many centres starts from: two levels, so that k-means++ over all is not needed."""

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain.cells import small
from hundredfold.index.domain.centres import Centres, Geometry, Groups

CELL_ROUNDS = 10
ROUNDS = 4
POINTS_PER_CENTRE = 48


def first_centres(
    points: NDArray[np.float32], count: int, geometry: Geometry, rng: np.random.Generator
) -> Centres:
    """Divide the points into cells, and each cell into its share of the centres.

    Args:
        points: float32 [n, p], n >= count.
        count: of centres.
        geometry: what "near" means.
        rng: of samples and starts.
    """
    cells = max(1, round(count**0.5))
    coarse = small(points, cells, geometry, rng, CELL_ROUNDS)
    numbers, scores = coarse.best(points)
    groups = Groups(numbers, cells)
    losses = np.bincount(numbers, weights=geometry.losses(points, scores), minlength=cells)
    # By number alone, wide cells get too few; by loss alone, outliers get too many.
    shares = divided(count, np.sqrt(losses * groups.sizes), groups.sizes)
    at = [
        _within(points, groups.members(cell), int(shares[cell]), geometry, rng).at
        for cell in np.flatnonzero(shares).tolist()
    ]
    return geometry.at(np.concatenate(at))


def divided(
    count: int, weights: NDArray[np.float64], most: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Divide a number in proportion to weights: int64 [c], the sum is `count`.

    Args:
        count: at most the sum of `most`.
        weights: float64 [c], 0 or more.
        most: int [c], what each can have; each that can have any and has a weight gets 1 while there are
            enough.
    """
    # So that a weight of 0 still gets something when all others are full.
    weights = weights + max(float(weights.max()), 1.0) * 1e-9
    room = most.astype(np.int64)
    shares = np.zeros(len(weights), dtype=np.int64)
    while left := count - int(shares.sum()):
        wanted = np.where(room > 0, weights, 0.0)
        wanted *= left / wanted.sum()
        whole = np.minimum(np.floor(wanted).astype(np.int64), room)
        if not whole.any():
            whole[np.argsort(np.where(room > 0, -wanted, np.inf), kind="stable")[:left]] = 1
            whole = np.minimum(whole, room)
        shares += whole
        room -= whole
    return shares


def _within(
    points: NDArray[np.float32],
    members: NDArray[np.intp],
    count: int,
    geometry: Geometry,
    rng: np.random.Generator,
) -> Centres:
    """Centres of some of the points."""
    size = min(len(members), POINTS_PER_CENTRE * count)
    drawn = np.sort(rng.choice(members, size=size, replace=False))
    return small(points[drawn], count, geometry, rng, ROUNDS)
