"""Copies across sides."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.hashing.domain.leaks import NONE, equal_across, leaks
from hundredfold.hashing.domain.near import near_pairs
from tests.unit.hashing.hash_values import clustered_images


def by_definition(phash, dhash, side, radius):
    """(nearest, distance, sides seen) of each image."""
    found = []
    for one in range(len(phash)):
        distance = np.bitwise_count(phash ^ phash[one])
        near = (distance <= radius) & (np.bitwise_count(dhash ^ dhash[one]) <= radius)
        others = np.flatnonzero(near & (side != side[one]))
        others = others[np.lexsort((others, distance[others]))]
        seen = sum(1 << other for other in set(side[others].tolist()))
        found.append((others[0], distance[others[0]], seen) if len(others) else (NONE, 255, 0))
    return found


@given(clustered_images(), st.integers(0, 10), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_the_nearest_copy_on_another_side_is_found(some, radius, sides, seed):
    side = np.random.default_rng(seed).integers(0, sides, len(some.ok)).astype(np.uint8)
    near = near_pairs(np.unique(some.phash), radius)
    found = leaks(some.phash, some.dhash, side, near, radius, join=near_pairs)
    expected = by_definition(some.phash, some.dhash, side, radius)
    assert [
        (some.sha256[each[0]][0] if each[0] != NONE else -1, *each[1:])
        for each in zip(found.nearest, found.distance, found.seen, strict=True)
    ] == [(some.sha256[each[0]][0] if each[0] != NONE else -1, *each[1:]) for each in expected]


def test_counts_say_how_many_of_a_side_are_on_another():
    phash = np.array([0, 0, 1, 2**30, 2**30, 2**31 - 1], np.uint64)
    side = np.array([0, 0, 1, 1, 2, 0], np.uint8)
    found = leaks(phash, phash, side, near_pairs(np.unique(phash), 1), 1, join=near_pairs)
    assert found.counts(side, 3) == [[0, 2, 2], [2, 0, 1], [1, 1, 0]]


def test_images_without_hashes_leak_by_equal_bytes():
    digest = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4], [1, 2, 3, 4]], np.uint64)
    found = equal_across(digest, np.array([0, 0, 0, 1], np.uint8), near_pairs)
    assert found.nearest.tolist() == [3, NONE, 3, 0]
    assert found.distance.tolist() == [0, 255, 0, 0]
