"""The map: every vector a point of a plane, look-alikes near each other.

t-SNE (van der Maaten and Hinton, 2008) lays out a sample of landmarks; each other vector is put at
the weighted mean of its nearest landmarks. The time is bounded whatever the collection's size.
"""

import faiss
import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from hundredfold.index.domain import device, reduction
from hundredfold.index.domain.parts import VectorParts
from hundredfold.index.domain.progress import Progress, silent

LANDMARKS = 5000
DIMENSIONS = 50
PERPLEXITY = 30
ITERATIONS = 500
"""Twice as many take twice the time and bring look-alikes no nearer (measured on photographs)."""

TSNE_FROM = 30
"""Fewer vectors have no neighbourhoods to keep: their two main axes are the map."""

SAME = 1e-6
"""Vectors closer than this are all the same but for rounding; scaling would only show the rounding."""

AXES_SAMPLE = 50_000
GUIDES = 5
"""Landmarks that say where another vector is put."""


def lay_out(
    vectors: VectorParts,
    *,
    seed: int,
    landmarks: int = LANDMARKS,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """Return float32 [n, 2] within -1 to 1, the same for the same vectors and seed.

    Progress counts vectors; the landmarks are half of it.
    """
    n = len(vectors)
    axes = reduction.fit(vectors.sample(AXES_SAMPLE, seed), DIMENSIONS)
    chosen = _choose(n, landmarks, seed)
    features = axes.apply(vectors.take(chosen))
    points = _spread_out(features, seed)
    progress(n // 2, n)
    if len(chosen) == n:
        return _within_one(points)
    index = device.to_device(_landmark_index(features))
    laid = np.empty((n, 2), dtype=np.float32)
    for start, block in vectors.blocks():
        laid[start : start + len(block)] = _place(axes.apply(block), index, points)
        progress((n + start + len(block)) // 2, n)
    laid[chosen] = points
    return _within_one(laid)


def _choose(n: int, most: int, seed: int) -> NDArray[np.int64]:
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, size=most, replace=False))


def _spread_out(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Lay out vectors by t-SNE, or by their two main axes where they are few: float32 [n, 2]."""
    plane = np.zeros((len(features), 2), dtype=np.float32)
    if np.ptp(features, axis=0).max() < SAME:
        return plane
    plane[:, : features.shape[1]] = features[:, :2]
    if len(features) < TSNE_FROM:
        return plane
    start = plane / plane[:, 0].std() * 1e-4
    tsne = TSNE(
        perplexity=min(PERPLEXITY, (len(features) - 1) / 3),
        init=start,
        max_iter=ITERATIONS,
        random_state=seed & 0x7FFFFFFF,
        n_jobs=1,
    )
    # More threads would add up forces in an order of their own: another map each time.
    with device.one_thread():
        return np.asarray(tsne.fit_transform(features), dtype=np.float32)


def _landmark_index(features: NDArray[np.float32]) -> faiss.Index:
    index = faiss.IndexFlatL2(features.shape[1])
    index.add(features)
    return index


def _place(
    features: NDArray[np.float32], index: faiss.Index, points: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Mean of the points of the nearest landmarks, weighted by 1 / squared distance."""
    apart, guides = index.search(features, min(GUIDES, len(points)))
    weights = 1 / np.maximum(apart, 1e-6)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("ng,ngc->nc", weights, points[guides]), dtype=np.float32)


def _within_one(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move and scale so that all is within -1 to 1; both axes by the same factor."""
    low, high = points.min(axis=0), points.max(axis=0)
    reach = float((high - low).max()) / 2
    centred = points - (low + high) / 2
    return np.asarray(np.clip(centred / (reach or 1), -1, 1), dtype=np.float32)
