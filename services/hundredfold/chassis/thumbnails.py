"""Small JPEGs of images as people should see them: upright, on white, without metadata."""

import numpy as np
import simplejpeg
from PIL import Image

from hundredfold.chassis import imaging
from hundredfold.chassis.resizing import resized

SIDE = 256
QUALITY = 85

_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)


def thumbnail(data: bytes) -> bytes:
    """The thumbnail of an encoded image: what its ingest keeps, byte for byte (with the same libraries).

    Raises:
        imaging.ImageError: it can't be decoded.
    """
    opened = imaging.open_image(data)
    try:
        return of_opened(data, upright_size(opened))
    except imaging.ImageError:
        raise
    except Exception as error:  # Pillow answers broken files with nearly anything
        raise imaging.ImageError("DECODE_FAILED", str(error)[:200]) from error


def of_opened(data: bytes, size: tuple[int, int]) -> bytes:
    """`thumbnail` of an image whose upright width and height are known."""
    return shrunk(data, SIDE, size, QUALITY)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height after the EXIF orientation."""
    width, height = image.size
    turned = image.getexif().get(_ORIENTATION) in _TURNED
    return (height, width) if turned else (width, height)


def shrunk(data: bytes, most: int, size: tuple[int, int], quality: int) -> bytes:
    """Encode an image anew as JPEG with neither side above `most` pixels; smaller ones keep their size.

    Args:
        data: the encoded image.
        most: pixels.
        size: its upright width and height, which tell how far a JPEG may be scaled while it is decoded.
        quality: of the JPEG, 1 to 95.

    Raises:
        imaging.ImageError: it can't be decoded.
    """
    pixels = imaging.upright_pixels(data, min(_fit(size, most)))
    height, width, _ = pixels.shape
    if max(width, height) > most:
        pixels = resized(pixels, *_fit((width, height), most))
    whole = np.ascontiguousarray(pixels)
    return bytes(simplejpeg.encode_jpeg(whole, quality=quality, colorsubsampling="420"))


def _fit(size: tuple[int, int], most: int) -> tuple[int, int]:
    longest = max(size)
    if longest <= most:
        return size
    return max(1, round(size[0] * most / longest)), max(1, round(size[1] * most / longest))
