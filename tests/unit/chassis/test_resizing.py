"""Any size becomes any size; nothing is left out where an image shrinks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.chassis.resizing import resized

SIDES = st.integers(1, 300)


@given(SIDES, SIDES, st.integers(1, 120), st.integers(1, 120))
def test_one_colour_stays_that_colour(height: int, width: int, wide: int, high: int) -> None:
    got = resized(np.full((height, width, 3), (9, 120, 250), np.uint8), wide, high)
    assert got.dtype == np.uint8
    assert (got == np.full((high, wide, 3), (9, 120, 250), np.uint8)).all()


@pytest.mark.parametrize("side", [150, 180, 200, 240, 300, 400, 700, 1_000])
def test_fine_stripes_become_their_mean(side: int) -> None:
    stripes = np.zeros((side, side, 3), np.uint8)
    stripes[::2] = 255
    spread = resized(stripes, 100, 100).astype(int)
    # A kernel of four pixels alone would give stripes as strong as these, only wider.
    assert abs(spread.mean() - 127.5) < 3
    assert spread.std() < 48


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 8])
def test_a_whole_factor_averages_blocks(factor: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20 * factor, 30 * factor, 3), np.uint8)
    blocks = pixels.reshape(20, factor, 30, factor, 3).mean((1, 3))
    np.testing.assert_allclose(resized(pixels, 30, 20), blocks, atol=1)


def test_the_same_size_changes_nothing() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    np.testing.assert_array_equal(resized(pixels, 50, 40), pixels)


def test_part_of_an_array_is_resized_as_its_copy() -> None:
    whole = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    part = whole[10:70, 5:85]
    np.testing.assert_array_equal(resized(part, 33, 21), resized(part.copy(), 33, 21))
