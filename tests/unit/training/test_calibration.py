"""Temperature and unknown share from what people said."""

import numpy as np
import pytest

from hundredfold.training.domain.calibration import Answers, calibrate
from hundredfold.training.domain.measures import calibration_error
from hundredfold.training.domain.posterior import guess, lead, posterior, softmax

NONE = (np.empty(0, np.int64), np.empty(0, np.int64))
NO_KICKS = (np.empty((0, 4), np.float32), np.empty((0, 4), bool))


def drawn(count, temperature, *, unknown=0.0, classes=4, seed=0):
    """Logits, and classes drawn by their softmax at a temperature; -1 for a share of unknown ones."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(count, classes)).astype(np.float32) * 8
    chances = softmax(logits / np.float32(temperature)).astype(np.float64)
    picked = (chances.cumsum(1) < random.random((count, 1))).sum(1).clip(max=classes - 1)
    return logits, np.where(random.random(count) < unknown, -1, picked)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 12.0])
def test_the_temperature_that_made_the_answers_is_found(temperature):
    logits, classes = drawn(4000, temperature)
    found = calibrate(Answers(logits, classes, *NO_KICKS))
    assert found.temperature == pytest.approx(temperature, rel=0.25)
    assert found.unknown <= 0.01


def test_answers_at_random_lead_to_modest_probabilities():
    logits, _ = drawn(1000, 1.0)
    classes = np.random.default_rng(1).integers(0, 4, 1000)
    found = calibrate(Answers(logits, classes, *NO_KICKS))
    assert posterior(logits, found, NONE).max(1).mean() < 0.45


def test_calibrated_probabilities_are_as_often_right_as_they_say():
    logits, classes = drawn(4000, 5.0)
    unseen, truth = drawn(4000, 5.0, seed=1)
    found = calibrate(Answers(logits, classes, *NO_KICKS))
    guesses = guess(posterior(unseen, found, NONE))
    assert calibration_error(guesses.probability, guesses.top == truth) < 0.04


def test_kicks_that_the_head_was_sure_of_raise_the_unknown_share():
    logits, classes = drawn(500, 1.0)
    kicked = np.full((150, 4), -10, np.float32)
    kicked[:, 0] = 10
    kicked_from = np.zeros((150, 4), bool)
    kicked_from[:, 0] = True
    before = calibrate(Answers(logits, classes, *NO_KICKS))
    after = calibrate(Answers(logits, classes, kicked, kicked_from))
    assert after.unknown > 10 * before.unknown


def test_labels_of_new_classes_raise_the_unknown_share():
    logits, classes = drawn(500, 1.0, unknown=0.2)
    assert calibrate(Answers(logits, classes, *NO_KICKS)).unknown == pytest.approx(0.2, abs=0.06)


def test_without_answers_the_prior_holds():
    found = calibrate(Answers(np.empty((0, 4), np.float32), np.empty(0, np.int64), *NO_KICKS))
    assert 3 < found.temperature < 5
    assert found.unknown == 0.02


def test_a_sample_of_many_answers_gives_nearly_the_same():
    logits, classes = drawn(6000, 4.0)
    answers = Answers(logits, classes, *NO_KICKS)
    assert calibrate(answers, most=1500).temperature == pytest.approx(
        calibrate(answers, most=6000).temperature, rel=0.25
    )


def test_a_kick_and_a_label_count_as_often_as_they_were_given():
    logits, classes = drawn(100, 3.0)
    some, label_weight, kick_weight = Answers(logits, classes, *NO_KICKS).sampled(30)
    assert len(some.classes) == 25
    assert label_weight == 4.0
    assert kick_weight == 0.0


def test_answers_count_as_often_as_images_like_them_are_in_the_rest():
    """One temperature does not fit all: 1 where the head is sure, 6 where it is not."""
    sure, sure_classes = drawn(3000, 1.0, seed=1)
    unsure, unsure_classes = drawn(3000, 6.0, seed=2)
    answers = Answers(
        np.concatenate([3 * sure, unsure / 3]),
        np.concatenate([sure_classes, unsure_classes]),
        *NO_KICKS,
    )
    low, high = (calibrate(answers, lead(rest)).temperature for rest in (unsure / 3, 3 * sure))
    assert low == pytest.approx(2.0, rel=0.25)
    assert high == pytest.approx(3.0, rel=0.25)
    assert low < calibrate(answers).temperature < high


def test_a_handful_of_the_rest_says_nothing_of_it():
    logits, classes = drawn(500, 4.0)
    answers = Answers(logits, classes, *NO_KICKS)
    assert calibrate(answers, np.zeros(10, np.float32)) == calibrate(answers)


def test_labels_that_the_backbone_has_learnt_from_count_less():
    """Of those the head is surer than it should be of others."""
    seen, seen_classes = drawn(3000, 1.0, seed=1)
    fresh, fresh_classes = drawn(3000, 6.0, seed=2)
    logits, classes = np.concatenate([seen, fresh]), np.concatenate([seen_classes, fresh_classes])
    learnt = np.arange(len(logits)) < len(seen)
    alike = calibrate(Answers(logits, classes, *NO_KICKS)).temperature
    apart = calibrate(Answers(logits, classes, *NO_KICKS, learnt)).temperature
    alone = calibrate(Answers(fresh, fresh_classes, *NO_KICKS)).temperature
    assert alike < apart < alone
    some, label_weight, _ = Answers(logits, classes, *NO_KICKS, learnt).sampled(300)
    assert label_weight == 20.0
    assert some.learnt.sum() == 150
