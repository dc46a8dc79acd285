"""From encoded images to the small planes that are compared."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hundredfold.chassis.imaging import ImageError, open_image
from hundredfold.hashing.domain.verify import align, colour

Plane = NDArray[np.uint8]

_FINE = 96
"""Pixels of the shorter side from which on an image has the detail that tells it from others like it."""


def planes(jpeg: bytes) -> tuple[Plane, Plane, bool]:
    """Brightness uint8 [64, 64] and colour uint8 [2, 16, 16] (Cb, Cr) of a thumbnail, and whether it is fine.

    Two handwritten noughts of eight pixels a side are one picture as far as planes tell: of two images that
    are not fine, planes tell nothing.

    The width and the height are both stretched to the planes: a copy of other proportions, such as one
    with a border, is found as a window.

    Raises:
        ImageError: it can't be decoded.
    """
    image = open_image(jpeg)
    fine = min(image.size) >= _FINE
    if image.format == "JPEG":
        # As it is stored: no colour conversion, and scaled down while it is decoded.
        image.draft("YCbCr" if image.mode == "RGB" else None, (align.SIDE, align.SIDE))
    try:
        luma, *chroma = image.convert("YCbCr").split()
    except Exception as error:  # hostile bytes make Pillow raise nearly anything
        raise ImageError("DECODE_FAILED", str(error)[:200] or type(error).__name__) from error
    colours = np.stack([_shrunk(each, colour.SIDE) for each in chroma])
    return _shrunk(luma, align.SIDE), colours, fine


def _shrunk(channel: Image.Image, side: int) -> Plane:
    return np.asarray(channel.resize((side, side), Image.Resampling.BILINEAR), np.uint8)
