"""Groups are stars around the best image."""

from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.hashing.domain.groups import Images, group
from tests.unit.hashing.hash_values import clustered_images, images, random_hashes

radii = st.integers(0, 10)


def permuted(some, order):
    return Images(*(getattr(some, each.name)[order] for each in fields(some)))


def better(some, row):
    """What sorts images from the best to the worst."""
    return (-some.pixels[row], row)


@given(clustered_images(), radii)
@settings(deadline=None)
def test_every_copy_is_within_the_radius_of_its_representative(some, radius):
    groups = group(some, radius)
    ok = np.flatnonzero(some.ok)
    of = groups.representative[ok]
    assert (np.bitwise_count(some.phash[ok] ^ some.phash[of]) == groups.distance[ok]).all()
    assert (groups.distance[ok] <= radius).all()
    assert (np.bitwise_count(some.dhash[ok] ^ some.dhash[of]) <= radius).all()


@given(clustered_images(), radii)
@settings(deadline=None)
def test_every_image_is_in_one_group_and_broken_ones_in_none(some, radius):
    groups = group(some, radius)
    assert ((groups.representative == -1) == ~some.ok).all()
    of = groups.representative[some.ok]
    assert (groups.representative[of] == of).all()
    assert groups.copies + groups.representatives == some.ok.sum()


@given(clustered_images(), radii)
@settings(deadline=None)
def test_representatives_are_apart_and_the_best_of_their_groups(some, radius):
    of = group(some, radius).representative
    centres = np.unique(of[some.ok])
    for a in centres:
        for b in centres[centres > a]:
            apart = max(
                np.bitwise_count(some.phash[a] ^ some.phash[b]),
                np.bitwise_count(some.dhash[a] ^ some.dhash[b]),
            )
            assert apart > radius
    for row in np.flatnonzero(some.ok):
        assert better(some, of[row]) <= better(some, row)


@given(clustered_images(), radii, st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_the_order_of_rows_does_not_matter_beyond_ties(some, radius, seed):
    # Sizes that all differ leave no ties.
    some = Images(**{**vars(some), "pixels": np.arange(len(some.ok)) * 7 % 997 + 1})
    order = np.random.default_rng(seed).permutation(len(some.ok))
    shuffled = group(permuted(some, order), radius).representative
    back = np.where(shuffled >= 0, order[shuffled] if len(order) else shuffled, -1)
    assert back.tolist() == group(some, radius).representative[order].tolist()


@given(clustered_images(), radii)
@settings(deadline=None)
def test_grouping_the_representatives_again_changes_nothing(some, radius):
    of = group(some, radius).representative
    centres = np.unique(of[some.ok])
    assert group(permuted(some, centres), radius).copies == 0


@given(clustered_images(), radii, st.integers(0, 30))
@settings(deadline=None)
def test_groups_do_not_depend_on_how_many_pairs_fit_into_memory(some, radius, most_pairs):
    few = group(some, radius, most_pairs=most_pairs)
    assert few.representative.tolist() == group(some, radius).representative.tolist()


def test_a_chain_of_small_steps_is_not_one_group():
    steps = [(1 << bits) - 1 for bits in range(0, 12, 2)]
    of = group(images(steps, [0] * 6), 2).representative
    assert of.tolist() == [0, 0, 2, 2, 4, 4]


def test_the_largest_image_represents_then_the_lowest_row():
    assert (
        group(images([5] * 4, [5] * 4, pixels=[1, 3, 3, 2]), 0).representative.tolist() == [1] * 4
    )


def test_one_near_hash_is_not_enough():
    far = 2**20 - 1
    assert group(images([0, 0, far], [0, far, 0]), 10).copies == 0


def test_a_million_blank_images_are_one_group():
    n = 1_000_000
    phash, dhash = random_hashes(1000, seed=3)
    blank = images([0] * n, [0] * n)
    some = images(np.concatenate([blank.phash, phash]), np.concatenate([blank.dhash, dhash]))
    groups = group(some, 4)
    assert (groups.representative[:n] == 0).all()
    assert groups.copies >= n - 1


def test_images_without_hashes_are_copies_of_equal_bytes_only():
    some = images(
        phash=[7, 7, 0, 0, 0, 0],
        dhash=[7, 7, 0, 0, 0, 0],
        ok=[True, True, True, True, True, False],
        hashed=[True, True, False, False, False, False],
        sha256=[10, 11, 11, 12, 12, 12],
        pixels=[4, 1, 1, 1, 2, 9],
    )
    groups = group(some, 10)
    assert groups.representative.tolist() == [0, 0, 0, 4, 4, -1]
    assert groups.distance.tolist() == [0] * 6


def test_no_images_are_no_groups():
    groups = group(images([], []), 4)
    assert (groups.copies, groups.representatives) == (0, 0)
