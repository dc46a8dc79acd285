"""Looking an image up among those of a collection."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.hashing.domain.lookup import copies_of
from tests.unit.hashing.hash_values import clustered_images, images


def looked_up(some, phash, dhash, *, sha256=999, radius=2, most=100):
    rows, distances = copies_of(
        some,
        np.uint64(phash),
        np.uint64(dhash),
        np.full(4, sha256, np.uint64),
        radius=radius,
        most=most,
    )
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


@given(clustered_images(), st.integers(0, 10))
@settings(deadline=None)
def test_every_image_finds_itself_and_all_near_ones(some, radius):
    for row in np.flatnonzero(some.ok)[:5]:
        near = (
            some.ok
            & (np.bitwise_count(some.phash ^ some.phash[row]) <= radius)
            & (np.bitwise_count(some.dhash ^ some.dhash[row]) <= radius)
        )
        found, _ = looked_up(some, some.phash[row], some.dhash[row], radius=radius)
        assert sorted(found) == np.flatnonzero(near).tolist()
        assert row in found
