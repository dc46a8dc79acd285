"""Spherical k-means (Dhillon and Modha 2001) of a few thousand vectors, for policies that cluster anew."""

import numpy as np
from numpy.typing import NDArray

_ITERATIONS = 10


def group(
    vectors: NDArray[np.float32], count: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Group vectors.

    Args:
        vectors: float32 [n, d], length 1; n at least 1.
        count: of groups, at least 1; some may stay empty.
        random: picks where to begin.

    Returns:
        The group of each, int64 [n], and its likeness to the centre, float32 [n].
    """
    count = min(count, len(vectors))
    centres = vectors[np.sort(random.choice(len(vectors), count, replace=False))]
    for _ in range(_ITERATIONS):
        number = (vectors @ centres.T).argmax(1)
        centres = _centres(vectors, number, centres)
    likeness = vectors @ centres.T
    number = likeness.argmax(1)
    return number, likeness[np.arange(len(vectors)), number]


def _centres(
    vectors: NDArray[np.float32], number: NDArray[np.int64], before: NDArray[np.float32]
) -> NDArray[np.float32]:
    order = np.argsort(number, kind="stable")
    present, starts = np.unique(number[order], return_index=True)
    centres = before.copy()
    sums = np.add.reduceat(vectors[order], starts)
    centres[present] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return centres
