"""The map: every vector a point of a plane, look-alikes near each other.

A sample, the landmarks, is laid out as UMAP does (`neighbourhood`, `spreading`); each other vector is put
among its nearest landmarks. What is kept in memory besides the points is bounded whatever the collection's size.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain import neighbourhood, reduction, spreading
from hundredfold.index.domain.neighbourhood import Near
from hundredfold.index.domain.parts import BLOCK, VectorParts
from hundredfold.index.domain.progress import Progress, silent
from hundredfold.index.domain.reduction import Reduction

LANDMARKS = 50_000
"""20,000 lose 0.008 of the trustworthiness of 200,000 vectors, 100,000 gain nothing (measured)."""

DIMENSIONS = 50
SPREAD_FROM = 30
"""Fewer vectors have no neighbourhoods to keep: their two main axes are the map."""

SAME = 1e-6
"""Vectors closer than this are all the same but for rounding; scaling would only show the rounding."""

AXES_SAMPLE = 20_000
GUIDES = 3
"""Landmarks that say where another vector is put."""

NEAREST_COUNTS = 4
"""The power of the inverse squared distance that a guide counts with. With less, a vector between two
groups of landmarks is put where there is neither."""


@dataclass(frozen=True)
class Landmarks:
    """What a vector is placed by.

    Attributes:
        axes: what makes features of vectors.
        features: float32 [l, p].
        points: float32 [l, 2] within -1 to 1.
    """

    axes: Reduction
    features: NDArray[np.float32]
    points: NDArray[np.float32]


@dataclass(frozen=True)
class Plane:
    """A map.

    Attributes:
        points: float32 [n, 2] within -1 to 1.
        landmarks: what further vectors are placed by.
    """

    points: NDArray[np.float32]
    landmarks: Landmarks


@dataclass(frozen=True)
class Seen:
    """Where some of the vectors were on the map before.

    Attributes:
        positions: int64 [m], of the vectors.
        points: float32 [m, 2].
    """

    positions: NDArray[np.int64]
    points: NDArray[np.float32]


def lay_out(
    vectors: VectorParts,
    *,
    seed: int,
    landmarks: int = LANDMARKS,
    before: Seen | None = None,
    progress: Progress = silent,
) -> Plane:
    """Make a map, the same for the same vectors, seed and map before.

    Args:
        vectors: all.
        seed: of the choice of landmarks, and of their layout.
        landmarks: how many at most.
        before: the map is turned, or its mirror image is, so that these are as near as may be to where they were.
        progress: counts vectors; the landmarks are half of it.
    """
    n = len(vectors)
    axes = reduction.fit(vectors.sample(AXES_SAMPLE, seed), DIMENSIONS)
    chosen = _choose(n, landmarks, seed)
    features = axes.apply(vectors.take(chosen))
    points = _spread_out(features, seed, lambda share: progress(int(n * share / 2), n))
    laid = np.empty((n, 2), dtype=np.float32)
    if len(chosen) < n:
        for start, placed in _placed(vectors.blocks(), Landmarks(axes, features, points)):
            laid[start : start + len(placed)] = placed
            progress((n + start + len(placed)) // 2, n)
    laid[chosen] = points
    if before is not None:
        laid = laid @ turn(laid[before.positions], before.points)
    laid = _within_one(laid)
    return Plane(laid, Landmarks(axes, features, laid[chosen]))


def place(
    vectors: VectorParts,
    positions: NDArray[np.int64],
    landmarks: Landmarks,
    *,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """Where further vectors are on a map: float32 [len(positions), 2] within -1 to 1."""
    laid = np.empty((len(positions), 2), dtype=np.float32)
    for start, placed in _placed(_taken(vectors, positions), landmarks):
        laid[start : start + len(placed)] = placed
        progress(start + len(placed), len(positions))
    return laid


def turn(points: NDArray[np.float32], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rotation, or reflection, after which points are nearest to where they were: float32 [2, 2].

    Orthogonal Procrustes (Schoenemann, 1966), of what is left once both are moved to the origin.

    Args:
        points: float32 [m, 2]; points @ the result is turned.
        before: float32 [m, 2].
    """
    if not len(points):
        return np.eye(2, dtype=np.float32)
    now, then = (each.astype(np.float64) - each.mean(axis=0) for each in (points, before))
    left, _, right = np.linalg.svd(now.T @ then)
    return np.asarray(left @ right, dtype=np.float32)


def _choose(n: int, most: int, seed: int) -> NDArray[np.int64]:
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, size=most, replace=False))


def _spread_out(
    features: NDArray[np.float32], seed: int, told: spreading.Told
) -> NDArray[np.float32]:
    """Lay out landmarks as UMAP does, or by their two main axes where they are few: float32 [l, 2]."""
    plane = np.zeros((len(features), 2), dtype=np.float32)
    if np.ptp(features, axis=0).max() < SAME:
        return plane
    plane[:, : features.shape[1]] = features[:, :2]
    if len(features) < SPREAD_FROM:
        return plane
    return spreading.spread_out(neighbourhood.graph(features), plane, seed=seed, told=told)


def _taken(
    vectors: VectorParts, positions: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for start in range(0, len(positions), BLOCK):
        yield start, vectors.take(positions[start : start + BLOCK])


def _placed(
    blocks: Iterable[tuple[int, NDArray[np.float32]]], landmarks: Landmarks
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The points of vectors, block by block: mean of the points of the nearest landmarks."""
    near = Near(landmarks.features)
    count = min(GUIDES, len(landmarks.points))
    for start, block in blocks:
        apart, guides = near.find(landmarks.axes.apply(block), count)
        apart = np.maximum(apart, SAME)
        weights = (apart[:, :1] / apart) ** NEAREST_COUNTS
        weights /= weights.sum(axis=1, keepdims=True)
        yield start, np.einsum("ng,ngc->nc", weights, landmarks.points[guides])


def _within_one(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move and scale so that all is within -1 to 1; both axes by the same factor."""
    low, high = points.min(axis=0), points.max(axis=0)
    reach = float((high - low).max()) / 2
    centred = points - (low + high) / 2
    return np.asarray(np.clip(centred / (reach or 1), -1, 1), dtype=np.float32)
