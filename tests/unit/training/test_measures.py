"""How good probabilities are."""

import numpy as np
import pytest

from hundredfold.training.domain.measures import accuracy, calibration_error


def test_accuracy_is_the_share_that_is_right():
    assert accuracy(np.array([1, 2, 3, 4]), np.array([1, 2, 0, 0])) == 0.5


def test_nothing_measured_is_zero():
    assert accuracy(np.empty(0, np.int64), np.empty(0, np.int64)) == 0
    assert calibration_error(np.empty(0, np.float32), np.empty(0, bool)) == 0


def test_probabilities_that_come_true_have_no_error():
    probability = np.full(100, 0.8, np.float32)
    assert calibration_error(probability, np.arange(100) < 80) == pytest.approx(0, abs=1e-6)


def test_certainty_that_is_half_wrong_has_an_error_of_a_half():
    probability = np.ones(100, np.float32)
    assert calibration_error(probability, np.arange(100) % 2 == 0) == pytest.approx(0.5)


def test_gaps_of_different_bins_do_not_cancel():
    probability = np.array([0.9, 0.9, 0.1, 0.1], np.float32)
    right = np.array([False, False, True, True])
    assert calibration_error(probability, right) == pytest.approx(0.9, abs=1e-6)
