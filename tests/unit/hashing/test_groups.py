"""Groups are stars around the best image."""

from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.hashing.domain.groups import Groups, Judgements
from hundredfold.hashing.domain.near import near_pairs
from hundredfold.hashing.domain.stars.pairs import image_pairs
from hundredfold.hashing.domain.stars.spill import Spill
from hundredfold.hashing.domain.stars.table import table
from tests.unit.hashing.hash_values import (
    Images,
    clustered_images,
    flipped,
    group,
    images,
    random_hashes,
)

radii = st.integers(0, 10)


def permuted(some, order):
    return Images(*(getattr(some, each.name)[order] for each in fields(some)))


def better(some, row):
    """What sorts images from the best to the worst."""
    return (-some.pixels[row], row)


@given(clustered_images(), radii)
def test_every_copy_is_within_the_radius_of_its_representative(some, radius):
    groups = group(some, radius)
    ok = np.flatnonzero(some.ok)
    of = groups.representative[ok]
    assert (np.bitwise_count(some.phash[ok] ^ some.phash[of]) == groups.distance[ok]).all()
    assert (groups.distance[ok] <= radius).all()
    assert (np.bitwise_count(some.dhash[ok] ^ some.dhash[of]) <= radius).all()


@given(clustered_images(), radii)
def test_every_image_is_in_one_group_and_broken_ones_in_none(some, radius):
    groups = group(some, radius)
    assert ((groups.representative == -1) == ~some.ok).all()
    of = groups.representative[some.ok]
    assert (groups.representative[of] == of).all()
    assert groups.copies + groups.representatives == some.ok.sum()


@given(clustered_images(), radii)
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
def test_the_order_of_rows_does_not_matter_beyond_ties(some, radius, seed):
    # Sizes that all differ leave no ties.
    some = Images(**{**vars(some), "pixels": np.arange(len(some.ok)) * 7 % 997 + 1})
    order = np.random.default_rng(seed).permutation(len(some.ok))
    shuffled = group(permuted(some, order), radius).representative
    back = np.where(shuffled >= 0, order[shuffled] if len(order) else shuffled, -1)
    assert back.tolist() == group(some, radius).representative[order].tolist()


@given(clustered_images(), radii)
def test_grouping_the_representatives_again_changes_nothing(some, radius):
    of = group(some, radius).representative
    centres = np.unique(of[some.ok])
    assert group(permuted(some, centres), radius).copies == 0


def by_definition(some, radius):
    """The best of those left stands for itself and all that are near to it, again and again."""
    of = np.full(len(some.ok), -1)
    for row in sorted(np.flatnonzero(some.hashed), key=lambda row: better(some, row)):
        if of[row] < 0:
            near = some.hashed & (of < 0)
            near &= np.bitwise_count(some.phash ^ some.phash[row]) <= radius
            near &= np.bitwise_count(some.dhash ^ some.dhash[row]) <= radius
            of[near] = row
    return of.tolist()


@given(clustered_images(), radii)
def test_groups_are_those_of_the_definition(some, radius):
    assert group(some, radius).representative.tolist() == by_definition(some, radius)


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


def test_two_images_that_people_said_are_the_same_are_one_group_with_all_that_is_near_to_either():
    far = 2**40 - 1
    some = images([0, 1, far, far ^ 1, 7 << 60], [0, 0, far, far, 0])
    said = Judgements(same=np.array([[0, 2]]))
    assert group(some, 2, judgements=said).representative.tolist() == [0, 0, 0, 0, 4]


def test_two_images_that_people_said_are_not_the_same_are_never_in_one_group():
    some = images([0, 1, 2, 1], [0] * 4, sha256=[1, 2, 3, 2])
    said = Judgements(apart=np.array([[0, 1]]), equal=np.array([[0, 0], [1, 1], [3, 1]]))
    assert group(some, 2, judgements=said).representative.tolist() == [0, 1, 0, 1]


def test_two_copies_of_one_image_that_are_not_the_same_are_kept_apart():
    some = images([0, 1, 2], [0] * 3)
    said = Judgements(apart=np.array([[1, 2]]), equal=np.array([[1, 0], [2, 1]]))
    assert group(some, 2, judgements=said).representative.tolist() == [0, 0, 2]


def test_images_of_equal_hashes_are_kept_apart_when_people_say_so():
    some = images([5] * 4, [6] * 4)
    said = Judgements(apart=np.array([[0, 2]]), equal=np.array([[0, 0], [2, 1]]))
    assert group(some, 0, judgements=said).representative.tolist() == [0, 0, 2, 0]


def test_not_the_same_wins_over_the_same():
    said = Judgements(
        same=np.array([[0, 1], [1, 2]]),
        apart=np.array([[0, 2]]),
        equal=np.array([[0, 0], [2, 1]]),
    )
    found = group(images([0, 2**20 - 1, 2**60], [0, 1, 2]), 0, judgements=said)
    assert found.representative.tolist() == [0, 0, 2]


def test_who_is_to_be_kept_stands_for_the_group():
    some = images([0, 1, 1, 7 << 30], [0] * 4)
    said = Judgements(keep=np.array([2, 1, 3, 99]))
    found = group(some, 2, judgements=said)
    assert found.representative.tolist() == [2, 2, 2, 3]
    assert found.distance.tolist() == [1, 0, 0, 0]


def test_judgements_of_images_that_are_not_there_say_nothing():
    some = images([0, 1], [0, 0], ok=[True, False])
    said = Judgements(same=np.array([[0, 1], [0, 7]]), apart=np.array([[0, 1]]))
    assert group(some, 2, judgements=said).representative.tolist() == [0, -1]


@given(st.integers(0, 2**32 - 1), st.integers(1, 10))
@settings(max_examples=20)
def test_very_many_images_of_one_hash_are_joined_by_the_other(seed, radius):
    rng = np.random.default_rng(seed)
    phash = rng.choice(np.array([0, 1, 2**30 - 1], np.uint64), 90)
    dhash = flipped(rng.choice(np.array([5, 2**50 - 1], np.uint64), 90), 5, rng)
    values = np.unique(np.stack([phash, dhash], axis=1), axis=0)
    images = table(*(np.ascontiguousarray(side) for side in values.T))
    near = list(near_pairs(np.unique(phash), radius))
    found = [
        {int(pair) for block in pairs for pair in block.tolist()}
        for pairs in (
            image_pairs(images, near, radius, near_pairs, most_product=product)
            for product in (4, 1 << 20)
        )
    ]
    assert found[0] == found[1]


def test_pairs_that_do_not_fit_into_memory_are_read_in_order_all_the_same(tmp_path):
    rng = np.random.default_rng(1)
    better = np.minimum(rng.integers(0, 90_000, 5000), rng.integers(0, 90_000, 5000))
    better[:2000] = 77  # one image is near to very many
    pairs = (better.astype(np.uint64) << np.uint64(32)) | np.arange(5000, dtype=np.uint64)
    spill = Spill(tmp_path, 0, 90_000, most_pairs=10)
    for block in np.array_split(pairs, 7):
        spill.add(block)
    found = np.concatenate([block.copy() for block in spill.in_order()])
    assert sorted(found.tolist()) == sorted(pairs.tolist())
    assert (np.diff((found >> np.uint64(32)).astype(np.int64)) >= 0).all()
    assert not list(tmp_path.glob("**/*.pairs"))


def test_pairs_that_are_not_confirmed_make_no_group():
    some = images([0, 1, 3], [0] * 3)
    found = group(some, 1, confirm=lambda pairs: (pairs != [0, 1]).any(axis=1))
    assert found.representative.tolist() == [0, 1, 1]


def test_a_copy_counts_and_a_representative_does_too():
    groups = Groups(np.array([0, 0, -1, 3]), np.zeros(4, np.uint8))
    assert (groups.copies, groups.representatives) == (1, 2)
