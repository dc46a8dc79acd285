"""Which centre is nearest to each of many points: exactly, or through cells where there are many centres."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain import device, kmeans
from hundredfold.index.domain.cells import Cells
from hundredfold.index.domain.centres import Centres, Geometry

MANY = 512
"""From so many centres on, cells are worth it."""

TOLERATED = 1e-3
"""So much farther from their centres, all in all, may points be for not looking into all cells."""

DEARER = 6
"""So many times as much as a share of all centres does a cell cost that is looked into."""

PROBES_LEAST = 2
JUDGES = 4096

Assign = Callable[[NDArray[np.float32]], NDArray[np.int32]]
"""The number of the nearest centre of each point, float32 [n, p] to int32 [n]."""


def finder(
    centres: Centres, geometry: Geometry, judges: NDArray[np.float32], *, seed: int
) -> Assign:
    """Return what finds the nearest centre of points.

    Args:
        centres: k.
        geometry: what "near" means.
        judges: float32 [n, p], some of the points, which decide how many cells are looked into.
        seed: of the cells.
    """
    if len(centres) >= MANY and not device.gpus():
        cells = Cells(centres, geometry, seed)
        probes = enough_probes(cells, geometry, judges)
        if DEARER * probes <= len(cells):
            return lambda points: cells.nearest(points, probes)[0]
    if centres.offset.any() or not geometry.spherical:
        return lambda points: centres.best(points)[0]
    index = kmeans.nearest_index(centres.at)
    return lambda points: kmeans.nearest(points, index)


def enough_probes(cells: Cells, geometry: Geometry, judges: NDArray[np.float32]) -> int:
    """Double the cells looked into until the points are as near to their centres as they can be.

    Returns:
        1 to the number of cells.
    """
    exact = cells.centres.best(judges)[1]
    allowed = TOLERATED * geometry.losses(judges, exact).sum(dtype=np.float64)
    probes = PROBES_LEAST
    while DEARER * probes <= len(cells):
        found = cells.nearest(judges, probes)[1]
        more = geometry.losses(judges, found) - geometry.losses(judges, exact)
        if more.sum(dtype=np.float64) <= allowed:
            return probes
        probes *= 2
    return len(cells)
