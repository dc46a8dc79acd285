"""Covers: hashes within the radius agree on all of a mask."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.hashing.domain.near import MAX_RADIUS
from hundredfold.hashing.domain.near.covers import cover, varying

ALL = 2**64 - 1
SIZES = (100, 100_000, 100_000_000)


def masks_of(free, radius, rows):
    return cover(free, radius, rows, rows * (rows - 1) / 2).masks


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("radius", [1, 2, 3])
def test_every_small_set_of_differing_bits_is_missed_by_a_mask(radius, rows):
    bits = np.array(list(combinations(range(64), radius)), np.uint64)
    differing = (np.uint64(1) << bits).sum(axis=1, dtype=np.uint64)
    assert ((differing[:, None] & masks_of(ALL, radius, rows)) == 0).any(axis=1).all()


@given(
    st.integers(0, ALL),
    st.integers(0, MAX_RADIUS),
    st.sampled_from(SIZES),
    st.randoms(use_true_random=False),
)
def test_differing_free_bits_within_the_radius_are_missed_by_a_mask(free, radius, rows, random):
    masks = masks_of(free, radius, rows)
    places = [bit for bit in range(64) if free >> bit & 1]
    for _ in range(20):
        bits = random.sample(places, random.randint(0, min(radius, len(places))))
        differing = np.uint64(sum(1 << bit for bit in bits))
        assert ((differing & masks) == 0).any()


@given(st.integers(0, ALL), st.integers(0, MAX_RADIUS), st.sampled_from(SIZES))
def test_masks_hold_free_bits_alone(free, radius, rows):
    assert (masks_of(free, radius, rows) & ~np.uint64(free) == 0).all()


@pytest.mark.parametrize(
    ("radius", "rows", "share"),
    [
        (2, 10**7, 2e-6),
        (4, 10**8, 1.2e-5),
        (6, 10**6, 1.3e-3),
        (6, 10**8, 1.2e-4),
        (8, 10**8, 5e-4),
    ],
)
def test_masks_are_as_long_as_a_hill_climb_can_make_them(radius, rows, share):
    lengths = np.bitwise_count(masks_of(ALL, radius, rows)).astype(float)
    assert np.exp2(-lengths).sum() < share


def test_a_cover_is_the_same_each_time():
    first = masks_of(ALL >> 3, 5, 10**6)
    assert (first == masks_of(ALL >> 3, 5, 10**6)).all()


def test_few_rows_are_compared_without_tables():
    assert masks_of(ALL, 10, 20).tolist() == [0]


def test_varying_bits_are_those_that_are_not_the_same_in_all():
    assert varying(np.array([0b1100, 0b1010, 0b1000], np.uint64)) == 0b0110
