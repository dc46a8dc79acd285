"""Looks at the bytes of one image once: what is it, is it whole, and how does it look small?"""

import hashlib
from dataclasses import dataclass

from hundredfold.chassis import imaging, thumbnails

OK = "ok"


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
        size: bytes of the encoded image; 0 when not ok.
    """

    status: str
    error: str = ""
    sha256: bytes = b""
    width: int = 0
    height: int = 0
    format: str = ""
    thumbnail: bytes = b""
    size: int = 0


def probe(data: bytes) -> Verdict:
    """Decode an image wholly and make its thumbnail.

    A scaled decoding of a JPEG reads all of its data too, so a file that was cut off is found.
    """
    sha256 = hashlib.sha256(data).digest()
    width, height, format_ = 0, 0, ""
    try:
        opened = imaging.open_image(data)
        width, height = thumbnails.upright_size(opened)
        format_ = opened.format or ""
        thumbnail = thumbnails.of_opened(data, (width, height))
    except imaging.ImageError as error:
        return Verdict(error.reason, _sentence(error), sha256, width, height, format_)
    except MemoryError:
        return Verdict("OUT_OF_MEMORY", "decoding takes too much memory", sha256, width, height)
    except Exception as error:  # noqa: BLE001  Pillow answers broken files with nearly anything
        return Verdict("DECODE_FAILED", _sentence(error), sha256, width, height, format_)
    return Verdict(OK, "", sha256, width, height, format_, thumbnail, len(data))


def _sentence(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return " ".join(text.split())[:200]
