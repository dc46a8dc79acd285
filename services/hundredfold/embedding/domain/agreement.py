"""How near vectors that were calculated with fewer bits are to those of float32."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 10
LEAST_COSINE = 0.999
LEAST_OVERLAP = 0.97


@dataclass(frozen=True)
class Agreement:
    """What was measured on a sample of real images.

    Attributes:
        images: in the sample.
        cosine: of the two vectors of an image, the mean.
        overlap: the share of an image's ten nearest neighbours within the sample that stay its nearest, the mean.
    """

    images: int
    cosine: float
    overlap: float

    @property
    def passes(self) -> bool:
        """Whether the vectors may stand for those of float32."""
        return self.cosine >= LEAST_COSINE and self.overlap >= LEAST_OVERLAP

    def __str__(self) -> str:
        return (
            f"cosine {self.cosine:.4f} of at least {LEAST_COSINE}, of {NEIGHBOURS} neighbours "
            f"{self.overlap:.4f} of at least {LEAST_OVERLAP} the same, on {self.images:,} images"
        )


def agreement(exact: NDArray[np.float32], nearly: NDArray[np.float32]) -> Agreement:
    """Compare two sets of vectors of the same images.

    Args:
        exact: float32 [n, d], length 1; n above NEIGHBOURS.
        nearly: the same, calculated with fewer bits.
    """
    cosine = float(np.einsum("nd,nd->n", exact, nearly, dtype=np.float64).mean())
    pairs = zip(_nearest(exact), _nearest(nearly), strict=True)
    kept = [len(np.intersect1d(mine, others)) for mine, others in pairs]
    return Agreement(len(exact), cosine, float(np.mean(kept)) / NEIGHBOURS)


def _nearest(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Of each vector the places of its nearest others: int64 [n, NEIGHBOURS]."""
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    return np.argpartition(-likeness, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
