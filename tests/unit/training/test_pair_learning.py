"""Heads that say yes or no of each class."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.training.domain import measures, pair_lda, pair_learning, platt
from hundredfold.training.domain.hearsay import NO_PAIRS
from hundredfold.training.domain.pair_learning import LEAST, MOST, PairExamples

IMAGES, DIMENSIONS = 400, 12


def world(classes: int, seed: int = 0, noise: float = 0.6):
    """Features float32 [n, k], and whether each image is of each class, bool [n, C]: classes add up."""
    random = np.random.default_rng(seed)
    of = random.random((IMAGES, classes)) < 0.3
    directions = np.linalg.qr(random.normal(size=(DIMENSIONS, DIMENSIONS)))[0][:classes]
    features = of @ directions + noise / np.sqrt(DIMENSIONS) * random.normal(
        size=(IMAGES, DIMENSIONS)
    )
    return features.astype(np.float32), of


def examples(said, class_ids):
    yes_at, yes = np.nonzero(said > 0)
    no_at, no = np.nonzero(said < 0)
    return PairExamples(
        yes_at, class_ids[yes], no_at, class_ids[no], np.arange(len(said), dtype=np.int64)
    )


def answered(of, share, seed=1):
    random = np.random.default_rng(seed)
    return np.where(random.random(of.shape) < share, np.where(of, 1, -1), 0).astype(np.int8)


def chances_of(predicted, images):
    found = np.zeros((images, int(predicted.rest_class_ids.max()) + 1), np.float32)
    rows = np.repeat(np.arange(images), np.diff(predicted.starts))
    found[rows, predicted.class_ids] = predicted.probability
    return found


def test_what_was_said_of_some_images_tells_the_others() -> None:
    features, of = world(3)
    class_ids = np.array([2, 5, 9], np.int32)
    said = answered(of, 0.25)
    learned = pair_learning.learn(features, examples(said, class_ids), features)
    predicted = pair_learning.predict_blocks(learned, np.array_split(features, 3), NO_PAIRS)
    found = chances_of(predicted, IMAGES)[:, class_ids]
    unknown = said == 0
    right = ((found >= 0.5) == of)[unknown].mean()
    assert right > 0.9
    assert learned.accuracy == pytest.approx(right, abs=0.08)
    assert learned.calibration_error < 0.1
    assert [each.class_id for each in learned.classes] == [2, 5, 9]
    assert all(each.average_precision > 0.9 for each in learned.classes)
    assert predicted.expected_wrong / predicted.unknown == pytest.approx(1 - right, abs=0.05)


def test_probabilities_are_as_often_right_as_they_say() -> None:
    features, of = world(4, noise=2.5)
    class_ids = np.arange(1, 5, dtype=np.int32)
    learned = pair_learning.learn(features, examples(answered(of, 0.6), class_ids), features)
    predicted = pair_learning.predict_blocks(learned, [features], NO_PAIRS)
    found = chances_of(predicted, IMAGES)[:, class_ids]
    assert abs(float(found.mean()) - float(of.mean())) < 0.05
    assert learned.calibration_error < 0.08


def test_known_pairs_are_left_out_of_what_is_expected_to_be_wrong() -> None:
    features, of = world(2)
    said = answered(of, 0.5)
    learned = pair_learning.learn(features, examples(said, np.array([1, 2], np.int32)), features)
    at, place = np.nonzero(said)
    known = at, (place + 1).astype(np.int32)
    predicted = pair_learning.predict_blocks(learned, [features[:150], features[150:]], known)
    assert predicted.unknown == int((said == 0).sum())
    nothing = pair_learning.predict_blocks(learned, [features], NO_PAIRS)
    assert nothing.unknown == 2 * IMAGES
    assert nothing.expected_wrong > predicted.expected_wrong


def test_a_class_that_no_image_is_known_to_be_of_has_no_output() -> None:
    features, of = world(2)
    said = answered(of, 0.3)
    said[said[:, 1] > 0, 1] = 0
    learned = pair_learning.learn(features, examples(said, np.array([1, 2], np.int32)), features)
    assert learned.class_ids.tolist() == [1]


def test_a_class_with_a_yes_alone_is_told_from_what_images_are_like() -> None:
    features, of = world(1, noise=0.3)
    said = np.zeros((IMAGES, 1), np.int8)
    said[np.flatnonzero(of[:, 0])[:20], 0] = 1
    learned = pair_learning.learn(features, examples(said, np.array([1], np.int32)), features)
    assert (learned.accuracy, learned.classes) == (0.0, ())
    logits = learned.linear(features)[:, 0]
    assert measures.average_precision(logits, of[:, 0]) > 0.9
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("count", [1, 2, 7])
def test_hardly_anything_said_gives_a_head(count: int) -> None:
    features, of = world(2)
    said = np.zeros((IMAGES, 2), np.int8)
    said[:count] = np.where(of, 1, -1)[:count]
    said[0, 0] = 1
    learned = pair_learning.learn(features, examples(said, np.array([1, 2], np.int32)), features)
    assert np.isfinite(learned.linear(features)).all()


def test_of_many_classes_the_likeliest_are_kept() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(60, DIMENSIONS)).astype(np.float32)
    said = np.where(random.random((60, 40)) < 0.5, 1, -1).astype(np.int8)
    class_ids = np.arange(1, 41, dtype=np.int32)
    learned = pair_learning.learn(features, examples(said, class_ids), features)
    predicted = pair_learning.predict_blocks(learned, [features], NO_PAIRS)
    sizes = np.diff(predicted.starts)
    assert sizes.max() == MOST
    assert (predicted.probability >= LEAST).all()
    whole = platt.sigmoid(learned.linear(features))
    kept = chances_of(predicted, 60)[:, class_ids]
    least_kept = np.where(kept > 0, kept, 1).min(1)
    assert (np.where(kept > 0, 0, whole).max(1) <= least_kept + 1e-6).all()
    left = np.where(kept > 0, 0, whole).sum(0) / np.maximum((kept == 0).sum(0), 1)
    np.testing.assert_allclose(predicted.rest_probability, left, atol=1e-5)


def test_moments_are_added_and_taken_away() -> None:
    features, of = world(3)
    said = answered(of, 0.5)
    whole = pair_lda.moments(features, said)
    parts = (
        pair_lda.moments(features[:100], said[:100]),
        pair_lda.moments(features[100:], said[100:]),
    )
    for name in ("counts", "sums", "gram"):
        joined = getattr(parts[0] + parts[1], name)
        np.testing.assert_allclose(joined, getattr(whole, name), rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(
            getattr(whole - parts[1], name), getattr(parts[0], name), rtol=1e-5, atol=1e-3
        )


@settings(max_examples=40)
@given(st.floats(0.1, 3), st.floats(-2, 2), st.integers(0, 1000))
def test_platt_scaling_finds_the_scale_that_answers_were_given_by(
    slope: float, offset: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(scale=3 / slope, size=(4000, 1)).astype(np.float32)
    chance = platt.sigmoid(logits * np.float32(slope) + np.float32(offset))
    said = np.where(random.random(chance.shape) < chance, 1, -1).astype(np.int8)
    scales = platt.calibrate(logits, said)
    found = scales(logits)
    assert float(np.abs(found - chance).mean()) < 0.03
    assert (np.diff(found[np.argsort(logits[:, 0]), 0]) >= 0).all()


@settings(max_examples=40)
@given(st.integers(0, 1000), st.floats(1, 1e4))
def test_platt_scaling_stays_sane_whatever_was_said(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    logits = (scale * random.normal(size=(9, 3))).astype(np.float32)
    said = random.integers(-1, 2, (9, 3)).astype(np.int8)
    scales = platt.calibrate(logits, said)
    assert (scales.slopes > 0).all()
    assert np.isfinite(scales(logits)).all()


def test_average_precision_of_some_orders() -> None:
    yes = np.array([True, False, True, False])
    assert measures.average_precision(np.array([4, 3, 2, 1], np.float32), yes) == pytest.approx(
        (1 + 2 / 3) / 2
    )
    assert measures.average_precision(np.array([4, 1, 3, 2], np.float32), yes) == 1.0
    assert measures.average_precision(np.ones(2, np.float32), np.ones(2, np.bool_)) == 0.0
