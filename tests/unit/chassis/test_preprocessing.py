import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.chassis.backbones.preprocessing import (
    MARGIN,
    crop_box,
    crop_side,
    model_input,
    training_square,
)

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
    got = model_input(pixels, 224)
    np.testing.assert_array_equal(got, pixels[16:240, 16:240])


def test_channels_stay_red_green_blue() -> None:
    pixels = np.broadcast_to(np.array([250, 120, 3], np.uint8), (100, 300, 3))
    got = model_input(pixels, 224)
    assert got.shape == (224, 224, 3)
    assert got.dtype == np.uint8
    assert (got == [250, 120, 3]).all()


def kernel(x: float, a: float = -0.75) -> float:
    """Cubic convolution; R. Keys, 1981."""
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def test_enlarging_is_cubic_and_the_crop_ends_what_it_sees() -> None:
    """Four columns, eight times as wide; what is beyond them is the last of them again."""
    step = np.zeros((9, 9, 3), np.uint8)
    step[:, :4], step[:, 4:] = 60, 180
    seen = [60, 60, 60, 60, 180, 180, 180, 180]  # columns -2 to 5
    places = [(i + 0.5) / 8 - 0.5 for i in range(32)]
    row = [sum(kernel(x - at) * seen[at + 2] for at in range(-2, 6)) for x in places]
    assert np.abs(model_input(step, 32) - np.array(row)[None, :, None]).max() <= 1


@pytest.mark.parametrize("side", [384, 512, 700, 1024, 2000])
def test_shrinking_averages(side: int) -> None:
    stripes = np.zeros((side, side, 3), np.uint8)
    stripes[::2] = 255
    image = model_input(stripes, 224)
    # The average of four to nine stripes: what there is of a stripe at the edge of a pixel counts in part.
    assert np.abs(image.astype(int) - 128).max() <= 128 * 224 / (side * 224 / 256 - 224)


@given(st.integers(1, 600), st.integers(1, 600), st.sampled_from([32, 64]))
def test_any_size_becomes_the_model_s(width: int, height: int, pixels: int) -> None:
    image = np.full((height, width, 3), 77, np.uint8)
    assert (model_input(image, pixels) == np.full((pixels, pixels, 3), 77)).all()
    side = pixels + MARGIN
    assert (training_square(image, pixels) == np.full((side, side, 3), 77)).all()


@pytest.mark.parametrize("size", [(300, 400), (256, 256), (900, 700)])
def test_the_middle_of_a_training_square_is_the_model_s_input(size: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = np.stack([rows / 4, columns / 4, (rows + columns) / 8], axis=2).astype(np.uint8)
    inner = training_square(image, 224)[MARGIN // 2 : -MARGIN // 2, MARGIN // 2 : -MARGIN // 2]
    assert np.abs(inner.astype(int) - model_input(image, 224)).max() <= 1
