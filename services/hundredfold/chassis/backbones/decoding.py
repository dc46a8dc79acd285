"""From the bytes of an image to what a backbone sees of it."""

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.preprocessing import MARGIN, model_input, training_square
from hundredfold.chassis.imaging import upright_pixels

_SPARE = 1.5
"""A JPEG is decoded no smaller than this many times what the model needs: from there on the resize averages."""


def decode(data: bytes, pixels: int) -> NDArray[np.uint8]:
    """Decode, turn upright, crop and resize one image.

    A large JPEG is decoded at some eighths of its size, which saves most of the time and leaves the
    vector at a cosine above 0.99 to that of a full decode.

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


def _upright(data: bytes, pixels: int) -> NDArray[np.uint8]:
    return upright_pixels(data, round(_SPARE * (pixels + MARGIN)))
