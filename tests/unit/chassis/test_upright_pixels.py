"""Pixels decoded right into an array are those of `upright_rgb`, and fail as it fails."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hundredfold.chassis.imaging import FORMATS, ImageError, upright_pixels, upright_rgb

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

WHOLE = 10_000


def scene(mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> Image.Image:
    small = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def outcome(data: bytes, min_side: int, act: Any) -> tuple[int, ...] | str:
    """The shape of what is decoded, or why nothing is."""
    try:
        return np.asarray(act(data, min_side=min_side)).shape
    except ImageError as error:
        return error.reason


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_decoded_to_the_same_pixels(
    mode: str, subsampling: int, progressive: bool
) -> None:
    options = {"progressive": progressive}
    options |= {} if mode == "L" else {"subsampling": subsampling}
    data = encoded(scene(mode), "JPEG", **options)
    pixels = upright_pixels(data, WHOLE)
    assert pixels.dtype == np.uint8
    # The two decoders are built from the same library, which may differ by its version.
    np.testing.assert_allclose(pixels, np.asarray(upright_rgb(data)), atol=1)


@pytest.mark.parametrize("format_", sorted(set(FORMATS) - {"JPEG"}))
def test_other_formats_are_decoded_to_the_same_pixels(format_: str) -> None:
    data = encoded(scene(), format_)
    np.testing.assert_array_equal(upright_pixels(data, 16), np.asarray(upright_rgb(data)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(scene(), "JPEG", exif=exif)
    np.testing.assert_allclose(upright_pixels(data, WHOLE), np.asarray(upright_rgb(data)), atol=1)


@pytest.mark.parametrize("size", [(800, 600), (600, 800), (333, 1001)])
@pytest.mark.parametrize("min_side", [1, 75, 76, 150, 299, 4_000])
def test_a_jpeg_is_decoded_smaller_but_not_below(size: tuple[int, int], min_side: int) -> None:
    height, width, _ = upright_pixels(encoded(scene(size=size), "JPEG"), min_side).shape
    assert min(height, width) >= min(min_side, *size)
    assert abs(width / height - size[0] / size[1]) < 0.03


def test_of_several_pictures_in_a_jpeg_the_first_is_taken() -> None:
    data = encoded(scene(), "MPO", save_all=True, append_images=[scene("L").convert("RGB")])
    np.testing.assert_allclose(upright_pixels(data, WHOLE), np.asarray(scene()), atol=40)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_bytes_end_as_they_do_in_pillow(kind: str) -> None:
    data = encoded(scene(), kind)

    @settings(max_examples=150, database=None)
    @given(
        st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=8),
        st.integers(0, len(data)),
    )
    def check(changes: list[tuple[int, int]], size: int) -> None:
        damaged = bytearray(data)
        for place, value in changes:
            damaged[place] = value
        for some in (bytes(damaged), bytes(damaged[:size])):
            assert outcome(some, WHOLE, upright_pixels) == outcome(some, WHOLE, upright_rgb)

    check()
