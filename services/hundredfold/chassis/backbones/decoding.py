"""From the bytes of an image to what a backbone sees of it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hundredfold.chassis.backbones.preprocessing import MARGIN, model_input, training_square
from hundredfold.chassis.imaging import upright_rgb

_SPARE = 2
"""A JPEG is decoded no smaller than this many times what the model needs: the resize still averages."""


def decode(data: bytes, pixels: int) -> NDArray[np.uint8]:
    """Decode, turn upright, crop and resize one image.

    A large JPEG is decoded at a half, a quarter or an eighth of its size, which saves most of the
    time and leaves the vector at a cosine above 0.99 to that of a full decode.

    Args:
        data: the encoded image.
        pixels: a side of the model's input.

    Returns:
        uint8 [pixels, pixels, 3].

    Raises:
        ImageError: the bytes are no image that we read.
    """
    return model_input(_upright(data, pixels), pixels)


def decode_for_training(data: bytes, pixels: int) -> NDArray[np.uint8]:
    """As `decode`, with the margin around: uint8 [pixels + MARGIN, pixels + MARGIN, 3]."""
    return training_square(_upright(data, pixels), pixels)


def _upright(data: bytes, pixels: int) -> Image.Image:
    return upright_rgb(data, min_side=_SPARE * (pixels + MARGIN))
