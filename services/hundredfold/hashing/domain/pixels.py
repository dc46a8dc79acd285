"""From encoded images to the small grey images that are hashed.

Hashes are of the *stored* pixels: an EXIF orientation is not applied, alpha is dropped and not laid on
anything, a palette gives its colours, and of several frames the first counts. That is what
`imagehash.phash(PIL.Image.open(file))` does, and the exact hashes are to equal it bit for bit. A camera
that rotates by EXIF and a program that rotates the pixels thus give two hashes.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hundredfold.chassis.imaging import ImageError, open_image


def exact_grey(data: bytes) -> Image.Image:
    """Decode to mode L as `PIL.Image.open(..).convert("L")` does.

    Raises:
        ImageError: it can't be decoded.
    """
    image = open_image(data)
    try:
        image.load()
        # Converting to L ignores a transparent colour, but warns of some.
        image.info.pop("transparency", None)
        return image.convert("L")
    except Exception as error:  # hostile bytes make Pillow raise nearly anything
        raise ImageError("DECODE_FAILED", str(error)[:200] or type(error).__name__) from error


def shrunk(grey: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize to width and height with the filter of imagehash; uint8 [height, width]."""
    return np.asarray(grey.resize(size, Image.Resampling.LANCZOS))
