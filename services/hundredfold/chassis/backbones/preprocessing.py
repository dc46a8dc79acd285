"""What a backbone sees of an image: the one preprocessing of embedding, training and inference server.

Centre crop, resize, uint8. Normalisation is part of the model's graph, so that the same pixels go to every backend.
"""

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.resizing import resized

PREPROCESSING = 2
"""Which preprocessing this is. Vectors of another one are not mixed with these: a space notes it (`Space`)."""

MARGIN = 32
"""The crop leaves out `MARGIN / (pixels + MARGIN)` of the shorter side, as EfficientNet-Lite was trained."""


def crop_side(width: int, height: int, pixels: int) -> int:
    """The side, in pixels of the image, of the square that a model of `pixels` input sees.

    Source: `round(min(w, h) * r / (r + 32))`, the evaluation crop of EfficientNet-Lite.
    """
    return max(1, round(min(width, height) * pixels / (pixels + MARGIN)))


def crop_box(width: int, height: int, pixels: int) -> tuple[int, int, int, int]:
    """Left, upper, right and lower edge of the centre crop."""
    return _middle(width, height, crop_side(width, height, pixels))


def model_input(rgb: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """Crop and resize one upright image.

    Args:
        rgb: uint8 [h, w, 3].
        pixels: a side of what the model sees.

    Returns:
        uint8 [pixels, pixels, 3].
    """
    height, width, _ = rgb.shape
    return _resized(rgb, crop_box(width, height, pixels), pixels)


def training_square(rgb: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """The centre square of one upright image uint8 [h, w, 3], so that its middle is what `model_input` gives.

    Training takes a crop of `pixels` a side out of it, elsewhere each time.

    Returns:
        uint8 [pixels + MARGIN, pixels + MARGIN, 3].
    """
    height, width, _ = rgb.shape
    return _resized(rgb, _middle(width, height, min(width, height)), pixels + MARGIN)


def _middle(width: int, height: int, side: int) -> tuple[int, int, int, int]:
    left, upper = (width - side) // 2, (height - side) // 2
    return left, upper, left + side, upper + side


def _resized(
    rgb: NDArray[np.uint8], box: tuple[int, int, int, int], pixels: int
) -> NDArray[np.uint8]:
    left, upper, right, lower = box
    return resized(rgb[upper:lower, left:right], pixels, pixels)
