"""Which of two spaces is better."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.training.domain.comparing import (
    Quality,
    Sample,
    better,
    chance,
    clusters,
    quality,
    sign_flip_test,
)

GAINS = st.lists(st.floats(-1, 1, width=16), min_size=1, max_size=10)


@given(GAINS)
def test_the_chance_of_a_gain_is_the_share_of_signs_that_give_as_much(gains):
    gains = np.array(gains)
    signs = np.array(list(product((-1, 1), repeat=len(gains))))
    exact = (signs @ gains >= gains.sum() - 1e-9).mean()
    assert sign_flip_test(gains) == pytest.approx(exact, abs=0.03)


def test_many_images_are_no_trouble_for_the_sign_flip_test():
    assert sign_flip_test(np.full(30_000, 0.1, np.float32)) < 1e-3


def measured(right=28, pure=28, likely=0.5, near=0.5):
    """Of 40 images; probabilities and neighbours are spread evenly about their mean."""
    spread = np.linspace(-0.2, 0.2, 40)
    right, pure = np.arange(40) < right, np.arange(40) >= 40 - pure
    return Quality(right, likely + spread, pure.astype(np.float64), near - spread)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (measured(likely=0.6), True),
        (measured(near=0.6), True),
        (measured(likely=0.4, near=0.45), False),
        (measured(right=40, pure=40), False),  # what is right was so by a hair, or is now
        (measured(right=27, pure=27, likely=0.6), True),
        (measured(right=26, likely=0.6), False),
        (measured(pure=26, likely=0.6), False),
    ],
)
def test_better_is_a_gain_hardly_by_chance_with_no_loss_of_accuracy_or_purity(after, expected):
    assert better(measured(), after) is expected


def test_the_gains_of_an_image_in_probability_and_neighbours_are_added():
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.3, 40)
    before = measured()
    of_head = replace(before, likely=before.likely + 0.05 + noise)
    of_both = replace(of_head, near=before.near + 0.05)
    assert chance(before, of_both) < chance(before, of_head)


def test_what_is_near_is_the_share_of_its_class_among_its_neighbours():
    truth = np.repeat(np.arange(1, 5), 25)
    apart = np.repeat(np.eye(4, 8), 25, axis=0) + 0.01 * unit(100)
    sample = Sample(truth.astype(np.int32), np.arange(100) % 5 == 0)
    assert (quality(apart.astype(np.float16), sample).near == 1).all()
    assert (quality(apart.astype(np.float16), sample).likely > 0.8).all()
    mixed = Sample(np.roll(truth, 12).astype(np.int32), sample.held_out)
    assert 0.4 < quality(apart.astype(np.float16), mixed).near.mean() < 0.7


def unit(count, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_clusters_put_together_what_is_alike():
    vectors = np.repeat(np.eye(4, 8, dtype=np.float32), 25, axis=0) + 0.01 * unit(100)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = clusters(vectors, 12, seed=1)
    truth = np.repeat(np.arange(4), 25)
    assert all(len(set(truth[found == each])) == 1 for each in set(found))


@given(st.integers(1, 40), st.integers(1, 60))
def test_every_image_is_in_a_cluster(images, count):
    found = clusters(unit(images), count, seed=0)
    assert found.shape == (images,)
    assert ((found >= 0) & (found < min(count, images))).all()


def test_images_that_are_all_alike_can_be_measured():
    vectors = np.ones((60, 8), np.float16)
    classes = np.repeat(np.array([1, 2, 0], np.int32), 20)
    held_out = (np.arange(60) % 2 == 0) & (classes > 0)
    found = quality(vectors, Sample(classes, held_out))
    assert found.accuracy == 0.5
    assert 0 <= found.purity <= 1


def test_unlabelled_images_have_no_vote():
    vectors = np.repeat(np.eye(2, 8), [30, 30], axis=0).astype(np.float16)
    classes = np.where(np.arange(60) % 3 == 0, np.repeat([1, 2], 30), 0).astype(np.int32)
    found = quality(vectors, Sample(classes, classes * (np.arange(60) % 2 == 0) > 0))
    assert found.accuracy == 1
    assert found.purity > 0.8
