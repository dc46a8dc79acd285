"""Temperature and unknown share, by the likelihood of all that people said.

People said two kinds of things: "it is c" and "it is not c". Which images they were asked about
depends on earlier heads, hence on what the images look like, but given that not on the answer: so the
likelihood of *all* answers, the kicks included, is not biased by the choice, while that of the labels
alone would be (an image gets its label the sooner the surer the head was). What stays biased is the
kind of image: the temperature fits what was asked so far, and the rest may differ. So these
probabilities order pages and forecast; they certify nothing.

Labelled images are judged by a head that did not see them (cross-fitting); kicked ones are in no
training set. A weak prior holds both numbers where there are few answers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.training.domain.posterior import Calibration, softmax

_TEMPERATURES = np.geomspace(0.7, 30.0, 20)
_UNKNOWNS = np.array([0.002, 0.005, 0.01, 0.02, 0.035, 0.06, 0.1, 0.15, 0.2, 0.3])
_PRIOR_TEMPERATURE = 4.0  # a shrunk LDA head is overconfident: 3 to 8 is usual
_PRIOR_UNKNOWN = 0.02
_FLOOR = 1e-6


@dataclass(frozen=True)
class Answers:
    """What people said, beside what a head that had not heard it thinks.

    Attributes:
        logits: float32 [n, C], of the labelled images.
        classes: int64 [n], their class; -1 for one that the head had no other example of.
        kicked_logits: float32 [m, C], of the images that are known not to be of some classes.
        kicked_from: bool [m, C], which.
    """

    logits: NDArray[np.float32]
    classes: NDArray[np.int64]
    kicked_logits: NDArray[np.float32]
    kicked_from: NDArray[np.bool_]

    def sampled(self, most: int) -> tuple["Answers", float, float]:
        """At most so many of either kind, and how many images each of them stands for."""
        labelled = slice(None, None, -(-len(self.classes) // most) or 1)
        kicked = slice(None, None, -(-len(self.kicked_from) // most) or 1)
        some = Answers(
            self.logits[labelled],
            self.classes[labelled],
            self.kicked_logits[kicked],
            self.kicked_from[kicked],
        )
        weights = (
            len(self.classes) / max(1, len(some.classes)),
            len(self.kicked_from) / max(1, len(some.kicked_from)),
        )
        return some, *weights


def calibrate(answers: Answers, *, most: int = 2_000) -> Calibration:
    """The temperature and unknown share that make the answers likeliest.

    Args:
        answers: what people said; may be empty.
        most: answers of either kind that are looked at.
    """
    some, label_weight, kick_weight = answers.sampled(most)
    best, found = -np.inf, Calibration(_PRIOR_TEMPERATURE, _PRIOR_UNKNOWN)
    for temperature in _TEMPERATURES:
        right, wrong = _at(some, float(temperature))
        likelihood = (
            label_weight * _log_likely(right, some.classes < 0)
            + kick_weight * np.log(1 - np.multiply.outer(1 - _UNKNOWNS, wrong) + _FLOOR).sum(1)
            + _prior(float(temperature))
        )
        place = int(likelihood.argmax())
        if likelihood[place] > best:
            best = float(likelihood[place])
            found = Calibration(float(temperature), float(_UNKNOWNS[place]))
    return found


def _at(answers: Answers, temperature: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The softmax of the true class [n], and of the classes an image was kicked from together [m]."""
    scale = np.float32(temperature)
    right = np.zeros(len(answers.classes), np.float32)
    if len(right):
        chosen = np.maximum(answers.classes, 0)
        right = softmax(answers.logits / scale)[np.arange(len(chosen)), chosen]
    wrong = np.zeros(len(answers.kicked_from), np.float32)
    if len(wrong):
        wrong = (softmax(answers.kicked_logits / scale) * answers.kicked_from).sum(1)
    return right, np.minimum(wrong, 1.0)


def _log_likely(right: NDArray[np.float32], new: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The log-likelihood of the labels for each unknown share: float64 [u]."""
    known = np.log(np.multiply.outer(1 - _UNKNOWNS, right[~new]) + _FLOOR).sum(1)
    return np.asarray(known + new.sum() * np.log(_UNKNOWNS), np.float64)


def _prior(temperature: float) -> NDArray[np.float64]:
    """The log of the prior for each unknown share: about the weight of two answers."""
    off = np.log(temperature / _PRIOR_TEMPERATURE) ** 2
    return np.asarray(-off - 0.5 * np.log(_UNKNOWNS / _PRIOR_UNKNOWN) ** 2, np.float64)
