"""Heads from labels and kicks, and heads that have not heard some of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.training.domain.crossfit import (
    FOLDS,
    Evidence,
    fold_of,
    from_labels,
    with_kicks,
)
from hundredfold.training.domain.posterior import Calibration

CALIBRATION = Calibration(2.0, 0.02)


def evidence(seed=0, labels=60, kicks=40, classes=3, spread=1.0):
    """Images around three centres: some labelled, some kicked from a class they are not of."""
    random = np.random.default_rng(seed)
    centres = 2 * random.normal(size=(classes, 6))
    truth = random.integers(0, classes, labels + kicks)
    features = (centres[truth] + spread * random.normal(size=(len(truth), 6))).astype(np.float32)
    kicked_from = np.zeros((kicks, classes), bool)
    wrong = (truth[labels:] + random.integers(1, max(2, classes), kicks)) % classes
    kicked_from[np.arange(kicks), wrong] = classes > 1
    folds = fold_of(np.arange(labels + kicks))
    return Evidence(
        features[:labels],
        truth[:labels],
        folds[:labels],
        features[labels:],
        kicked_from,
        folds[labels:],
    )


def changed(said, at):
    """The same with one label changed to another class."""
    classes = said.classes.copy()
    classes[at] = (classes[at] + 1) % 3
    return Evidence(
        said.labelled, classes, said.label_folds, said.kicked, said.kicked_from, said.kick_folds
    )


def test_a_head_that_judges_an_image_has_not_heard_what_was_said_of_it():
    said = evidence()
    before, after = from_labels(said), from_labels(changed(said, 7))
    same = said.label_folds == said.label_folds[7]
    np.testing.assert_array_equal(before.answers.logits[same], after.answers.logits[same])
    assert (before.answers.logits[~same] != after.answers.logits[~same]).any(1).all()


def test_a_head_that_judges_a_kicked_image_has_not_heard_of_its_kick():
    said = evidence()
    heads = from_labels(said)
    fold = said.kick_folds == said.kick_folds[0]
    other = np.where(fold[:, None], np.roll(said.kicked_from, 1, axis=1), said.kicked_from)
    otherwise = Evidence(
        said.labelled, said.classes, said.label_folds, said.kicked, other, said.kick_folds
    )
    before, after = (with_kicks(each, heads, CALIBRATION) for each in (said, otherwise))
    np.testing.assert_array_equal(
        before.answers.kicked_logits[fold], after.answers.kicked_logits[fold]
    )
    assert (before.whole.weights != after.whole.weights).any()


def test_what_a_kicked_image_is_not_moves_the_head_towards_what_it_may_be():
    said = evidence(labels=12, kicks=200, spread=1.5)
    heads = from_labels(said)
    taught = with_kicks(said, heads, CALIBRATION)
    random = np.random.default_rng(0)
    centres = 2 * random.normal(size=(3, 6))
    truth = np.arange(3_000) % 3
    fresh = (centres[truth] + 1.5 * random.normal(size=(3_000, 6))).astype(np.float32)
    plain, better = (
        (head(fresh).argmax(1) == truth).mean() for head in (heads.whole, taught.whole)
    )
    assert better > plain + 0.02


def test_an_image_that_is_of_no_known_class_teaches_nothing():
    said = evidence(kicks=10)
    nothing = Evidence(
        said.labelled,
        said.classes,
        said.label_folds,
        said.kicked,
        np.ones_like(said.kicked_from),
        said.kick_folds,
    )
    heads = from_labels(nothing)
    taught = with_kicks(nothing, heads, CALIBRATION)
    np.testing.assert_allclose(taught.whole.weights, heads.whole.weights)


def test_a_label_in_a_class_of_its_own_is_of_a_class_that_others_do_not_know():
    said = evidence(labels=30, kicks=0)
    lonely = Evidence(
        said.labelled,
        np.where(np.arange(30) == 3, 2, said.classes % 2),
        said.label_folds,
        said.kicked,
        said.kicked_from,
        said.kick_folds,
    )
    assert from_labels(lonely).answers.classes[3] == -1


@given(st.integers(0, 999), st.integers(1, 40), st.integers(0, 40), st.integers(1, 4))
@settings(max_examples=40)
def test_there_is_no_nan_whatever_was_said(seed, labels, kicks, classes):
    said = evidence(seed, labels, kicks, classes)
    heads = with_kicks(said, from_labels(said), CALIBRATION)
    assert not np.isnan(heads.answers.logits).any()
    assert not np.isnan(heads.answers.kicked_logits).any()
    assert np.isfinite(heads.whole.weights).all()


@pytest.mark.parametrize("count", [1_000, 10_000])
def test_folds_are_about_as_large_as_one_another_and_stay(count):
    folds = fold_of(np.arange(count))
    np.testing.assert_allclose(np.bincount(folds), count / FOLDS, rtol=0.2)
    np.testing.assert_array_equal(fold_of(np.arange(count)[::3]), folds[::3])
