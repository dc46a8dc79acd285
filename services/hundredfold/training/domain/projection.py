"""Fewer, decorrelated dimensions: what a head is fitted on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK = 16_384


@dataclass(frozen=True)
class Projection:
    """A principal-component projection, divided by one overall standard deviation.

    Attributes:
        mean: float32 [d].
        axes: float32 [d, k], the standard deviation divided out already.
        changes_nothing: whether projections are the vectors themselves.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    changes_nothing: bool = False

    def __call__(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Project float [m, d] to float32 [m, k], block by block."""
        out = np.empty((len(vectors), self.axes.shape[1]), np.float32)
        for start in range(0, len(vectors), _BLOCK):
            block = np.asarray(vectors[start : start + _BLOCK], np.float32)
            np.matmul(block - self.mean, self.axes, out=out[start : start + _BLOCK])
        return out

    def pull_back(
        self, weights: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The linear layer on vectors that equals a linear layer on their projections.

        Args:
            weights: float32 [k, C].
            bias: float32 [C].

        Returns:
            float32 [d, C] and [C].
        """
        whole = self.axes @ weights
        return whole, np.asarray(bias - self.mean @ whole, np.float32)


def no_projection(dimensions: int) -> Projection:
    """For vectors of few dimensions; a head of them is the same, whatever their centre and scale."""
    mean, axes = np.zeros(dimensions, np.float32), np.eye(dimensions, dtype=np.float32)
    return Projection(mean, axes, changes_nothing=True)


def fit_projection(sample: NDArray[np.floating], dimensions: int) -> Projection:
    """The projection to the directions of most variance.

    Args:
        sample: float [m, d], m at least 1.
        dimensions: how many to keep; at most d are.
    """
    vectors = np.asarray(sample, np.float32)
    mean = vectors.mean(0, dtype=np.float64).astype(np.float32)
    centred = vectors - mean
    covariance = (centred.T @ centred).astype(np.float64) / len(vectors)
    values, axes = np.linalg.eigh(covariance)
    kept = slice(None, -1 - min(dimensions, len(values)), -1)
    deviation = np.sqrt(max(values[kept].mean(), 0.0))
    # Vectors that are all alike have no spread to divide by.
    scale = deviation if deviation > 1e-6 else 1.0
    return Projection(mean, np.ascontiguousarray(axes[:, kept] / scale, np.float32))
