"""What is learnt from; needs PyTorch, which the service itself never loads."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

torch = pytest.importorskip("torch")

from hundredfold.training.finetune import objective  # noqa: E402  after the check for PyTorch

probabilities = npst.arrays(np.float32, (5, 4), elements=st.floats(0.0078125, 1, width=32)).map(
    lambda p: (p / p.sum(axis=1, keepdims=True)).astype(np.float32)
)


@given(st.floats(0, 1), st.floats(0.05, 0.9))
def test_the_rate_is_never_above_the_highest_and_never_nothing(fraction, warm_up):
    assert 0 < objective.one_cycle(fraction, warm_up) <= 1


def test_the_rate_rises_to_the_highest_and_falls_to_nearly_nothing():
    rates = [objective.one_cycle(step / 100, 0.2) for step in range(101)]
    assert rates.index(max(rates)) == 20
    assert max(rates) == pytest.approx(1)
    assert rates == sorted(rates[:21]) + sorted(rates[21:], reverse=True)
    assert rates[-1] < 1e-3


@given(npst.arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 5)))
def test_a_class_is_drawn_by_the_square_root_of_its_images(classes):
    chances = objective.sampling(classes)
    assert chances.sum() == pytest.approx(1)
    counts = np.bincount(classes)
    of_class = np.bincount(classes, weights=chances)
    there = counts > 0
    ratio = of_class[there] / np.sqrt(counts[there])
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)


def test_targets_are_smoothed_and_sum_to_one():
    targets = objective.one_hot(np.array([2, 0]), 4, 0.1)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    assert targets.argmax(axis=1).tolist() == [2, 0]
    assert targets[0, 0] == pytest.approx(0.025)


@given(probabilities, st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=12))
def test_what_is_known_to_be_wrong_has_no_probability(given_probabilities, wrong):
    images, classes = np.array(wrong, np.int64).reshape(-1, 2).T
    before = given_probabilities.copy()
    left = objective.without_known_wrong(given_probabilities, images, classes)
    np.testing.assert_array_equal(given_probabilities, before)
    assert (left[images, classes] == 0).all()
    possible = np.ones((5, 4), bool)
    possible[images, classes] = False
    np.testing.assert_allclose(left.sum(axis=1), possible.any(axis=1), atol=1e-5)
    assert (left[~possible] == 0).all()


@given(probabilities, st.floats(0.1, 1))
def test_sharpening_makes_the_likeliest_likelier_and_keeps_the_order(p, temperature):
    sharp = objective.sharpened(p, temperature)
    np.testing.assert_allclose(sharp.sum(axis=1), 1, rtol=1e-5)
    assert (sharp.max(axis=1) >= p.max(axis=1) - 1e-5).all()
    likeliest = p.argmax(axis=1)
    assert (sharp[np.arange(5), likeliest] == sharp.max(axis=1)).all()


def test_images_are_mixed_as_their_targets_are():
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    targets = torch.eye(4)
    got, wanted = objective.mixed(images, targets, 0.75)
    assert got[0].unique().tolist() == [0.75]  # three quarters of 0 and one of 3
    assert wanted[0].tolist() == [0.75, 0, 0, 0.25]
    whole, _ = objective.mixed(images, targets, 1.0)
    assert torch.equal(whole, images)


def test_the_loss_is_cross_entropy():
    logits = torch.zeros(2, 4)
    assert float(objective.loss_of(logits, torch.full((2, 4), 0.25))) == pytest.approx(math.log(4))


def test_a_network_that_says_the_same_of_all_is_at_chance_however_common_the_class():
    classes = np.array([0] * 90 + [1] * 6 + [3] * 4)
    same = np.zeros(100, np.int64)
    assert objective.balanced_accuracy(same, classes) == pytest.approx(1 / 3)
    assert objective.balanced_accuracy(classes, classes) == 1
