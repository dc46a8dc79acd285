"""The join is complete, and gives each pair once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.hashing.domain.join import Values, first_near, near_pairs
from tests.unit.hashing.hash_values import near_by_brute_force, unique_values

PLENTY = 10_000_000


def joined(values, radius):
    i, j = near_pairs(values, radius, limit=PLENTY)
    found = set(zip(i.tolist(), j.tolist(), strict=True))
    assert len(found) == len(i)
    return found


@pytest.mark.parametrize("radius", range(11))
@pytest.mark.parametrize("skewed", [False, True])
def test_join_equals_brute_force(radius, skewed):
    values = unique_values(900, skewed=skewed, seed=radius)
    assert joined(values, radius) == near_by_brute_force(values, radius)


@given(st.integers(0, 10), st.integers(0, 2**32 - 1), st.integers(0, 80), st.booleans())
@settings(max_examples=60, deadline=None)
def test_join_equals_brute_force_on_small_sets(radius, seed, n, skewed):
    values = unique_values(n, skewed=skewed, seed=seed)
    assert joined(values, radius) == near_by_brute_force(values, radius)


@pytest.mark.parametrize("radius", [1, 4])
def test_billions_of_comparisons_in_one_bucket_are_avoided_by_the_other_hash(radius):
    rng = np.random.default_rng(0)
    n = 100_000  # with one pHash for all, comparing all pairs would take minutes
    dhash = np.unique(rng.integers(0, 2**64, n, dtype=np.uint64))
    dhash[1] = dhash[0] ^ np.uint64(1)
    values = Values(np.zeros(len(dhash), np.uint64), dhash)
    assert (0, 1) in joined(values, radius)


def test_more_pairs_than_the_limit_are_not_collected():
    bits = np.uint64(1) << np.arange(64, dtype=np.uint64)
    values = Values(bits, bits)
    assert near_pairs(values, 2, limit=64 * 63 // 2 - 1) is None
    assert len(near_pairs(values, 2, limit=64 * 63 // 2)[0]) == 64 * 63 // 2


@pytest.mark.parametrize("radius", range(11))
@pytest.mark.parametrize("skewed", [False, True])
def test_first_near_is_the_lowest_index_near_to_a_query(radius, skewed):
    values = unique_values(700, skewed=skewed, seed=radius)
    border = len(values) // 2
    expected = np.full(len(values) - border, -1)
    for i, j in sorted(near_by_brute_force(values, radius), reverse=True):
        if i < border <= j:
            expected[j - border] = i
    base, queries = values.take(np.arange(border)), values.take(np.arange(border, len(values)))
    assert first_near(base, queries, radius).tolist() == expected.tolist()


def test_empty_sides_join_to_nothing():
    none, some = unique_values(0), unique_values(5)
    assert first_near(none, some, 3).tolist() == [-1] * len(some)
    assert first_near(some, none, 3).tolist() == []
