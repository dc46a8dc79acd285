"""Two levels of centres: a point looks into the few cells nearest to it, not at all centres."""

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain.centres import Centres, Found, Geometry, Groups, best_among

ROUNDS = 10
SAMPLED = 256
BLOCK = 131_072
"""Points looked at a time, so that there are some for every cell: 64 MB at 128 dimensions."""


class Cells:
    """Centres grouped into as many cells as each has centres, about.

    Args:
        centres: k, at least 1.
        geometry: what "near" means.
        seed: the same seed and centres give the same cells.
    """

    def __init__(self, centres: Centres, geometry: Geometry, seed: int) -> None:
        self.centres = centres
        count = max(1, round(len(centres) ** 0.5))
        middles = small(centres.at, count, geometry, np.random.default_rng(seed), ROUNDS)
        groups = Groups(middles.best(centres.at)[0], count)
        filled = np.flatnonzero(groups.sizes)
        self.members = [groups.members(cell).astype(np.int32) for cell in filled.tolist()]
        asked = centres.offset - geometry.at(centres.at).offset
        mean = np.array([asked[members].mean() for members in self.members], dtype=np.float32)
        self.middles = Centres(middles.at[filled], middles.offset[filled] + mean)

    def __len__(self) -> int:
        return len(self.members)

    def nearest(self, points: NDArray[np.float32], probes: int) -> Found:
        """The nearest centre of each point in the cells nearest to it; exact when that is all cells.

        Args:
            points: float32 [n, p], n >= 1.
            probes: cells looked into, at least 1.
        """
        blocks = [
            self._nearest(points[start : start + BLOCK], probes)
            for start in range(0, len(points), BLOCK)
        ]
        numbers, scores = zip(*blocks, strict=True)
        return np.concatenate(numbers), np.concatenate(scores)

    def _nearest(self, points: NDArray[np.float32], probes: int) -> Found:
        coarse = self.middles.scores(points)
        rows = np.arange(len(points))
        numbers = np.zeros(len(points), dtype=np.int32)
        scores = np.full(len(points), -np.inf, dtype=np.float32)
        for _ in range(min(probes, len(self))):
            cell = coarse.argmax(axis=1)
            coarse[rows, cell] = -np.inf
            keep_better(
                (numbers, scores),
                best_among(points, Groups(cell, len(self)), self.centres, self.members),
            )
        return numbers, scores

    def around(self, count: int, probes: int) -> NDArray[np.int32]:
        """The centres nearest to each centre, itself first, in the cells nearest to its own.

        Returns:
            int32 [k, min(count, k)].
        """
        count = min(count, len(self.centres))
        found = np.empty((len(self.centres), count), dtype=np.int32)
        beside = np.argsort(-self.middles.scores(self.middles.at), axis=1, kind="stable")
        for cell, members in enumerate(self.members):
            pool = self._pool(cell, beside[cell], count, probes)
            scores = self.centres.some(pool).scores(self.centres.at[members])
            scores[np.arange(len(members)), np.searchsorted(pool, members)] = np.inf
            chosen = np.argpartition(-scores, count - 1, axis=1)[:, :count]
            ranked = np.argsort(-np.take_along_axis(scores, chosen, axis=1), axis=1, kind="stable")
            found[members] = pool[np.take_along_axis(chosen, ranked, axis=1)]
        return found

    def _pool(
        self, own: int, beside: NDArray[np.intp], count: int, probes: int
    ) -> NDArray[np.int32]:
        """Numbers, ascending, of the centres of a cell and of those beside it, at least `count`."""
        cells = [own, *beside[beside != own].tolist()]
        sizes = np.cumsum([len(self.members[cell]) for cell in cells])
        enough = max(probes, int(np.searchsorted(sizes, count)) + 1)
        return np.sort(np.concatenate([self.members[cell] for cell in cells[:enough]]))


def keep_better(best: Found, found: Found) -> None:
    """Put into `best` what was found, where it is nearer."""
    better = found[1] > best[1]
    best[0][better], best[1][better] = found[0][better], found[1][better]


def small(
    points: NDArray[np.float32],
    count: int,
    geometry: Geometry,
    rng: np.random.Generator,
    rounds: int,
) -> Centres:
    """k-means that looks at all centres and starts from random points; for few points and centres.

    Args:
        points: float32 [n, p], n >= count; at most SAMPLED for a centre are looked at.
        count: of centres; one that loses its points stays where it was.
        geometry: what "near" means.
        rng: of the sample and the start.
        rounds: of Lloyd's algorithm.
    """
    if len(points) > SAMPLED * count:
        points = points[np.sort(rng.choice(len(points), size=SAMPLED * count, replace=False))]
    drawn = rng.choice(len(points), size=count, replace=False)
    centres = geometry.at(points[np.sort(drawn)])
    for _ in range(rounds):
        groups = Groups(centres.best(points)[0], count)
        filled, sums = groups.sums(points)
        at = centres.at.copy()
        at[filled] = geometry.middles(sums, groups.sizes[filled])
        centres = geometry.at(at)
    return centres
