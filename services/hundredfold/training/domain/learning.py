"""A head from labels and kicks: fit, cross-fit, calibrate, predict."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.training.domain import lda, measures
from hundredfold.training.domain.calibration import Answers, calibrate
from hundredfold.training.domain.posterior import Calibration, guess, posterior

FOLDS = 5
_BLOCK_LOGITS = 4_000_000


@dataclass(frozen=True)
class Examples:
    """What people said of images, as places in a matrix of features.

    Attributes:
        at: int64 [n], the labelled images.
        classes: int32 [n], the class id of each.
        negative_at: int64 [m], images that are not labelled; may repeat.
        negative_classes: int32 [m], the class id that each is not.
    """

    at: NDArray[np.int64]
    classes: NDArray[np.int32]
    negative_at: NDArray[np.int64]
    negative_classes: NDArray[np.int32]


@dataclass(frozen=True)
class Learned:
    """A calibrated head.

    Attributes:
        class_ids: int32 [C], ascending: the class of each output.
        linear: the layer on the features.
        calibration: of its logits.
        accuracy: cross-fitted on the examples; 0 when they are too few.
        calibration_error: the same.
    """

    class_ids: NDArray[np.int32]
    linear: lda.Linear
    calibration: Calibration
    accuracy: float
    calibration_error: float


@dataclass(frozen=True)
class Predicted:
    """What a head says of all images.

    Attributes:
        top: int32 [N], class ids, what is known to be wrong left out; 0 where nothing is left.
        second: int32 [N]; 0 where there is none.
        probability: float32 [N], of the likeliest class.
        margin: float32 [N], that less the probability of the second.
    """

    top: NDArray[np.int32]
    second: NDArray[np.int32]
    probability: NDArray[np.float32]
    margin: NDArray[np.float32]


def can_be_measured(classes: NDArray[np.int32]) -> bool:
    """Whether two classes have two labels each: less can't be cross-fitted."""
    _, counts = np.unique(classes, return_counts=True)
    return int((counts >= 2).sum()) >= 2


def learn(features: NDArray[np.float32], examples: Examples) -> Learned:
    """Fit and calibrate a head.

    Args:
        features: float32 [N, k].
        examples: at least one label.
    """
    class_ids, classes = np.unique(examples.classes, return_inverse=True)
    count = len(class_ids)
    labelled = features[examples.at]
    folds = _folds(examples.at)
    parts = [
        lda.moments(labelled[folds == fold], classes[folds == fold], count) for fold in range(FOLDS)
    ]
    total = sum(parts[1:], parts[0])
    linear = lda.fit(total)
    held_out, known = _cross_fit(labelled, classes, folds, parts, total)
    answers = Answers(
        held_out,
        np.where(known, classes, -1),
        *_kicked(features, examples, class_ids, linear),
    )
    calibration = calibrate(answers)
    sound = can_be_measured(examples.classes)
    share, error = _measure(held_out, classes, calibration) if sound else (0.0, 0.0)
    return Learned(class_ids.astype(np.int32), linear, calibration, share, error)


def predict(
    learned: Learned,
    features: NDArray[np.float32],
    negative_at: NDArray[np.int64],
    negative_classes: NDArray[np.int32],
) -> Predicted:
    """What a head says of all images.

    Args:
        learned: the head.
        features: float32 [N, k].
        negative_at: int64 [m], places in the features.
        negative_classes: int32 [m], the class id that each is not.
    """
    place = _places(learned.class_ids, negative_classes)
    at, place = negative_at[place >= 0], place[place >= 0]
    order = np.argsort(at, kind="stable")
    at, place = at[order], place[order]
    step = max(1, _BLOCK_LOGITS // len(learned.class_ids))
    blocks = []
    for start in range(0, len(features), step):
        low, high = np.searchsorted(at, [start, start + step])
        negatives = at[low:high] - start, place[low:high]
        logits = learned.linear(features[start : start + step])
        blocks.append(_predict_block(learned, logits, negatives))
    return Predicted(
        np.concatenate([block.top for block in blocks]),
        np.concatenate([block.second for block in blocks]),
        np.concatenate([block.probability for block in blocks]),
        np.concatenate([block.margin for block in blocks]),
    )


def _predict_block(
    learned: Learned,
    logits: NDArray[np.float32],
    negatives: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> Predicted:
    guesses = guess(posterior(logits, learned.calibration, negatives))
    named = np.append(learned.class_ids, np.int32(0))  # place -1 is no class
    return Predicted(named[guesses.top], named[guesses.second], guesses.probability, guesses.margin)


def _folds(at: NDArray[np.int64]) -> NDArray[np.int64]:
    """The fold of each image; the same image is always in the same fold."""
    mixed = at.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return ((mixed >> np.uint64(33)) % np.uint64(FOLDS)).astype(np.int64)


def _cross_fit(
    labelled: NDArray[np.float32],
    classes: NDArray[np.int64],
    folds: NDArray[np.int64],
    parts: list[lda.Moments],
    total: lda.Moments,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Logits of each example by a head of the other folds [n, C], and whether that knew its class [n]."""
    logits = np.zeros((len(classes), len(total.counts)), np.float32)
    known = np.zeros(len(classes), np.bool_)
    for fold, part in enumerate(parts):
        others, inside = total - part, folds == fold
        if inside.any() and others.counts.sum() >= 1:
            logits[inside] = lda.fit(others)(labelled[inside])
            known[inside] = others.counts[classes[inside]] >= 1
    return logits, known


def _kicked(
    features: NDArray[np.float32],
    examples: Examples,
    class_ids: NDArray[np.int32],
    linear: lda.Linear,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Logits of the kicked images [m, C], and from which classes they were kicked [m, C]."""
    place = _places(class_ids, examples.negative_classes)
    kicked, image = np.unique(examples.negative_at[place >= 0], return_inverse=True)
    kicked_from = np.zeros((len(kicked), len(class_ids)), np.bool_)
    kicked_from[image, place[place >= 0]] = True
    return linear(features[kicked]), kicked_from


def _places(class_ids: NDArray[np.int32], wanted: NDArray[np.int32]) -> NDArray[np.int64]:
    """The place of each class id among the outputs; -1 for one that the head does not know."""
    place = np.minimum(np.searchsorted(class_ids, wanted), len(class_ids) - 1)
    return np.where(class_ids[place] == wanted, place, -1)


def _measure(
    held_out: NDArray[np.float32], classes: NDArray[np.int64], calibration: Calibration
) -> tuple[float, float]:
    """Cross-fitted accuracy and calibration error."""
    none = np.empty(0, np.int64)
    guesses = guess(posterior(held_out, calibration, (none, none)))
    right = guesses.top == classes
    share = measures.accuracy(guesses.top, classes)
    return share, measures.calibration_error(guesses.probability, right)
