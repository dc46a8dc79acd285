"""Estimates hold the number of pairs in their interval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.hashing.domain.near import estimated_pairs, near_pairs
from tests.unit.hashing.near.codes import (
    ball,
    hashes,
    low_contrast,
    near_by_brute_force,
    uniform,
    values_of,
)


@given(hashes(), st.integers(0, 10))
@settings(max_examples=30)
def test_few_values_are_all_looked_at(rows, radius):
    values = np.unique(rows)
    pairs = len(near_by_brute_force(values, radius))
    found = estimated_pairs(values, radius)
    assert (found.pairs, found.low, found.high) == (pairs, pairs, pairs)


@pytest.mark.parametrize(("kind", "radius"), [(uniform, 2), (uniform, 8), (low_contrast, 3)])
@pytest.mark.parametrize("sample", [2_000, 10_000])
def test_the_interval_holds_the_truth(kind, radius, sample):
    values = values_of(kind, 30_000)
    truth = sum(len(block) for block in near_pairs(values, radius))
    covered = 0
    for seed in range(8):
        shuffled = np.random.default_rng(seed).permutation(values)
        found = estimated_pairs(shuffled, radius, sample=sample)
        assert found.low <= found.pairs <= found.high
        covered += found.low <= truth <= found.high
    assert covered >= 6


def test_an_explosion_is_foreseen_from_few_values():
    values = np.unique(values_of(ball, 400_000))
    found = estimated_pairs(values, 10)
    assert found.low > len(values) ** 2 // 3


def test_no_pairs_seen_does_not_mean_that_there_are_none():
    values = np.random.default_rng(0).integers(0, 2**64, 50_000, dtype=np.uint64)
    found = estimated_pairs(values, 3, sample=10_000)
    assert (found.pairs, found.low) == (0, 0)
    assert 0 < found.high < 1000


def test_a_radius_out_of_range_is_refused():
    with pytest.raises(ValueError, match="0 to 10"):
        estimated_pairs(np.zeros(2, np.uint64), 11)
