"""Which of two spaces is better."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.training.domain.comparing import (
    Quality,
    Sample,
    better,
    clusters,
    quality,
    sign_test,
)

ANSWERS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12)


def parted(pairs):
    return tuple(np.array(column, bool) for column in zip(*pairs, strict=True))


@given(ANSWERS)
def test_the_sign_test_counts_all_ways_the_coins_can_fall(pairs):
    before, after = parted(pairs)
    differ = int((before != after).sum())
    gained = int((after & ~before).sum())
    falls = [sum(coins) >= gained for coins in product((0, 1), repeat=differ)]
    assert sign_test(before, after) == pytest.approx(np.mean(falls))


def test_many_images_are_no_trouble_for_the_sign_test():
    before = np.zeros(6_000, bool)
    after = np.arange(6_000) % 2 == 0
    assert 0 <= sign_test(before, after) < 1e-6


@pytest.mark.parametrize(
    ("gained", "lost", "purity", "expected"),
    [(9, 2, 0.5, True), (9, 2, 0.4, False), (3, 2, 0.9, False), (2, 9, 0.9, False)],
)
def test_better_is_more_right_answers_than_chance_gives_in_purer_clusters(
    gained, lost, purity, expected
):
    before = np.array([False] * gained + [True] * lost + [True] * 30)
    after = np.array([True] * gained + [False] * lost + [True] * 30)
    assert better(Quality(before, 0.5), Quality(after, purity)) is expected


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
    assert (found.accuracy, found.purity) == (1, 1)
