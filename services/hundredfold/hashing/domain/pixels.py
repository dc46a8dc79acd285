"""From encoded images to the small grey images that are hashed.

Hashes are of the *stored* pixels: an EXIF orientation is not applied, alpha is dropped and not laid on
anything, a palette gives its colours, and of several frames the first counts. That is what
`imagehash.phash(PIL.Image.open(file))` does, and the exact hashes are to equal it bit for bit. A camera
that rotates by EXIF and a program that rotates the pixels thus give two hashes. Of more than 8 bits a
pixel Pillow, and so the exact hashes, cut off all above 255; the fast ones take the high byte.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hundredfold.chassis.imaging import ImageError, grey_of_numbers, holds_numbers, open_image


def exact_grey(data: bytes) -> Image.Image:
    """Decode to mode L as `PIL.Image.open(..).convert("L")` does.

    Raises:
        ImageError: it can't be decoded.
    """
    image = open_image(data)
    try:
        return _grey(image)
    except Exception as error:  # hostile bytes make Pillow raise nearly anything
        raise _failed(error) from error


def full_grey(data: bytes) -> Image.Image:
    """Decode to mode L, pixels of more than 8 bits by what `imaging` makes of them.

    Raises:
        ImageError: it can't be decoded.
    """
    image = open_image(data)
    try:
        return grey_of_numbers(image) if holds_numbers(image) else _grey(image)
    except Exception as error:  # hostile bytes make Pillow raise nearly anything
        raise _failed(error) from error


def shrunk(grey: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize to width and height with the filter of imagehash; uint8 [height, width]."""
    return np.asarray(grey.resize(size, Image.Resampling.LANCZOS))


def _grey(image: Image.Image) -> Image.Image:
    image.load()
    # Converting to L ignores a transparent colour, but warns of some.
    image.info.pop("transparency", None)
    return image.convert("L")


def _failed(error: Exception) -> ImageError:
    return ImageError("DECODE_FAILED", str(error)[:200] or type(error).__name__)
