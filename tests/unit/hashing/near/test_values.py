"""Copies collapse to values and counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.hashing.domain.near import distinct
from tests.unit.hashing.near.codes import hashes


def expected(rows):
    values, counts = np.unique(rows, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def counted(found):
    assert found.values.dtype == np.uint64
    assert found.counts.dtype == np.uint32
    listed = dict(zip(found.values.tolist(), found.counts.tolist(), strict=True))
    assert len(listed) == len(found.values)
    return listed


@given(hashes(), st.integers(1, 3))
def test_each_value_is_there_once_with_its_count(rows, threads):
    before = rows.copy()
    assert counted(distinct(rows, threads=threads)) == expected(rows)
    assert (rows == before).all()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_millions_of_equal_hashes_among_others_are_one_value(threads):
    rng = np.random.default_rng(0)
    rows = np.concatenate(
        [
            np.zeros(1_000_000, np.uint64),
            np.full(300_000, 2**64 - 1, np.uint64),
            rng.integers(0, 2**64, 200_000, dtype=np.uint64),
        ]
    )
    rng.shuffle(rows)
    assert counted(distinct(rows, threads=threads)) == expected(rows)


def test_a_partition_of_more_values_than_expected_is_collected():
    # All are in one of the 64 partitions: the partition is the top of a product.
    inverse = pow(0x9E3779B97F4A7C15, -1, 2**64)
    products = np.random.default_rng(0).integers(0, 2**57, 600_000, dtype=np.uint64)
    rows = products * np.uint64(inverse)
    assert counted(distinct(rows)) == expected(rows)


def test_the_order_does_not_depend_on_threads():
    rows = np.random.default_rng(1).integers(0, 50_000, 300_000, dtype=np.uint64)
    one, three = distinct(rows, threads=1), distinct(rows, threads=3)
    assert (one.values == three.values).all()
    assert (one.counts == three.counts).all()


def test_no_hashes_have_no_values():
    found = distinct(np.empty(0, np.uint64))
    assert counted(found) == {}


def test_a_part_of_a_larger_array_will_do():
    rows = np.arange(20, dtype=np.uint64)[::2]
    assert counted(distinct(rows)) == expected(rows)
