"""Looks at the bytes of one image once: what is it, is it whole, and how does it look small?"""

import hashlib
import io
from dataclasses import dataclass

from PIL import Image

from hundredfold.chassis import imaging

THUMBNAIL_SIDE = 256
THUMBNAIL_QUALITY = 85
OK = "ok"

_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of looking at an image.

    Attributes:
        status: "ok" or the reason why it can't be used, in UPPER_SNAKE.
        error: the reason in a sentence; empty when ok.
        sha256: 32 bytes, of the encoded image; empty when it could not be read.
        width: pixels across, upright; 0 when not known.
        height: pixels down, upright.
        format: one of `imaging.FORMATS`; empty when not known.
        thumbnail: a JPEG of at most 256 pixels a side; empty when not ok.
    """

    status: str
    error: str = ""
    sha256: bytes = b""
    width: int = 0
    height: int = 0
    format: str = ""
    thumbnail: bytes = b""


def probe(data: bytes) -> Verdict:
    """Decode an image wholly and make its thumbnail.

    A scaled decoding of a JPEG reads all of its data too, so a file that was cut off is found.
    """
    sha256 = hashlib.sha256(data).digest()
    width, height, format_ = 0, 0, ""
    try:
        opened = imaging.open_image(data)
        width, height = upright_size(opened)
        format_ = opened.format or ""
        thumbnail = shrunk(data, THUMBNAIL_SIDE, (width, height), THUMBNAIL_QUALITY)
    except imaging.ImageError as error:
        return Verdict(error.reason, _sentence(error), sha256, width, height, format_)
    except MemoryError:
        return Verdict("OUT_OF_MEMORY", "decoding takes too much memory", sha256, width, height)
    except Exception as error:  # noqa: BLE001  Pillow answers broken files with nearly anything
        return Verdict("DECODE_FAILED", _sentence(error), sha256, width, height, format_)
    return Verdict(OK, "", sha256, width, height, format_, thumbnail)


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
    target = _fit(size, most)
    image = imaging.upright_rgb(data, min_side=min(target))
    if max(image.size) > most:
        image = image.resize(_fit(image.size, most), Image.Resampling.BILINEAR, reducing_gap=2.0)
    image.info.clear()  # Pillow would write a comment it finds there
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()


def _fit(size: tuple[int, int], most: int) -> tuple[int, int]:
    longest = max(size)
    if longest <= most:
        return size
    return max(1, round(size[0] * most / longest)), max(1, round(size[1] * most / longest))


def _sentence(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return " ".join(text.split())[:200]
