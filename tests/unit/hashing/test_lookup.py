"""Looking an image up among those of a collection."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.hashing.domain.found import with_equal
from tests.unit.hashing.hash_values import clustered_images, images, lookup_index, random_hashes


def looked_up(some, phash, dhash, *, sha256=999, radius=2, most=100):
    index = lookup_index(some)
    phash, dhash = (np.array([value], np.uint64) for value in (phash, dhash))
    found = index.near(phash, dhash, radius=radius, most=most)
    equal = index.equal(np.full(4, sha256, np.uint64))
    rows, distances = with_equal(found, [equal], most=most).of(0)
    return rows.tolist(), distances.tolist()


def test_rows_come_nearest_first_then_by_number():
    some = images([0b111, 0b1, 0, 0b1, 0b11], [0] * 5)
    assert looked_up(some, 0, 0) == ([2, 1, 3, 4], [0, 1, 1, 2])
    assert looked_up(some, 0, 0, most=2) == ([2, 1], [0, 1])


def test_both_hashes_must_be_near():
    assert looked_up(images([0, 0], [0, 0xFF]), 0, 0) == ([0], [0])


def test_equal_bytes_are_found_even_without_hashes():
    some = images([1, 0], [1, 0], hashed=[True, False], sha256=[4, 5])
    assert looked_up(some, 2**60 - 1, 0, sha256=5) == ([1], [0])


def test_broken_images_and_their_zero_hashes_are_not_found():
    assert looked_up(images([0], [0], ok=[False], sha256=[5]), 0, 0, sha256=5) == ([], [])


def by_brute_force(some, phash, dhash, radius, most):
    distance = np.bitwise_count(some.phash ^ phash)
    near = some.hashed & (distance <= radius)
    if dhash is not None:
        near &= np.bitwise_count(some.dhash ^ dhash) <= radius
    rows = np.flatnonzero(near)
    return rows[np.lexsort((rows, distance[rows]))][:most].tolist()


@given(clustered_images(), st.integers(0, 10), st.sampled_from([1, 3, 100]))
def test_every_image_finds_itself_and_all_near_ones(some, radius, most):
    index = lookup_index(some)
    for dhash in (some.dhash, None):
        found = index.near(some.phash, dhash, radius=radius, most=most)
        for row in range(len(some.ok)):
            other = None if dhash is None else dhash[row]
            expected = by_brute_force(some, some.phash[row], other, radius, most)
            assert found.of(row)[0].tolist() == expected


@pytest.mark.parametrize("radius", [0, 3, 6, 10])
def test_very_many_images_are_looked_up_by_longer_parts(radius):
    phash, dhash = random_hashes(600_000, seed=5)
    some = images(phash, dhash)
    found = lookup_index(some).near(phash[-20:], dhash[-20:], radius=radius, most=9)
    for place in range(20):
        row = len(phash) - 20 + place
        expected = by_brute_force(some, phash[row], dhash[row], radius, 9)
        assert found.of(place)[0].tolist() == expected


def test_a_million_copies_of_one_image_are_one_entry():
    some = images([3] * 1_000_000, [4] * 1_000_000)
    assert looked_up(some, 1, 4, most=3) == ([0, 1, 2], [1, 1, 1])


def test_who_could_not_be_hashed_finds_nothing():
    found = lookup_index(images([0], [0])).near(
        np.zeros(2, np.uint64), np.zeros(2, np.uint64), radius=0, most=5
    )
    assert with_equal(found, [None, found.rows[:0]], most=5).starts.tolist() == [0, 0, 1]
