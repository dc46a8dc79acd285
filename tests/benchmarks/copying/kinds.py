"""Copies of a photograph as they are made in the world, each by one rule and always the same.

"5 %" of a crop or a border is of the width at the left and the right and of the height at the top and the
bottom: a crop of 10 % keeps 64 % of the area. What is off centre is cut at two edges that meet.
"""

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

_QUALITY = 90
_BORDERS = ("white", "black", (196, 30, 58), (240, 234, 214))
_TEXT = "sample 2026"

Make = Callable[[Image.Image, int], Image.Image]


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _scaled(share: float) -> Make:
    def make(image: Image.Image, _: int) -> Image.Image:
        width, height = (max(1, round(side * share)) for side in image.size)
        filters = Image.Resampling.LANCZOS if share < 1 else Image.Resampling.BICUBIC
        return image.resize((width, height), filters)

    return make


def _brightness(share: float) -> Make:
    return lambda image, _: ImageEnhance.Brightness(image).enhance(share)


def _cropped(share: float) -> Make:
    def make(image: Image.Image, _: int) -> Image.Image:
        x, y = (round(side * share) for side in image.size)
        return image.crop((x, y, image.width - x, image.height - y))

    return make


def _cropped_off_centre(share: float) -> Make:
    def make(image: Image.Image, seed: int) -> Image.Image:
        x, y = (round(side * share) for side in image.size)
        left, top = x * (seed % 2), y * (seed // 2 % 2)
        return image.crop((left, top, left + image.width - x, top + image.height - y))

    return make


def _bordered(share: float) -> Make:
    def make(image: Image.Image, seed: int) -> Image.Image:
        x, y = (round(side * share) for side in image.size)
        return ImageOps.expand(image, (x, y, x, y), fill=_BORDERS[seed % len(_BORDERS)])

    return make


def _cropped_anyhow(image: Image.Image, seed: int) -> Image.Image:
    """0 to 8 % off each edge, each by itself."""
    cut = np.random.default_rng(seed).uniform(0, 0.08, 4)
    left, top = round(cut[0] * image.width), round(cut[1] * image.height)
    right, bottom = round(cut[2] * image.width), round(cut[3] * image.height)
    return image.crop((left, top, image.width - right, image.height - bottom))


def _framed_anyhow(image: Image.Image, seed: int) -> Image.Image:
    """A border as wide at all edges, 1 to 8 % of the shorter side."""
    width = round(np.random.default_rng(seed).uniform(0.01, 0.08) * min(image.size))
    return ImageOps.expand(image, max(1, width), fill=_BORDERS[seed % len(_BORDERS)])


def _recoloured(image: Image.Image, seed: int) -> Image.Image:
    """The colours a quarter to three quarters round the wheel: a product in another colour."""
    hue, *rest = image.convert("HSV").split()
    turn = int(np.random.default_rng(seed).uniform(64, 192))
    return Image.merge("HSV", (hue.point(lambda at: (at + turn) % 256), *rest)).convert("RGB")


def _overlaid(image: Image.Image, seed: int) -> Image.Image:
    """A line of text in a corner, 7 % of the height, white with a black edge."""
    size = max(8, round(image.height * 0.07))
    font = ImageFont.load_default(size)
    copy = image.copy()
    draw = ImageDraw.Draw(copy)
    width = draw.textlength(_TEXT, font)
    x = 0.03 * image.width if seed % 2 else max(0.0, 0.97 * image.width - width)
    y = 0.03 * image.height if seed // 2 % 2 else 0.95 * image.height - size
    draw.text((x, y), _TEXT, "white", font, stroke_width=max(1, size // 14), stroke_fill="black")
    return copy


def _grey(image: Image.Image, _: int) -> Image.Image:
    return image.convert("L")


def _mirrored(image: Image.Image, _: int) -> Image.Image:
    return ImageOps.mirror(image)


def _same(image: Image.Image, _: int) -> Image.Image:
    return image


KINDS: Mapping[str, tuple[Make, int]] = MappingProxyType(
    {
        "jpeg_30": (_same, 30),
        "jpeg_60": (_same, 60),
        "jpeg_95": (_same, 95),
        "resize_25": (_scaled(0.25), _QUALITY),
        "resize_50": (_scaled(0.5), _QUALITY),
        "small_and_coded": (_scaled(1 / 3), 60),
        "resize_200": (_scaled(2), _QUALITY),
        "grey": (_grey, _QUALITY),
        "darker_10": (_brightness(0.9), _QUALITY),
        "brighter_10": (_brightness(1.1), _QUALITY),
        "crop_5": (_cropped(0.05), _QUALITY),
        "crop_10": (_cropped(0.1), _QUALITY),
        "crop_10_off_centre": (_cropped_off_centre(0.1), _QUALITY),
        "crop_any": (_cropped_anyhow, _QUALITY),
        "border_5": (_bordered(0.05), _QUALITY),
        "border_any": (_framed_anyhow, _QUALITY),
        "overlay": (_overlaid, _QUALITY),
        "mirrored": (_mirrored, _QUALITY),
        "recoloured": (_recoloured, _QUALITY),
    }
)
"""How each kind is made, and the JPEG quality it is stored in."""


def copy_of(image: Image.Image, kind: str, seed: int) -> bytes:
    """An RGB image changed as the kind says, as a JPEG; `seed` picks the corner and the colour."""
    make, quality = KINDS[kind]
    return _jpeg(make(image, seed), quality)
