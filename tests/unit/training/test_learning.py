"""A head from labels and kicks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.training.domain.learning import (
    Examples,
    can_be_measured,
    learn,
    predict,
    predict_blocks,
)

NO_ROWS, NO_CLASSES = np.empty(0, np.int64), np.empty(0, np.int32)
CLASS_IDS = np.array([3, 7, 20], np.int32)


def collection(each=60, spread=0.3, seed=0):
    """Features float32 [3 * each, 8] of three classes, and their class ids."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(3, 8))
    truth = np.repeat(np.arange(3), each)
    features = centres[truth] + spread * random.normal(size=(len(truth), 8))
    return features.astype(np.float32), CLASS_IDS[truth]


def learned_from(features, truth, at, negatives=(NO_ROWS, NO_CLASSES)):
    return learn(features, Examples(np.asarray(at), truth[at], *negatives))


def test_a_few_labels_are_enough_for_classes_that_are_apart():
    features, truth = collection()
    learned = learned_from(features, truth, np.arange(0, 180, 6))
    found = predict(learned, features, NO_ROWS, NO_CLASSES)
    assert (found.top == truth).mean() > 0.95
    assert learned.accuracy > 0.9
    assert learned.calibration_error < 0.3


@given(
    st.lists(st.tuples(st.integers(0, 179), st.sampled_from([3, 7, 20, 99])), max_size=60),
    st.integers(1, 40),
)
@settings(max_examples=40)
def test_a_negative_is_never_predicted(negatives, step):
    features, truth = collection(spread=1.0)
    rows = np.array([row for row, _ in negatives], np.int64)
    classes = np.array([each for _, each in negatives], np.int32)
    learned = learned_from(features, truth, np.arange(0, 180, step), (rows, classes))
    found = predict(learned, features, rows, classes)
    assert not (found.top[rows] == classes).any()
    assert not (found.second[rows] == classes).any()


@given(st.integers(1, 179), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_whatever_is_labelled_probabilities_are_sound(count, seed):
    features, truth = collection(spread=1.0)
    at = np.sort(np.random.default_rng(seed).permutation(180)[:count])
    found = predict(learned_from(features, truth, at), features, NO_ROWS, NO_CLASSES)
    assert np.isfinite(found.probability).all()
    assert ((found.probability > 0) & (found.probability <= 1)).all()
    assert ((found.margin >= 0) & (found.margin <= found.probability)).all()
    assert set(found.top) <= set(truth[at])
    assert (found.second != found.top).all()


def test_one_class_is_predicted_everywhere_and_not_with_certainty():
    features, truth = collection()
    found = predict(learned_from(features, truth, [0, 1]), features, NO_ROWS, NO_CLASSES)
    assert (found.top == 3).all()
    assert (found.second == 0).all()
    assert (found.probability < 1).all()


def test_an_image_that_is_none_of_the_classes_has_no_guess():
    features, truth = collection()
    rows, classes = np.array([5, 5, 5]), CLASS_IDS
    learned = learned_from(features, truth, np.arange(6, 180, 6), (rows, classes))
    found = predict(learned, features, rows, classes)
    assert (found.top[5], found.second[5], found.probability[5]) == (0, 0, 0)


def test_a_kick_from_a_class_without_labels_is_of_no_consequence():
    features, truth = collection()
    rows, classes = np.array([5]), np.array([99], np.int32)
    plain = learned_from(features, truth, np.arange(0, 180, 6))
    kicked = learned_from(features, truth, np.arange(0, 180, 6), (rows, classes))
    assert kicked.calibration == plain.calibration
    assert predict(kicked, features, rows, classes).top[5] == truth[5]


def test_one_label_a_class_is_a_head_that_is_not_sure():
    features, truth = collection()
    learned = learned_from(features, truth, [0, 60, 120])
    found = predict(learned, features, NO_ROWS, NO_CLASSES)
    assert (found.top == truth).mean() > 0.7
    assert learned.accuracy == learned.calibration_error == 0
    assert learned.calibration.unknown > 0.02


def test_images_that_are_all_alike_get_finite_probabilities():
    features = np.zeros((20, 4), np.float32)
    truth = np.repeat(np.array([1, 2], np.int32), 10)
    found = predict(learned_from(features, truth, [0, 1, 10]), features, NO_ROWS, NO_CLASSES)
    assert np.isfinite(found.probability).all()
    assert (found.top == 1).all()


def test_cross_fitting_is_not_fooled_by_labels_without_meaning():
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 100)).astype(np.float32)
    truth = random.integers(1, 3, 300).astype(np.int32)
    learned = learned_from(features, truth, np.arange(300))
    assert learned.accuracy == pytest.approx(0.5, abs=0.1)
    found = predict(learned, features, NO_ROWS, NO_CLASSES)
    assert found.probability.mean() < 0.75


def test_only_two_labels_in_two_classes_can_be_measured():
    assert can_be_measured(np.array([1, 1, 2, 2]))
    assert not can_be_measured(np.array([1, 1, 1, 2]))
    assert not can_be_measured(np.array([1, 1, 1]))
    assert not can_be_measured(np.array([]))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 80), st.integers(1, 5))
@settings(max_examples=60)
def test_nothing_that_people_say_leads_to_nan(seed, labels, kicks, classes):
    """Contradictions too: images kicked from the class they are labelled with, or from all."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(50, 5)).astype(np.float32) * random.choice([0, 1e-3, 1, 100])
    at = random.permutation(50)[:labels]
    negatives = random.integers(0, 50, kicks), random.integers(1, 7, kicks).astype(np.int32)
    said = Examples(at, random.integers(1, classes + 1, labels).astype(np.int32), *negatives)
    learned = learn(features, said)
    found = predict(learned, features, *negatives)
    for array in (found.probability, found.margin):
        assert np.isfinite(array).all()
        assert ((array >= 0) & (array <= 1)).all()
    assert 0 <= learned.accuracy <= 1
    assert 0 <= learned.calibration_error <= 1
    assert not (found.top[negatives[0]] == negatives[1]).any()


def test_blocks_are_predicted_as_one():
    features, truth = collection(spread=1.0)
    rows, classes = np.array([5, 100, 170]), np.array([3, 7, 20], np.int32)
    learned = learned_from(features, truth, np.arange(0, 180, 7), (rows, classes))
    whole = predict(learned, features, rows, classes)
    blocks = predict_blocks(learned, np.array_split(features, 7), 180, rows, classes)
    np.testing.assert_array_equal(blocks.top, whole.top)
    np.testing.assert_allclose(blocks.probability, whole.probability, rtol=1e-5)
