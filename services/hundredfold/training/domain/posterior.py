"""From logits to calibrated probabilities, with what is known to be wrong left out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Calibration:
    """What makes probabilities of logits.

    Attributes:
        temperature: the logits are divided by it.
        unknown: the share of images of which the head knows nothing: images of a class without
            labels, or that look like another one. It is what keeps an image that was kicked from its
            likeliest class from being taken for its second one with certainty.
    """

    temperature: float
    unknown: float


@dataclass(frozen=True)
class Guesses:
    """What a head says of some images.

    Attributes:
        top: int64 [m], the place of the likeliest class among the outputs; -1 when every class is
            known to be wrong.
        second: int64 [m], the likeliest after that; -1 when there is none.
        probability: float32 [m], of the likeliest class.
        margin: float32 [m], that less the probability of the second.
    """

    top: NDArray[np.int64]
    second: NDArray[np.int64]
    probability: NDArray[np.float32]
    margin: NDArray[np.float32]


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Row by row, float32 [m, C]; a logit of minus infinity has probability 0."""
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True), np.float32)


def posterior(
    logits: NDArray[np.float32],
    calibration: Calibration,
    negatives: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.float32]:
    """The probability of each class: float32 [m, C].

    Each row sums to less than 1: the rest is the probability that the image is of no known class.

    Args:
        logits: float32 [m, C].
        calibration: of the head.
        negatives: two int64 [j]: image and class that it is not. Those get probability 0, and the
            others grow in proportion, as does the unknown.
    """
    known = (1 - calibration.unknown) * softmax(logits / np.float32(calibration.temperature))
    if not len(negatives[0]):
        return np.asarray(known, np.float32)
    known[negatives] = 0.0
    return np.asarray(known / (known.sum(1, keepdims=True) + calibration.unknown), np.float32)


def guess(probabilities: NDArray[np.float32]) -> Guesses:
    """The two likeliest classes of each row of float32 [m, C]; ties go to the first class."""
    left = probabilities.copy()
    every = np.arange(len(left))
    top, best = _take(left, every)
    second, next_best = _take(left, every)
    return Guesses(top, second, best, best - next_best)


def guess_unkicked(logits: NDArray[np.float32], calibration: Calibration) -> Guesses:
    """What `guess` says of `posterior` where nothing is known to be wrong, in a third of the time.

    Args:
        logits: float32 [m, C]; written over.
        calibration: of the head.
    """
    logits /= np.float32(calibration.temperature)
    every = np.arange(len(logits))
    top = logits.argmax(1)
    best = logits[every, top]
    logits -= best[:, None]
    np.exp(logits, out=logits)
    known = np.float32(1 - calibration.unknown) / logits.sum(1)
    logits[every, top] = 0.0
    second = logits.argmax(1)
    next_best = logits[every, second]
    return Guesses(top, np.where(next_best > 0, second, -1), known, known - known * next_best)


def lead(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """By how much the highest of each row of float32 [m, C] leads: float32 [m]; 0 of one class."""
    if logits.shape[1] < 2:
        return np.zeros(len(logits), np.float32)
    highest = np.partition(logits, -2, axis=1)
    return np.asarray(highest[:, -1] - highest[:, -2], np.float32)


def _take(
    left: NDArray[np.float32], every: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The likeliest class and its probability; takes it out of `left`."""
    place = left.argmax(1)
    value = left[every, place]
    left[every, place] = 0.0
    return np.where(value > 0, place, -1), value
