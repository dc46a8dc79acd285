"""A few images that every backbone is tried on before it is published, and what its vectors must be like."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_DIMENSIONS = 8192
"""The longest vectors that are stored."""

_LEAST_COSINE = 0.9999
_SAME = 0.99999


def examples(pixels: int) -> NDArray[np.uint8]:
    """A few images, uint8 [n, p, p, 3], the same each time: noise, a ramp, stripes and a disc."""
    noise = np.random.default_rng(0).integers(0, 256, (pixels, pixels, 3))
    y, x = np.mgrid[:pixels, :pixels]
    ramp = np.stack([x, y, x + y], axis=-1) * 255 // (2 * pixels)
    stripes = np.stack([(x // 16 % 2), (y // 8 % 2), (x // 32 % 2)], axis=-1) * 255
    inside = (x - pixels / 2) ** 2 + (y - pixels / 2) ** 2 < (pixels / 3) ** 2
    disc = np.where(inside[..., None], (220, 60, 30), (90, 140, 220))
    return np.stack([noise, ramp, stripes, disc]).astype(np.uint8)


def check_vectors(vectors: NDArray[Any], images: int) -> None:
    """Refuse what can be no vectors of the `examples`.

    Args:
        vectors: as a model gave them.
        images: how many it was given.

    Raises:
        RuntimeError: not of shape [images, d], d too large, not finite, or the same whatever is shown, as
            when a model gets numbers of another range than it was trained on.
    """
    if vectors.ndim != 2 or len(vectors) != images:
        raise RuntimeError(f"{images} images became shape {vectors.shape}, not [{images}, d]")
    if not 2 <= vectors.shape[1] <= MOST_DIMENSIONS:
        raise RuntimeError(f"{vectors.shape[1]} dimensions are not 2 to {MOST_DIMENSIONS}")
    if not np.isfinite(vectors).all():
        raise RuntimeError("its vectors are not finite")
    if (_cosines(vectors[:1], vectors[1:]) > _SAME).all():
        raise RuntimeError("it gives every image the same vector")


def check_agreement(
    expected: NDArray[Any], got: NDArray[Any], least: float = _LEAST_COSINE
) -> None:
    """Refuse vectors, [n, d], of which one has a lower cosine to what the original gives; RuntimeError."""
    cosine = float(_cosines(expected, got).min())
    if not cosine >= least:  # so that a NaN is refused too
        raise RuntimeError(f"the ONNX file's vectors are off: cosine {cosine:.6f} to the original")


def _cosines(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Of each pair of vectors; NaN where one has no length."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines: NDArray[np.float64] = (first * second).sum(axis=1) / lengths
    return cosines
