"""What a backbone sees of an image: the one preprocessing of embedding, training and inference server.

Centre crop, bicubic resize, uint8. Normalisation is part of the model's graph, so that the same
pixels go to every backend.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MARGIN = 32
"""The crop leaves out `MARGIN / (pixels + MARGIN)` of the shorter side, as EfficientNet-Lite was trained."""


def crop_side(width: int, height: int, pixels: int) -> int:
    """The side, in pixels of the image, of the square that a model of `pixels` input sees.

    Source: `round(min(w, h) * r / (r + 32))`, the evaluation crop of EfficientNet-Lite.
    """
    return max(1, round(min(width, height) * pixels / (pixels + MARGIN)))


def crop_box(width: int, height: int, pixels: int) -> tuple[int, int, int, int]:
    """Left, upper, right and lower edge of the centre crop."""
    side = crop_side(width, height, pixels)
    left, upper = (width - side) // 2, (height - side) // 2
    return left, upper, left + side, upper + side


def model_input(rgb: Image.Image, pixels: int) -> NDArray[np.uint8]:
    """Crop and resize one upright RGB image.

    Returns:
        uint8 [pixels, pixels, 3].
    """
    cropped = rgb.crop(crop_box(rgb.width, rgb.height, pixels))
    return np.asarray(cropped.resize((pixels, pixels), Image.Resampling.BICUBIC))


def training_square(rgb: Image.Image, pixels: int) -> NDArray[np.uint8]:
    """The centre square of one upright RGB image, so that its middle is what `model_input` gives.

    Training takes a crop of `pixels` a side out of it, elsewhere each time.

    Returns:
        uint8 [pixels + MARGIN, pixels + MARGIN, 3].
    """
    side = min(rgb.width, rgb.height)
    left, upper = (rgb.width - side) // 2, (rgb.height - side) // 2
    square = rgb.crop((left, upper, left + side, upper + side))
    size = pixels + MARGIN
    return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))
