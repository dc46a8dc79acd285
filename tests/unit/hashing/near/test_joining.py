"""The join finds each near pair, once, whatever the hashes are like."""

import threading
from contextlib import contextmanager, nullcontext
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from hundredfold.hashing.domain.near import MAX_RADIUS, covers, joining, near_pairs
from tests.unit.hashing.near.codes import (
    KINDS,
    ball,
    constant_bits,
    hashes,
    low_contrast,
    near_by_brute_force,
    pairs_of,
    uniform,
    values_of,
    with_marked,
)

RADII = range(MAX_RADIUS + 1)


@contextmanager
def tables_preferred():
    """To compare is thought to be dear, so that also few rows go through tables, as many would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(covers, "_COMPARE", 1e4)
        yield patch


WAYS = [nullcontext, tables_preferred]


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("kind", KINDS)
def test_join_equals_brute_force(kind, radius):
    values = values_of(kind, 400)
    expected = near_by_brute_force(values, radius)
    assert_array_equal(pairs_of(near_pairs(values, radius)), expected)
    with tables_preferred():
        assert_array_equal(pairs_of(near_pairs(values, radius)), expected)


@given(hashes(), st.integers(0, MAX_RADIUS), st.integers(1, 3), st.sampled_from(WAYS))
@settings(max_examples=200)
def test_join_equals_brute_force_on_small_sets(rows, radius, threads, way):
    values = np.unique(rows)
    with way():
        found = pairs_of(near_pairs(values, radius, threads=threads))
    assert_array_equal(found, near_by_brute_force(values, radius))


@given(
    hashes(), st.integers(0, MAX_RADIUS), st.floats(0, 1), st.integers(0, 9), st.sampled_from(WAYS)
)
@settings(max_examples=150)
def test_pairs_of_marked_values_are_those_with_at_least_one(rows, radius, share, seed, way):
    values = np.random.default_rng(seed).permutation(np.unique(rows))
    only = np.random.default_rng(seed + 1).random(len(values)) < share
    expected = with_marked(near_by_brute_force(values, radius), values[only])
    with way():
        assert_array_equal(pairs_of(near_pairs(values, radius, only=only)), expected)


@given(st.sampled_from(KINDS), st.integers(1, MAX_RADIUS), st.integers(0, 99), st.booleans())
@settings(max_examples=25)
def test_many_small_partitions_and_cut_buckets_lose_nothing(kind, radius, seed, some):
    values = values_of(kind, 150, seed)
    only = np.random.default_rng(seed).random(len(values)) < 0.3 if some else None
    with tables_preferred() as patch:
        patch.setattr(joining, "_PARTITION", 40)
        patch.setattr(joining, "MOST_ROWS", 60)
        patch.setattr(joining, "_LARGE", 20)
        patch.setattr(joining, "_DEPTH", 2 if radius < 5 else 1)
        patch.setattr(joining, "worth_cutting", lambda *_: True)
        patch.setattr(joining, "density", lambda *_: 0.0)
        found = pairs_of(near_pairs(values, radius, only=only, threads=2))
    marked = values if only is None else values[only]
    assert_array_equal(found, with_marked(near_by_brute_force(values, radius), marked))


@pytest.mark.parametrize("radius", [2, 6, 9])
def test_the_set_of_pairs_does_not_depend_on_threads(radius):
    values = values_of(uniform, 120_000)  # more than one partition
    one = pairs_of(near_pairs(values, radius, threads=1))
    assert len(one) > 100
    assert_array_equal(one, pairs_of(near_pairs(values, radius, threads=3)))


def test_every_planted_pair_of_a_large_set_is_found():
    rng = np.random.default_rng(3)
    first = rng.integers(0, 2**64, 400_000, dtype=np.uint64)
    near = first[:20_000] ^ (np.uint64(1) << rng.integers(0, 32, 20_000, dtype=np.uint64))
    near ^= np.uint64(1) << rng.integers(32, 64, 20_000, dtype=np.uint64)
    values = np.unique(np.concatenate([first, near]))
    planted = np.sort(np.stack([first[:20_000], near], axis=1), axis=1)
    assert_array_equal(pairs_of(near_pairs(values, 2)), planted[np.argsort(planted[:, 0])])


@pytest.mark.parametrize("radius", [3, 6])
def test_values_with_most_bits_constant_are_cut_by_the_others(radius):
    rng = np.random.default_rng(0)
    values = np.unique(rng.integers(0, 2**30, 150_000, dtype=np.uint64) << np.uint64(9))
    some = values[rng.choice(len(values), 300, replace=False)]
    only = np.isin(values, some)
    i, j = np.nonzero(np.bitwise_count(some[:, None] ^ values) <= radius)
    pairs = np.sort(np.stack([some[i], values[j]], axis=1), axis=1)
    expected = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    assert len(expected) > 10
    assert_array_equal(pairs_of(near_pairs(values, radius, only=only)), expected)


def test_a_set_with_half_of_it_in_one_bucket_is_joined():
    rng = np.random.default_rng(0)
    weak = rng.integers(0, 2**20, 40_000, dtype=np.uint64) << np.uint64(22)
    values = np.unique(np.concatenate([weak, rng.integers(0, 2**64, 40_000, dtype=np.uint64)]))
    bits = np.uint64(1) << np.arange(64, dtype=np.uint64)
    neighbours = sum(int(np.isin(values ^ bit, values).sum()) for bit in bits)
    assert len(pairs_of(near_pairs(values, 1))) == neighbours // 2


def test_pairs_are_made_while_they_are_taken_and_not_held():
    values = values_of(ball, 20_000)  # millions of pairs
    blocks = near_pairs(values, 10, threads=2)
    assert all(0 < len(block) <= 1 << 16 for block in islice(blocks, 20))
    blocks.close()
    assert not [each for each in threading.enumerate() if "near pairs" in each.name]


def test_one_value_has_no_pairs():
    assert list(near_pairs(np.zeros(1, np.uint64), 5)) == []
    assert list(near_pairs(np.empty(0, np.uint64), 5)) == []


@pytest.mark.parametrize("radius", [-1, 11])
def test_a_radius_out_of_range_is_refused(radius):
    with pytest.raises(ValueError, match="0 to 10"):
        near_pairs(np.zeros(2, np.uint64), radius)


@pytest.mark.parametrize("radius", [3, 6, 8, 10])
@pytest.mark.parametrize("kind", [uniform, constant_bits, low_contrast])
def test_join_equals_the_range_search_of_faiss(kind, radius):
    faiss = pytest.importorskip("faiss", reason="faiss is not installed")
    values = values_of(kind, 1_500)
    flat = faiss.IndexBinaryFlat(64)
    rows = values.view(np.uint8).reshape(-1, 8)
    flat.add(rows)
    limits, _, near = flat.range_search(rows, radius + 1)  # it takes less than its radius
    queries = np.repeat(np.arange(len(values)), np.diff(limits.astype(np.int64)))
    left, right = values[queries], values[near]
    expected = np.stack([left, right], axis=1)[left < right]
    with tables_preferred():
        assert_array_equal(pairs_of(near_pairs(values, radius)), pairs_of([expected]))
