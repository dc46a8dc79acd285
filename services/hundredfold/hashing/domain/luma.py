"""Small luma planes of encoded images, decoded no further than the fast hashes need.

A JPEG is decoded to luma alone, at the smallest scale with a shorter side of at least SIDE: what is
left is the reading of its Huffman codes. Other images, a JPEG in CMYK among them, are decoded by Pillow
and then reduced. Like the exact hashes these are of the *stored* pixels; see `pixels`.
"""

from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from hundredfold.chassis.imaging import ImageError, check_scans, check_size
from hundredfold.hashing.domain.pixels import full_grey

SIDE = 64
"""Pixels of the shorter side, at least, where the image has them. With 32 copies of another size lose recall."""

_REDUCED_SIDE = 128
_JPEG = b"\xff\xd8\xff"
_WITH_LUMA = frozenset({"Gray", "YCbCr", "RGB"})
_EIGHTHS = range(1, 9)


@dataclass(frozen=True)
class Luma:
    """An image made small.

    Attributes:
        pixels: float32 [h, w], whole numbers from 0 to 255.
        height: of the image, in rows of these pixels: the last row may be of a part of a row only.
        width: in columns, likewise.
    """

    pixels: NDArray[np.float32]
    height: float
    width: float


def luma(data: bytes) -> Luma:
    """The luma of an image, small.

    Raises:
        ImageError: it can't be decoded.
    """
    if data.startswith(_JPEG):
        try:
            height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
            if colours in _WITH_LUMA:
                return _of_jpeg(data, height, width)
        except ValueError:  # broken: Pillow says in which way, or makes something of it
            pass
    return _of_other(data)


def _of_jpeg(data: bytes, height: int, width: int) -> Luma:
    check_size(len(data), width, height)
    check_scans(data)
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data,
        colorspace="GRAY",
        fastdct=True,
        fastupsample=True,
        min_height=SIDE,
        min_width=SIDE,
        min_factor=1,
    )[:, :, 0]
    scale = _scale(height, width, pixels.shape)
    return Luma(pixels.astype(np.float32), height * scale, width * scale)


def _scale(height: int, width: int, shape: tuple[int, ...]) -> float:
    for eighths in _EIGHTHS:
        if shape == (-(-height * eighths // 8), -(-width * eighths // 8)):
            return eighths / 8
    raise ImageError("DECODE_FAILED", "the decoder made pixels of another size than it said")


def _of_other(data: bytes) -> Luma:
    image = full_grey(data)
    down, across = (max(1, side // _REDUCED_SIDE) for side in (image.height, image.width))
    pixels = np.asarray(image.reduce((across, down)), np.float32)
    return Luma(pixels, image.height / down, image.width / across)
