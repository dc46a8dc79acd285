"""Golden vectors: whether a server's model gives those of the model file, before anything of it is stored."""

import math

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.errors import Conflict
from hundredfold.embedding.backends.base import Backend
from hundredfold.embedding.domain.vectors import unit_vectors

LEAST_COSINE = 0.999
"""Less alike are vectors of another space, and never mixed with those of this one."""


def golden_images(pixels: int) -> NDArray[np.uint8]:
    """Images to compare on, uint8 [4, p, p, 3], the same each time: noise, ramps, stripes and a disc."""
    noise = np.random.default_rng(27).integers(0, 256, (pixels, pixels, 3))
    y, x = np.mgrid[:pixels, :pixels]
    ramps = np.stack([x, y, x + y], axis=-1) * 255 // (2 * pixels)
    stripes = np.stack([x // 16 % 2, y // 8 % 2, x // 32 % 2], axis=-1) * 200 + 30
    inside = (x - pixels / 2) ** 2 + (y - pixels / 2) ** 2 < (pixels / 3) ** 2
    disc = np.where(inside[..., None], (220, 60, 30), (90, 140, 220))
    return np.stack([noise, ramps, stripes, disc]).astype(np.uint8)


def golden_vectors(reference: Backend, card: ModelCard) -> NDArray[np.float32]:
    """What the model file itself gives for `golden_images`, float32 [4, d], length 1.

    Raises:
        ServiceError: see `Backend.embed`.
    """
    images = golden_images(card.input_pixels)
    return unit_vectors(reference.embed(card, images, seconds=math.inf))[0]


def check_golden(
    card: ModelCard, expected: NDArray[np.float32], vectors: NDArray[np.float32]
) -> float:
    """The least cosine of vectors float32 [4, d], as a server gave them, to the golden ones.

    Raises:
        Conflict: GOLDEN_VECTORS_DIFFER, it is below `LEAST_COSINE`.
    """
    unit, good = unit_vectors(vectors)
    cosine = float((unit * expected).sum(axis=1).min())
    if not good.all() or cosine < LEAST_COSINE:
        raise Conflict(
            f"Triton's {card.model} is not that of the repository: its vectors of the golden images "
            f"have a cosine of {cosine:.4f} to those of the model file, not {LEAST_COSINE}",
            reason="GOLDEN_VECTORS_DIFFER",
        )
    return cosine
