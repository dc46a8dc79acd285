"""Temperature and unknown share, by the likelihood of all that people said.

People said two kinds of things: "it is c" and "it is not c". Which images they were asked about
depends on earlier heads, hence on what the images look like, but given that not on the answer: so the
likelihood of *all* answers, the kicks included, is not biased by the choice, while that of the labels
alone would be (an image gets its label the sooner the surer the head was). What is biased is the kind
of image, and one temperature does not fit all kinds: so each answer counts as often as images like it
are among the rest, which is what the probabilities are for (importance weighting: Shimodaira 2000),
alike meaning that the head is about as sure of them. These probabilities order pages and forecast;
they certify nothing.

A backbone that was fine-tuned has seen some labels, of whose images it is surer than of others: those
count a third. (Alone the others would make the head too unsure: they are what people were asked about,
and they are asked about what is hard.)

All images are judged by a head that has not heard what was said of them (cross-fitting). A weak prior
holds both numbers where there are few answers. Measured in docs/adr/0012-heads.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hundredfold.training.domain.posterior import Calibration, lead, softmax

_COARSE = np.geomspace(0.7, 30.0, 13)
_FINE = np.linspace(-1.0, 1.0, 9)[1:-1]  # between the best of the coarse ones and its neighbours
_UNKNOWNS = np.array([0.002, 0.005, 0.01, 0.02, 0.035, 0.06, 0.1, 0.15, 0.2, 0.3])
_PRIOR_TEMPERATURE = 4.0  # a shrunk LDA head is overconfident: 3 to 8 is usual
_PRIOR_UNKNOWN = 0.02
_FLOOR = 1e-6
_KINDS = 10
_ENOUGH_REST = 50
_WEIGHTS = (0.1, 10.0)
_PSEUDO_COUNT = 2.0
_LEARNT = 1 / 3

NOBODY = np.empty(0, np.float32)


@dataclass(frozen=True)
class Answers:
    """What people said, beside what a head that had not heard it thinks.

    Attributes:
        logits: float32 [n, C], of the labelled images.
        classes: int64 [n], their class; -1 for one that the head had no other example of.
        kicked_logits: float32 [m, C], of the images that are known not to be of some classes.
        kicked_from: bool [m, C], which.
        learnt: bool [n], the labels that the backbone of the space has learnt from; empty = none.
    """

    logits: NDArray[np.float32]
    classes: NDArray[np.int64]
    kicked_logits: NDArray[np.float32]
    kicked_from: NDArray[np.bool_]
    learnt: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))

    @property
    def counts(self) -> NDArray[np.float64]:
        """How often each label counts: float64 [n]."""
        return (
            np.where(self.learnt, _LEARNT, 1.0) if len(self.learnt) else np.ones(len(self.classes))
        )

    def sampled(self, most: int) -> tuple["Answers", float, float]:
        """At most so many of either kind, and how many images each of them stands for."""
        labelled = slice(None, None, -(-len(self.classes) // most) or 1)
        kicked = slice(None, None, -(-len(self.kicked_from) // most) or 1)
        some = Answers(
            self.logits[labelled],
            self.classes[labelled],
            self.kicked_logits[kicked],
            self.kicked_from[kicked],
            self.learnt[labelled],
        )
        weights = (
            len(self.classes) / max(1, len(some.classes)),
            len(self.kicked_from) / max(1, len(some.kicked_from)),
        )
        return some, *weights


@dataclass(frozen=True)
class _Weights:
    """How much each answer counts: float64 [n] and [m]."""

    labels: NDArray[np.float64]
    kicks: NDArray[np.float64]


def calibrate(
    answers: Answers, rest: NDArray[np.float32] = NOBODY, *, most: int = 2_000
) -> Calibration:
    """The temperature and unknown share that make the answers likeliest.

    Args:
        answers: what people said; may be empty.
        rest: float32 [r], by how much the highest logit leads for images that nobody labelled.
        most: answers of either kind that are looked at.
    """
    some, label_weight, kick_weight = answers.sampled(most)
    labels, kicks = (
        label_weight * some.counts,
        np.full(len(some.kicked_from), kick_weight),
    )
    weights = _like_the_rest(some, _Weights(labels, kicks), rest)
    coarse = _best(some, weights, _COARSE)
    step = _COARSE[1] / _COARSE[0]
    fine = _best(some, weights, coarse[1].temperature * step**_FINE)
    return max(coarse, fine, key=lambda each: each[0])[1]


def _best(
    answers: Answers, weights: _Weights, temperatures: Iterable[float]
) -> tuple[float, Calibration]:
    """The likeliest of some temperatures with its unknown share, and the log-likelihood."""
    best, found = -np.inf, Calibration(_PRIOR_TEMPERATURE, _PRIOR_UNKNOWN)
    for temperature in temperatures:
        likelihood = _log_likely(answers, weights, float(temperature))
        place = int(likelihood.argmax())
        if likelihood[place] > best:
            best = float(likelihood[place])
            found = Calibration(float(temperature), float(_UNKNOWNS[place]))
    return best, found


def _like_the_rest(answers: Answers, weights: _Weights, rest: NDArray[np.float32]) -> _Weights:
    """Weights by which the answers are spread over the kinds of images as the rest is."""
    if len(rest) < _ENOUGH_REST:
        return weights
    edges = np.quantile(rest, np.arange(1, _KINDS) / _KINDS)
    labelled, kicked = (
        np.searchsorted(edges, lead(logits)) for logits in (answers.logits, answers.kicked_logits)
    )
    asked = (
        _PSEUDO_COUNT
        + np.bincount(labelled, weights.labels, _KINDS)
        + np.bincount(kicked, weights.kicks, _KINDS)
    )
    there = _PSEUDO_COUNT + np.bincount(np.searchsorted(edges, rest), minlength=_KINDS)
    ratio = np.clip(there / there.sum() * asked.sum() / asked, *_WEIGHTS)
    return _Weights(weights.labels * ratio[labelled], weights.kicks * ratio[kicked])


def _log_likely(answers: Answers, weights: _Weights, temperature: float) -> NDArray[np.float64]:
    """The log-likelihood of all answers, and the prior, for each unknown share: float64 [u]."""
    right, wrong = _at(answers, temperature)
    new = answers.classes < 0
    known = np.log(np.multiply.outer(1 - _UNKNOWNS, right[~new]) + _FLOOR) @ weights.labels[~new]
    unknown = np.log(_UNKNOWNS) * weights.labels[new].sum()
    kicks = np.log(1 - np.multiply.outer(1 - _UNKNOWNS, wrong) + _FLOOR) @ weights.kicks
    return np.asarray(known + unknown + kicks + _prior(temperature), np.float64)


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


def _prior(temperature: float) -> NDArray[np.float64]:
    """The log of the prior for each unknown share: about the weight of two answers."""
    off = np.log(temperature / _PRIOR_TEMPERATURE) ** 2
    return np.asarray(-off - 0.5 * np.log(_UNKNOWNS / _PRIOR_UNKNOWN) ** 2, np.float64)
