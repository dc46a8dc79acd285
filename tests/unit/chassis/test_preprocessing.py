import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hundredfold.chassis.backbones.preprocessing import crop_box, crop_side, model_input

SIDES = st.integers(1, 4000)


@pytest.mark.parametrize(
    ("width", "height", "pixels", "side"),
    [
        (288, 383, 224, 252),
        (256, 256, 224, 224),
        (1600, 1200, 224, 1050),
        (640, 480, 240, 424),
        (10, 3000, 224, 9),
        (1, 1, 224, 1),
    ],
)
def test_the_crop_leaves_out_32_pixels_of_the_model_s_side(
    width: int, height: int, pixels: int, side: int
) -> None:
    assert crop_side(width, height, pixels) == side


@given(SIDES, SIDES, st.sampled_from([32, 224, 240, 260]))
def test_the_crop_is_a_square_inside_the_image_and_in_its_middle(
    width: int, height: int, pixels: int
) -> None:
    left, upper, right, lower = crop_box(width, height, pixels)
    assert right - left == lower - upper == crop_side(width, height, pixels)
    assert 0 <= left < right <= width
    assert 0 <= upper < lower <= height
    assert abs(left - (width - right)) <= 1
    assert abs(upper - (height - lower)) <= 1


def test_an_image_of_crop_size_passes_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    got = model_input(Image.fromarray(pixels), 224)
    np.testing.assert_array_equal(got, pixels[16:240, 16:240])


def test_channels_stay_red_green_blue() -> None:
    pixels = np.broadcast_to(np.array([250, 120, 3], np.uint8), (100, 300, 3))
    got = model_input(Image.fromarray(pixels), 224)
    assert got.shape == (224, 224, 3)
    assert got.dtype == np.uint8
    assert (got == [250, 120, 3]).all()


def test_enlarging_is_bicubic_and_the_crop_ends_what_it_sees() -> None:
    """Four columns, 60 60 180 180, eight times as wide: golden values of the kernel with a = -0.5."""
    step = np.zeros((9, 9, 3), np.uint8)
    step[:, :4], step[:, 4:] = 60, 180
    image = model_input(Image.fromarray(step), 32)
    left = [60, 60, 60, 60, 60, 58, 56, 54, 52, 51, 53, 57, 64, 77, 93, 111]
    row = left + [240 - value for value in reversed(left)]
    assert (image == np.array(row, np.uint8)[None, :, None]).all()


def test_shrinking_averages() -> None:
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[::2] = 255
    image = model_input(Image.fromarray(stripes), 224)
    assert np.abs(image.astype(int) - 128).max() <= 10  # at the edge the kernel is cut off
