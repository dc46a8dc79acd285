"""The closed-form head."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.training.domain import lda


def blobs(classes, each, dimensions=8, spread=0.3, seed=0):
    """Features float32 [classes * each, dimensions] around one centre a class, and classes int64."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(classes, dimensions))
    labels = np.repeat(np.arange(classes), each)
    noise = spread * random.normal(size=(len(labels), dimensions))
    return (centres[labels] + noise).astype(np.float32), labels


def test_well_separated_classes_are_told_apart():
    features, classes = blobs(5, 40)
    head = lda.fit(lda.moments(features, classes, 5))
    unseen, truth = blobs(5, 100, seed=0)
    assert (head(unseen).argmax(1) == truth).mean() > 0.98


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_the_order_of_examples_does_not_matter(seed):
    features, classes = blobs(3, 10)
    order = np.random.default_rng(seed).permutation(len(classes))
    head = lda.fit(lda.moments(features, classes, 3))
    shuffled = lda.fit(lda.moments(features[order], classes[order], 3))
    np.testing.assert_allclose(shuffled.weights, head.weights, rtol=1e-3, atol=1e-3)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_a_rotation_of_the_features_changes_no_guess(seed):
    features, classes = blobs(4, 15)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(8, 8)))
    turned = (features @ rotation).astype(np.float32)
    head = lda.fit(lda.moments(features, classes, 4))
    other = lda.fit(lda.moments(turned, classes, 4))
    np.testing.assert_allclose(other(turned), head(features), rtol=1e-2, atol=1e-2)


@given(st.permutations(range(4)))
@settings(max_examples=20)
def test_renumbered_classes_give_renumbered_outputs(numbers):
    features, classes = blobs(4, 12)
    renumbered = np.array(numbers)[classes]
    head = lda.fit(lda.moments(features, classes, 4))(features)
    other = lda.fit(lda.moments(features, renumbered, 4))(features)
    np.testing.assert_allclose(other[:, numbers], head, rtol=1e-3, atol=1e-3)


def test_moments_without_some_examples_are_those_of_the_others():
    features, classes = blobs(3, 20)
    left = np.arange(len(classes)) % 5 == 0
    total = lda.moments(features, classes, 3)
    without = total - lda.moments(features[left], classes[left], 3)
    direct = lda.moments(features[~left], classes[~left], 3)
    np.testing.assert_allclose(without.gram, direct.gram, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(without.sums, direct.sums, rtol=1e-6)
    np.testing.assert_array_equal(without.counts, direct.counts)


def test_one_class_one_example_is_a_head():
    head = lda.fit(lda.moments(np.ones((1, 4), np.float32), np.zeros(1, np.int64), 1))
    assert np.isfinite(head(np.ones((3, 4), np.float32))).all()


def test_examples_that_are_all_alike_are_a_head():
    features = np.full((10, 4), 0.5, np.float32)
    head = lda.fit(lda.moments(features, np.arange(10) % 2, 2))
    assert np.isfinite(head(features)).all()


def test_a_class_without_examples_is_never_guessed():
    features, classes = blobs(2, 10)
    head = lda.fit(lda.moments(features, classes, 3))
    assert (head(features)[:, 2] == -np.inf).all()
