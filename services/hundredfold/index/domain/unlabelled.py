"""The view of all vectors in which those differ most that have no label, once what the classes differ by is taken out.

What the classes explain are the directions between their means. The plane is the first two principal
components (Pearson, 1901) of the unlabelled vectors at right angles to those: from the scatter of the vectors,
summed block by block in one pass, so it is exact and no step needs all vectors in memory.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain.parts import VectorParts
from hundredfold.index.domain.separating import Plane

LEFT = 2
"""Directions that are never taken out, however many classes there are."""

LEAST = 1e-6
"""Of the largest singular value: means that differ by less do so by rounding."""


@dataclass(frozen=True)
class View:
    """What is not labelled yet.

    Attributes:
        plane: its middle is the mean of the unlabelled vectors.
        shares: of what the unlabelled vectors differ by, what each of its axes has: 0 to 1.
    """

    plane: Plane
    shares: tuple[float, float]


def class_means(vectors: NDArray[np.float32], class_ids: NDArray[np.int32]) -> NDArray[np.float64]:
    """The mean of each class: float64 [c, d], of vectors float32 [n, d] with n >= 0."""
    names, numbers = np.unique(class_ids, return_inverse=True)
    sums = np.zeros((len(names), vectors.shape[1]))
    np.add.at(sums, numbers, vectors)
    return np.asarray(sums / np.bincount(numbers, minlength=len(names))[:, None])


def view(vectors: VectorParts, unlabelled: NDArray[np.bool_], means: NDArray[np.float64]) -> View:
    """The plane of largest structure among the unlabelled.

    Args:
        vectors: all, n of them.
        unlabelled: bool [n], at least one.
        means: of the classes: float64 [c, d], c >= 0.
    """
    middle, scatter = _moments(vectors, unlabelled)
    explained = _explained(means)
    rest = np.eye(len(middle)) - explained @ explained.T
    values, axes = np.linalg.eigh(rest @ scatter @ rest)
    axes = _upright(axes[:, ::-1][:, :2], explained)
    all_of_it = float(np.trace(scatter))
    shares = np.maximum(values[::-1][:2], 0) / all_of_it if all_of_it > 0 else np.zeros(2)
    first, second = (*shares.tolist(), 0.0)[:2]
    plane = Plane(axes.astype(np.float32), (middle @ axes).astype(np.float32))
    return View(plane, (min(first, 1.0), min(second, 1.0)))


def _moments(
    vectors: VectorParts, chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean, float64 [d], and covariance, [d, d], of some vectors."""
    d = vectors.dimensions
    # Sums about a vector nearby: about 0 the covariance would be a small difference of large numbers.
    near = vectors.take(np.flatnonzero(chosen)[:1])[0]
    total, products = np.zeros(d), np.zeros((d, d))
    for start, block in vectors.blocks():
        off = block[chosen[start : start + len(block)]] - near
        total += off.sum(axis=0, dtype=np.float64)
        products += off.T @ off
    count = np.count_nonzero(chosen)
    mean = total / count
    return near + mean, products / count - np.outer(mean, mean)


def _explained(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The directions between the means of classes, those of most difference first: float64 [d, e], orthonormal."""
    d = means.shape[1]
    if len(means) < 2:
        return np.zeros((d, 0))
    _, values, directions = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    kept = np.count_nonzero(values > max(LEAST * values[0], np.finfo(np.float32).eps))
    return directions[: min(kept, max(0, d - LEFT))].T


def _upright(axes: NDArray[np.float64], explained: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two axes, float64 [d, 2], with no rest of what was taken out, the largest coordinate of each positive."""
    axes = axes - explained @ (explained.T @ axes)
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    missing = 2 - axes.shape[1]
    return np.pad(axes, ((0, 0), (0, missing)))
