"""The view of all vectors that best separates two groups of them that somebody picked.

Its first axis is Fisher's linear discriminant with a regularised scatter (Friedman, Regularized
Discriminant Analysis, 1989): w = (S + r I)^-1 (mean of b - mean of a), S the scatter within the groups.
Its second is the direction in which the images of both groups differ most once w is taken out, so that
the plane also shows what they have in common.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain.parts import VectorParts

RIDGE = 0.1
"""What is added to the scatter, in means of it over all directions, besides a mean for each direction an image:
without that a few images in many directions fall on two lines, and others are not where they belong."""

LEAST = 1e-6
ITERATIONS = 50
"""Of the search for the second direction; any mixture of directions of nearly the same scatter will do."""


@dataclass(frozen=True)
class Plane:
    """Two directions of the space.

    Attributes:
        axes: float32 [d, 2], orthonormal.
        middle: float32 [2], of which the first is half-way between the means of the groups.
    """

    axes: NDArray[np.float32]
    middle: NDArray[np.float32]

    def apply(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Where vectors [n, d] are as seen from the middle: float32 [n, 2]."""
        return np.asarray(vectors @ self.axes - self.middle, dtype=np.float32)


def plane(a: NDArray[np.float32], b: NDArray[np.float32]) -> Plane:
    """The plane that separates two groups: float32 [a, d] and [b, d], neither empty; b lies to the right."""
    mean_a, mean_b = a.mean(axis=0, dtype=np.float64), b.mean(axis=0, dtype=np.float64)
    within = np.concatenate([a - mean_a, b - mean_b]).astype(np.float32)
    scatter = (within.T @ within).astype(np.float64) / len(within)
    across = _across(scatter, mean_b - mean_a, RIDGE + len(scatter) / len(within))
    along = _along(within, across)
    axes = np.stack([across, along], axis=1)
    return Plane(axes.astype(np.float32), ((mean_a + mean_b) / 2 @ axes).astype(np.float32))


def lay_out(vectors: VectorParts, seen: Plane) -> NDArray[np.float32]:
    """All vectors on the plane: float32 [n, 2] within -1 to 1, 0 half-way between the groups on both axes."""
    points = np.empty((len(vectors), 2), dtype=np.float32)
    for start, block in vectors.blocks():
        points[start : start + len(block)] = seen.apply(block)
    reach = np.abs(points).max(axis=0)
    return np.asarray(np.clip(points / np.where(reach > 0, reach, 1), -1, 1), dtype=np.float32)


def _across(
    scatter: NDArray[np.float64], apart: NDArray[np.float64], shrink: float
) -> NDArray[np.float64]:
    """The discriminant: float64 [d], length 1."""
    d = len(apart)
    ridge = max(shrink * float(np.trace(scatter)) / d, LEAST)
    direction = np.linalg.solve(scatter + ridge * np.eye(d), apart)
    length = float(np.linalg.norm(direction))
    if length < LEAST:
        # Groups with the same mean: nothing separates them, any direction is as good.
        return np.asarray(np.eye(d)[0])
    return np.asarray(direction / length)


def _along(within: NDArray[np.float32], across: NDArray[np.float64]) -> NDArray[np.float64]:
    """The direction of most scatter among those at right angles to `across`, by power iteration.

    Returns:
        float64 [d] of length 1; zeros in one dimension.
    """
    turned = across.astype(np.float32)
    rest = within - np.outer(within @ turned, turned)
    lengths = np.linalg.norm(rest, axis=1)
    # Where there is no scatter at all: the axis that is least like the first.
    direction = np.eye(len(across))[np.abs(across).argmin()]
    if lengths.max() > LEAST:
        direction = rest[lengths.argmax()].astype(np.float64)
        for _ in range(ITERATIONS):
            direction = rest.T @ (rest @ direction.astype(np.float32))
            direction = direction / np.linalg.norm(direction)
    direction = direction - across * (across @ direction)
    length = float(np.linalg.norm(direction))
    if length < LEAST:
        return np.zeros_like(across)
    largest = np.abs(direction).argmax()
    return np.asarray(direction / length * np.sign(direction[largest]))
