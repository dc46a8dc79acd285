"""Principal components: fewer numbers a vector for k-means and the map."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain.parts import normalised


@dataclass(frozen=True)
class Reduction:
    """Moves vectors to the origin and turns them to their main axes.

    Attributes:
        mean: float32 [d].
        axes: float32 [d, p], orthonormal, the axis of most variance first.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    def apply(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32 [n, p]."""
        return np.asarray((vectors - self.mean) @ self.axes, dtype=np.float32)

    def directions(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32 [n, p] of length 1: where each vector lies as seen from the mean."""
        return normalised(self.apply(vectors))


def fit(sample: NDArray[np.float32], dimensions: int) -> Reduction:
    """Find the main axes of a sample: float32 [n, d] with n >= 1; p = min(dimensions, d).

    From the eigenvectors of the covariance matrix. The sign of an axis is free; here the largest
    coordinate of each is positive, so that the same sample always gives the same axes.
    """
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = sample - mean
    covariance = (centred.T @ centred).astype(np.float64) / len(sample)
    axes = np.linalg.eigh(covariance)[1][:, ::-1][:, :dimensions]
    largest = np.abs(axes).argmax(axis=0)
    signs = np.sign(axes[largest, np.arange(axes.shape[1])])
    return Reduction(mean, np.ascontiguousarray(axes * signs, dtype=np.float32))
