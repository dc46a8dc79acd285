"""k-means of many points into many centres: Lloyd's algorithm that looks only where a point can go.

A point that is nearest to one centre is, after a small move of all centres, nearest to the same or to
one beside it. So a pass compares each point with the NEIGHBOURS centres nearest to its own, not with all
k, as the closures of Wang et al. ("Fast approximate k-means via cluster closures", 2012) and the graph
of Deng and Zhao ("Fast k-means based on k-NN graph", 2018) do. Its own is among them, so no pass makes
the fit worse. Now and then a pass looks wider, into the cells nearest to each point, so that one that
began in a wrong place gets out of it. The start comes from two levels: see `seeding`.
"""

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain.cells import Cells, keep_better
from hundredfold.index.domain.centres import Centres, Found, Geometry, Groups, best_among
from hundredfold.index.domain.progress import Progress, silent
from hundredfold.index.domain.seeding import first_centres

ROUNDS = 25
WIDE = (3, 9)
"""Rounds that look wider."""

NEIGHBOURS = 32
PROBES = 2
GRAPH_PROBES = 6
MOVED = 65_536
ENOUGH = 1e-4
"""A round that improves the fit by a smaller share is the last."""


class Fit:
    """Points and their centres, as rounds change them.

    Args:
        points: float32 [n, p].
        geometry: what "near" means.
        centres: k.
        found: the centre of each point to begin with.

    Attributes:
        points: as given.
        centres: as the last round left them.
        numbers: int32 [n], the centre of each point.
        scores: float32 [n], of the point with its centre.
        sums: float64 [k, p], of the points of each centre.
        sizes: int64 [k].
    """

    def __init__(
        self, points: NDArray[np.float32], geometry: Geometry, centres: Centres, found: Found
    ) -> None:
        self.points = points
        self.centres = centres
        self.numbers, self.scores = found
        self.sums = np.zeros(centres.at.shape, dtype=np.float64)
        self.sizes = np.bincount(self.numbers, minlength=len(centres))
        self._geometry = geometry
        for start in range(0, len(points), MOVED):
            block = slice(start, start + MOVED)
            self._add(self.numbers[block], points[block], 1)

    def losses(self) -> NDArray[np.float32]:
        """How far each point is from its centre: float32 [n]; 1 - cosine, or the squared distance."""
        return self._geometry.losses(self.points, self.scores)

    def move(self, rng: np.random.Generator) -> None:
        """Put each centre into the middle of its points; an empty one on a point where the fit is worst."""
        filled = np.flatnonzero(self.sizes)
        at = self.centres.at.copy()
        at[filled] = self._geometry.middles(self.sums[filled], self.sizes[filled])
        empty = np.flatnonzero(self.sizes == 0)
        far = self._far(len(empty), rng)
        at[empty] = self.points[far]
        self.centres = self._geometry.at(at)
        if len(empty):
            self._give(far, empty)

    def assign(self, found: Found) -> None:
        """Give points to other centres."""
        numbers, scores = found
        moved = np.flatnonzero(numbers != self.numbers)
        for start in range(0, len(moved), MOVED):
            some = moved[start : start + MOVED]
            vectors = np.take(self.points, some, axis=0)
            self._add(numbers[some], vectors, 1)
            self._add(self.numbers[some], vectors, -1)
        self.sizes = np.bincount(numbers, minlength=len(self.centres))
        self.numbers, self.scores = numbers, scores

    def _give(self, points: NDArray[np.intp], owners: NDArray[np.intp]) -> None:
        """Give some points to these centres, which none of their neighbours may know of yet."""
        numbers, scores = self.numbers.copy(), self.scores.copy()
        numbers[points] = owners
        own = self.centres.some(owners)
        scores[points] = np.einsum("np,np->n", self.points[points], own.at) + own.offset
        self.assign((numbers, scores))

    def _add(self, numbers: NDArray[np.int32], vectors: NDArray[np.float32], times: int) -> None:
        filled, sums = Groups(numbers, len(self.centres)).sums(vectors)
        self.sums[filled] += times * sums

    def _far(self, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """A point of each of the clusters that fit worst, drawn with a chance in proportion to its loss."""
        if not count:
            return np.empty(0, dtype=np.intp)
        losses = self.losses()
        groups = Groups(self.numbers, len(self.centres))
        total = np.bincount(self.numbers, weights=losses, minlength=len(self.centres))
        drawn = []
        for number in np.argsort(-total, kind="stable")[:count]:
            # There may be more empty clusters than others.
            members = groups.members(int(number)) if groups.sizes[number] else groups.order
            upto = np.cumsum(losses[members], dtype=np.float64)
            at = np.searchsorted(upto, rng.random() * upto[-1], side="right")
            drawn.append(members[min(int(at), len(members) - 1)])
        return np.array(drawn)


def fit(
    points: NDArray[np.float32],
    count: int,
    geometry: Geometry,
    *,
    seed: int,
    rounds: int = ROUNDS,
    progress: Progress = silent,
) -> Fit:
    """Find centres of points, each moved `rounds` times, or fewer when nothing is gained any more.

    Args:
        points: float32 [n, p], n >= count; of length 1 when the geometry is spherical.
        count: of centres.
        geometry: what "near" means.
        seed: the same seed and points give the same centres.
        rounds: at most.
        progress: told after the start and every round.

    Returns:
        The centres, and which of them each point belongs to.
    """
    rng = np.random.default_rng(seed)
    steps = rounds + 3
    centres = first_centres(points, count, geometry, rng)
    progress(1, steps)
    cells = Cells(centres, geometry, seed)
    state = Fit(points, geometry, centres, cells.nearest(points, PROBES))
    progress(2, steps)
    before = np.inf
    for number in range(rounds):
        state.move(rng)
        state.assign(look(state, geometry, seed, wide=number in WIDE))
        progress(number + 3, steps)
        loss = float(state.losses().sum(dtype=np.float64))
        if before - loss <= ENOUGH * loss and number > WIDE[-1]:
            break
        before = loss
    state.move(rng)
    state.assign(look(state, geometry, seed, wide=True))
    progress(steps, steps)
    return state


def look(state: Fit, geometry: Geometry, seed: int, *, wide: bool) -> Found:
    """The nearest centre of each point, beside its own and, when wide, in the cells nearest to it."""
    cells = Cells(state.centres, geometry, seed)
    beside = cells.around(NEIGHBOURS, GRAPH_PROBES)
    groups = Groups(state.numbers, len(state.centres))
    found = best_among(state.points, groups, state.centres, beside)
    if wide:
        keep_better(found, cells.nearest(state.points, PROBES))
    return found
