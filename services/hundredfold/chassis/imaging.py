"""Decoding images that anybody may have sent: six formats, a pixel limit, one defined result each.

What becomes of the special ones in `upright_rgb`:

    alpha, palette with transparency   laid on white
    palette, grey, black and white     as they look
    16-bit grey                        the high byte (0..65535 becomes 0..255)
    32-bit integer grey                taken as 16-bit, values outside cut off
    float grey                         stretched from its least to its largest value
    CMYK, YCbCr, HSV, LAB              converted without the file's colour profile, here and elsewhere
    more than one frame or page        the first
    EXIF orientation                   applied; one that cannot be read counts as upright

Every failure is an ImageError, whatever the bytes. All functions are safe for threads.
"""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
MAX_PIXELS = 50_000_000
MAX_BYTES = 64 * 1024 * 1024
MAX_SCANS = 256
"""Of a progressive JPEG. Each goes over all pixels, however few bytes it has; programs write about ten."""

# Process-wide on purpose: `warnings.catch_warnings` is not safe for threads. The limit also guards
# the places inside of Pillow that look at it after the header; what else Pillow warns of (odd EXIF,
# a TIFF tag that is too short) either decodes or fails, and is told by that.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# Markers of JPEG: a scan begins; a frame with one pass over all coefficients, or of another kind.
_SCAN = b"\xff\xda"
_BASELINE = frozenset({0xC0, 0xC1})
_OTHER_FRAMES = frozenset(range(0xC2, 0xD0)) - {0xC4, 0xC8, 0xCC}

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(Exception):
    """Bytes that are no image for us.

    Attributes:
        reason: EMPTY, TOO_LARGE (bytes), TOO_MANY_PIXELS, TOO_MANY_SCANS, UNKNOWN_FORMAT or
            DECODE_FAILED.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


def open_image(data: bytes) -> Image.Image:
    """Read the header of an encoded image; its pixels are not decoded yet, and may turn out bad.

    `image.format` is one of FORMATS; `image.size` is that of the file, before its orientation.

    Raises:
        ImageError: see there.
    """
    if not data:
        raise ImageError("EMPTY", "no bytes")
    check_size(len(data), 0, 0)
    with _guarded():
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    check_size(len(data), image.width, image.height)
    if image.format == "MPO":  # a JPEG with more pictures behind the first
        image.format = "JPEG"
    if image.format == "JPEG":
        check_scans(data)
    return image


def check_size(size: int, width: int, height: int) -> None:
    """Hold an image of so many bytes and pixels to the limits.

    Raises:
        ImageError: TOO_LARGE or TOO_MANY_PIXELS.
    """
    if size > MAX_BYTES:
        raise ImageError("TOO_LARGE", f"{size} bytes, at most {MAX_BYTES}")
    if width * height > MAX_PIXELS:
        raise ImageError("TOO_MANY_PIXELS", f"more than {MAX_PIXELS} pixels")


def check_scans(jpeg: bytes) -> None:
    """Hold a JPEG to MAX_SCANS, for a few bytes a scan would buy seconds of decoding.

    Raises:
        ImageError: TOO_MANY_SCANS.
    """
    # Counting takes a third of the time of decoding: only where there can be several at all.
    if not _is_one_scan(jpeg) and jpeg.count(_SCAN) > MAX_SCANS:
        raise ImageError("TOO_MANY_SCANS", f"more than {MAX_SCANS} scans")


def _is_one_scan(jpeg: bytes) -> bool:
    """Whether a decoder must stop after the first scan: it is baseline and has all components."""
    place, components = 2, -1
    while jpeg[place : place + 1] == b"\xff" and place + 9 < len(jpeg):
        kind = jpeg[place + 1]
        if kind == _SCAN[1]:
            return jpeg[place + 4] == components
        if kind in _BASELINE:
            components = jpeg[place + 9]
        elif kind in _OTHER_FRAMES:
            return False
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4])
    return False


def upright_rgb(data: bytes, *, min_side: int | None = None) -> Image.Image:
    """Decode an image to mode RGB as a person should see it; see the module for the special ones.

    Args:
        data: the encoded image.
        min_side: a JPEG may be decoded smaller (by 2, 4 or 8), its shorter side at least this.

    Raises:
        ImageError: see there.
    """
    image = open_image(data)
    with _guarded():
        if min_side is not None and image.format == "JPEG":
            _draft(image, min_side)
        image.load()
        upright = _upright(image)
        rgb = _rgb(image)
        return rgb if upright is None else rgb.transpose(upright)


def upright_pixels(data: bytes, min_side: int) -> NDArray[np.uint8]:
    """As `upright_rgb`, uint8 [h, w, 3]; faster, as what is needed of a JPEG is decoded right into the array.

    Args:
        data: the encoded image.
        min_side: a JPEG may be decoded smaller, at half its size or fewer eighths, its shorter side at least this.

    Raises:
        ImageError: see there.
    """
    image = open_image(data)
    if image.format == "JPEG" and image.mode in ("RGB", "L"):
        try:
            # Factors below 2, as seven eighths, take longer than the whole.
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
                data, colorspace="RGB", min_height=min_side, min_width=min_side, min_factor=2
            )
        except ValueError:  # broken: Pillow says in which way, or makes something of it
            return np.asarray(upright_rgb(data, min_side=min_side))
        upright = _upright(image)
        if upright is None:
            return pixels
        return np.asarray(Image.fromarray(pixels).transpose(upright))
    return np.asarray(upright_rgb(data, min_side=min_side))


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError as error:
        raise ImageError("UNKNOWN_FORMAT", f"none of {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError("TOO_MANY_PIXELS", f"more than {MAX_PIXELS} pixels") from error
    except Exception as error:  # hostile bytes make Pillow raise nearly anything
        raise ImageError("DECODE_FAILED", str(error)[:200] or type(error).__name__) from error


def _draft(image: Image.Image, min_side: int) -> None:
    scale = min_side / min(image.size)
    width, height = (math.ceil(side * scale) for side in image.size)
    image.draft(None, (width, height))


def _upright(image: Image.Image) -> Image.Transpose | None:
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # noqa: BLE001  broken EXIF, which Pillow may answer with anything
        return None
    return _UPRIGHT.get(orientation) if isinstance(orientation, int) else None


def _rgb(image: Image.Image) -> Image.Image:
    if holds_numbers(image):
        return grey_of_numbers(image).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def holds_numbers(image: Image.Image) -> bool:
    """Whether its pixels are numbers of more than 8 bits, which Pillow would cut off at 255."""
    return image.mode == "F" or image.mode.startswith("I")


def grey_of_numbers(image: Image.Image) -> Image.Image:
    """Such an image as mode L, as the module says: 16 bits become the high byte, floats are stretched."""
    values = np.asarray(image, dtype=np.float32 if image.mode == "F" else np.int32)
    if image.mode != "F":
        return Image.fromarray((values.clip(0, 65_535) >> 8).astype(np.uint8))
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float64)
    least, span = finite.min(), np.ptp(finite)
    return Image.fromarray(((finite - least) * (255 / (span or 1))).astype(np.uint8))
