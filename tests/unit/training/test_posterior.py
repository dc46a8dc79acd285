"""Calibrated probabilities, with what is known to be wrong left out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hundredfold.training.domain.posterior import (
    Calibration,
    guess,
    guess_unkicked,
    lead,
    posterior,
    softmax,
)

LOGITS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6),
    elements=st.floats(-50, 50, width=32),
)
CALIBRATIONS = st.builds(Calibration, st.floats(0.7, 30), st.floats(0.002, 0.3))
NONE = (np.empty(0, np.int64), np.empty(0, np.int64))


@st.composite
def asked(draw):
    logits = draw(LOGITS)
    negatives = draw(hnp.arrays(np.bool_, logits.shape))
    return logits, negatives, draw(CALIBRATIONS)


@given(asked())
def test_what_is_known_to_be_wrong_is_never_guessed(given_):
    logits, negatives, calibration = given_
    guesses = guess(posterior(logits, calibration, np.nonzero(negatives)))
    for place in (guesses.top, guesses.second):
        named = np.flatnonzero(place >= 0)
        assert not negatives[named, place[named]].any()
    assert (guesses.top[negatives.all(1)] == -1).all()


@given(asked())
def test_probabilities_of_classes_and_the_unknown_sum_to_one(given_):
    logits, negatives, calibration = given_
    found = posterior(logits, calibration, np.nonzero(negatives))
    assert (found >= 0).all()
    left = (softmax(logits / np.float32(calibration.temperature)) * ~negatives).sum(1)
    left = left * (1 - calibration.unknown)
    np.testing.assert_allclose(
        found.sum(1), left / (left + calibration.unknown), rtol=1e-4, atol=1e-5
    )


@given(LOGITS, CALIBRATIONS)
def test_without_negatives_the_rest_is_the_unknown_share(logits, calibration):
    found = posterior(logits, calibration, NONE)
    np.testing.assert_allclose(found.sum(1), 1 - calibration.unknown, rtol=1e-4)


@given(asked())
def test_a_margin_is_what_the_top_leads_by(given_):
    logits, negatives, calibration = given_
    found = posterior(logits, calibration, np.nonzero(negatives))
    guesses = guess(found)
    ordered = np.sort(np.pad(found, ((0, 0), (0, 2))), 1)[:, ::-1]
    np.testing.assert_allclose(guesses.probability, ordered[:, 0])
    np.testing.assert_allclose(guesses.margin, ordered[:, 0] - ordered[:, 1], atol=1e-6)


def test_a_kick_leaves_doubt_about_the_second_guess():
    logits = np.array([[8.0, 2.0]], np.float32)
    found = posterior(logits, Calibration(1.0, 0.05), (np.array([0]), np.array([0])))
    assert found[0, 0] == 0
    assert 0 < found[0, 1] < 0.1


def test_ties_go_to_the_first_class():
    guesses = guess(np.array([[0.4, 0.4, 0.1]], np.float32))
    assert (guesses.top[0], guesses.second[0]) == (0, 1)


def test_one_class_has_no_second():
    guesses = guess(np.array([[0.9]], np.float32))
    assert guesses.second[0] == -1
    assert guesses.margin[0] == guesses.probability[0]


@given(LOGITS, CALIBRATIONS)
def test_the_short_way_without_negatives_says_the_same(logits, calibration):
    slow = guess(posterior(logits, calibration, NONE))
    fast = guess_unkicked(logits.copy(), calibration)
    np.testing.assert_allclose(fast.probability, slow.probability, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(fast.margin, slow.margin, rtol=1e-3, atol=1e-5)
    apart = slow.margin > 1e-4
    np.testing.assert_array_equal(fast.top[apart], slow.top[apart])


@given(LOGITS)
def test_a_lead_is_that_of_the_highest_over_the_next(logits):
    ordered = np.sort(np.pad(logits, ((0, 0), (1, 0)), mode="minimum"), 1)
    expected = ordered[:, -1] - ordered[:, -2] if logits.shape[1] > 1 else 0
    np.testing.assert_allclose(lead(logits), expected)
