"""Covering masks: values within the radius agree on one of them."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.hashing.domain.cover import MAX_RADIUS, covering_masks

SIZES = (10, 100_000, 10_000_000)


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("radius", [1, 2, 3])
def test_every_small_set_of_differing_bits_is_missed_by_a_mask(radius, rows):
    bits = np.array(list(combinations(range(64), radius)), np.uint64)
    differing = (np.uint64(1) << bits).sum(axis=1, dtype=np.uint64)
    assert ((differing[:, None] & covering_masks(radius, rows)) == 0).any(axis=1).all()


@given(
    st.sets(st.integers(0, 63), max_size=MAX_RADIUS),
    st.sampled_from(SIZES),
    st.integers(0, MAX_RADIUS),
)
def test_differing_bits_within_the_radius_are_missed_by_a_mask(bits, rows, more):
    radius = min(MAX_RADIUS, len(bits) + more)
    differing = np.uint64(sum(1 << bit for bit in bits))
    assert ((differing & covering_masks(radius, rows)) == 0).any()


def test_radius_0_compares_all_bits():
    assert covering_masks(0, 10).tolist() == [2**64 - 1]


def test_radius_1_takes_two_interleaved_blocks():
    assert covering_masks(1, 10).tolist() == [0x5555555555555555, 0xAAAAAAAAAAAAAAAA]


@pytest.mark.parametrize("radius", range(1, MAX_RADIUS + 1))
def test_few_random_pairs_agree_on_a_mask(radius):
    lengths = np.bitwise_count(covering_masks(radius, 1_000_000)).astype(float)
    assert np.exp2(-lengths).sum() < 2e-3
