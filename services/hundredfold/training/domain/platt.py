"""From the logits of a head that says yes or no of each class to calibrated probabilities.

Platt scaling (Platt 1999): the probability is the logistic function of slope x logit + offset, fitted by the
likelihood of all answers, each judged by a head that has not heard it. A class with few answers is held near
the slope and offset common to all, and these by a weak prior: a shrunk LDA head is overconfident.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PRIOR_SLOPE = 0.5
_PRIOR_PRECISION = 4.0
_SHARED = 10.0  # answers' worth of holding a class to what is common
_STEPS = 25
_LEAST_SLOPE = 0.02
_MOST_LOGIT = 30.0
_SMALL = 1e-6


@dataclass(frozen=True)
class Scales:
    """What makes probabilities of logits.

    Attributes:
        slopes: float32 [C], more than 0.
        offsets: float32 [C].
    """

    slopes: NDArray[np.float32]
    offsets: NDArray[np.float32]

    def __call__(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability of yes, float32 [n, C]."""
        return sigmoid(logits * self.slopes + self.offsets)


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logistic function."""
    bounded = np.clip(logits, -_MOST_LOGIT, _MOST_LOGIT)
    return np.asarray(1 / (1 + np.exp(-bounded)), np.float32)


def calibrate(logits: NDArray[np.float32], said: NDArray[np.int8]) -> Scales:
    """The scales that make the answers likeliest.

    Args:
        logits: float32 [n, C], of a head that has not heard what was said of the image.
        said: int8 [n, C], 1 = yes, -1 = no, 0 = nobody said.
    """
    image, place = np.nonzero(said)
    found, yes = logits[image, place].astype(np.float64), said[image, place] > 0
    common = _fit(found, yes, np.array([_PRIOR_SLOPE, 0.0]), _PRIOR_PRECISION)
    scales = [
        _fit(found[place == each], yes[place == each], common, _SHARED)
        for each in range(said.shape[1])
    ]
    slopes, offsets = np.array(scales, np.float32).reshape(-1, 2).T
    return Scales(slopes, offsets)


@dataclass(frozen=True)
class _Evidence:
    """Answers, and the prior that slope and offset are held to.

    Attributes:
        design: float64 [n, 2], the logits beside ones.
        yes: bool [n].
        prior: float64 [2].
        precision: float64 [2].
    """

    design: NDArray[np.float64]
    yes: NDArray[np.bool_]
    prior: NDArray[np.float64]
    precision: NDArray[np.float64]

    def loss(self, found: NDArray[np.float64]) -> float:
        """The negative log of likelihood and prior."""
        logits = self.design @ found
        wrong = np.logaddexp(0, np.where(self.yes, -logits, logits)).sum()
        return float(wrong + (self.precision * (found - self.prior) ** 2).sum() / 2)

    def step(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        """Newton's."""
        chance = sigmoid((self.design @ found).astype(np.float32)).astype(np.float64)
        slope = self.design.T @ (chance - self.yes) + self.precision * (found - self.prior)
        bend = (self.design.T * (chance * (1 - chance))) @ self.design + np.diag(self.precision)
        return np.asarray(np.linalg.solve(bend, slope), np.float64)


def _fit(
    logits: NDArray[np.float64],
    yes: NDArray[np.bool_],
    prior: NDArray[np.float64],
    weight: float,
) -> NDArray[np.float64]:
    """Slope and offset, held to a prior as firmly as so many answers would: float64 [2]."""
    # By the spread of the logits, so that the prior weighs as much whatever their scale is.
    spread = max(float(np.sqrt(np.mean(logits**2))), 1.0) if len(logits) else 1.0
    precision = weight * np.array([spread**2 / 4, 1 / 4])
    evidence = _Evidence(np.stack([logits, np.ones(len(logits))], axis=1), yes, prior, precision)
    found, loss = prior, evidence.loss(prior)
    for _ in range(_STEPS):
        step = evidence.step(found)
        # Far from the best Newton's step may go much too far.
        while np.abs(step).max() > _SMALL and not evidence.loss(found - step) < loss:
            step = step / 2
        if np.abs(step).max() <= _SMALL:
            break
        found = found - step
        loss = evidence.loss(found)
    return np.array([max(found[0], _LEAST_SLOPE), found[1]])
