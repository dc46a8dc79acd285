"""Spherical k-means: centres of length 1, likeness is the cosine. Few centres on faiss, many by `lloyd`."""

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain import device, lloyd
from hundredfold.index.domain.centres import Geometry
from hundredfold.index.domain.parts import normalised
from hundredfold.index.domain.progress import Progress, silent

CHEAP = 50_000_000
"""Points times centres up to which an iteration takes well under a second."""

MANY = 256
"""From so many centres on, large work does not look at all of them in every iteration."""

SEEDING = 10_000_000
"""Points times centres that k-means++ may look at for one start: a few seconds at most."""


@dataclass(frozen=True)
class Fit:
    """Centres and how well they fit.

    Attributes:
        centres: float32 [k, p], length 1.
        likeness: the sum of the cosines of the points to their centres.
    """

    centres: NDArray[np.float32]
    likeness: float


def train(
    points: NDArray[np.float32],
    count: int,
    *,
    seed: int,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """Return the centres that fit best: float32 [count, p].

    Several starts and patience give slightly purer clusters (measured), so small work gets 5 starts
    of up to 100 iterations, large work one of 25. A start ends when nothing moves any more. Large work
    with many centres is `lloyd.fit`, but on a GPU, which is quick enough to look at all centres.

    Args:
        points: float32 [n, p] of length 1, n >= count.
        count: number of centres, at least 1.
        seed: the same seed and points give the same centres.
        progress: told after every iteration.
    """
    cheap = len(points) * count <= CHEAP
    if not cheap and count >= MANY and not device.gpus():
        found = lloyd.fit(points, count, Geometry(spherical=True), seed=seed, progress=progress)
        return found.centres.at
    restarts, iterations = (5, 100) if cheap else (1, 25)
    rng = np.random.default_rng(seed)
    total = restarts * iterations
    fits = []
    for number in range(restarts):
        start = first_centres(points, count, rng)
        before = number * iterations

        def tell(done: int, before: int = before) -> None:
            progress(before + done, total)

        fits.append(_climb(points, start, iterations, tell))
    return max(fits, key=lambda fit: fit.likeness).centres


def first_centres(
    points: NDArray[np.float32], count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Choose points to start from: float32 [count, p].

    By k-means++ (Arthur and Vassilvitskii, 2007) out of as many points as there is time for, or at
    random where these would hardly be more than the centres.
    """
    pool = min(len(points), SEEDING // count)
    if pool < min(len(points), 2 * count):
        return points[np.sort(rng.choice(len(points), size=count, replace=False))]
    if pool < len(points):
        points = points[np.sort(rng.choice(len(points), size=pool, replace=False))]
    chosen = [int(rng.integers(len(points)))]
    apart = _apart(points, chosen[0])
    while len(chosen) < count:
        chosen.append(_draw(apart, rng))
        apart = np.minimum(apart, _apart(points, chosen[-1]))
    return points[chosen]


def nearest_index(centres: NDArray[np.float32]) -> Any:
    """Return a faiss index over the centres, for `nearest`."""
    index = faiss.IndexFlatIP(centres.shape[1])
    index.add(np.ascontiguousarray(centres))
    return device.to_device(index)


def nearest(points: NDArray[np.float32], index: Any) -> NDArray[np.int32]:
    """Return the number of the centre with the greatest cosine to each point: int32 [n]."""
    found = index.search(np.ascontiguousarray(points), 1)[1][:, 0]
    return np.asarray(found, dtype=np.int32)


def _climb(
    points: NDArray[np.float32], start: NDArray[np.float32], iterations: int, progress: Progress
) -> Fit:
    """Iterate from a start until the likeness stands still."""
    fit = Fit(start, -np.inf)
    for number in range(iterations if len(points) > len(start) else 0):
        better = _iterate(points, fit.centres)
        progress(number + 1, iterations)
        gained = better.likeness - fit.likeness
        fit = better
        if gained <= 1e-5 * abs(fit.likeness):
            break
    return fit


def _iterate(points: NDArray[np.float32], centres: NDArray[np.float32]) -> Fit:
    """One step of Lloyd's algorithm; faiss moves the centre of an empty cluster into a large one."""
    solver: Any = faiss.Kmeans(
        points.shape[1],
        len(centres),
        niter=1,
        spherical=True,
        min_points_per_centroid=1,
        # The sample is drawn already.
        max_points_per_centroid=len(points),
        gpu=device.gpus(),
    )
    likeness = solver.train(points, init_centroids=centres)
    return Fit(normalised(solver.centroids), float(likeness))


def _apart(points: NDArray[np.float32], centre: int) -> NDArray[np.float32]:
    """Half the squared distance to one of the points: 1 - cosine, for points of length 1."""
    return np.asarray(np.maximum(1 - points @ points[centre], 0), dtype=np.float32)


def _draw(apart: NDArray[np.float32], rng: np.random.Generator) -> int:
    """Draw a point with a chance in proportion to how far it is from the nearest centre."""
    upto = np.cumsum(apart, dtype=np.float64)
    if upto[-1] <= 0:
        return int(rng.integers(len(apart)))
    return min(int(np.searchsorted(upto, rng.random() * upto[-1], side="right")), len(apart) - 1)
