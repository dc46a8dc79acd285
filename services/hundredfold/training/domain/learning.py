"""A head from labels and kicks: fit, cross-fit, calibrate, predict."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hundredfold.training.domain import crossfit, lda, measures
from hundredfold.training.domain.calibration import calibrate
from hundredfold.training.domain.crossfit import Evidence, fold_of
from hundredfold.training.domain.families import NO_FAMILIES, Families
from hundredfold.training.domain.hearsay import NO_PAIRS, Hearsay, Pairs, RuledOut
from hundredfold.training.domain.posterior import (
    Calibration,
    Guesses,
    guess,
    guess_unkicked,
    lead,
    posterior,
)

REST = 4_000
"""How many images without a label are looked at to see what the rest is like."""

NONE_LEARNT = np.empty(0, np.bool_)

_BLOCK_LOGITS = 500_000  # what the processor's cache holds
_MOST_MEASURED = 20_000


@dataclass(frozen=True)
class Examples:
    """What people said of images, as places in a matrix of features.

    Attributes:
        at: int64 [n], the labelled images.
        classes: int32 [n], the class id of each.
        negative_at: int64 [m], images that are not labelled; may repeat.
        negative_classes: int32 [m], the class id that each is not.
        rest_at: int64 [r], a fair sample of the images without a label; None = of all that are here.
        numbers: int64 [N], by which images fall into folds, such as their rows; None = their places.
        possible: images that are not labelled, and each class that one of them may be of.
        learnt: bool [n], the labels that the backbone of the space has learnt from; empty = none.
    """

    at: NDArray[np.int64]
    classes: NDArray[np.int32]
    negative_at: NDArray[np.int64]
    negative_classes: NDArray[np.int32]
    rest_at: NDArray[np.int64] | None = None
    numbers: NDArray[np.int64] | None = None
    possible: Pairs = NO_PAIRS
    learnt: NDArray[np.bool_] = field(default_factory=lambda: NONE_LEARNT)


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
class Judged:
    """A calibrated head, and labels as heads see them that have not heard them.

    Attributes:
        class_ids: int32 [C], ascending: the class of each output.
        linear: the layer on the features, of the head that has heard all.
        calibration: of its logits.
        classes: int64 [n], the place of each label among the classes.
        logits: float32 [n, C], of heads that have not heard it.
        known: bool [n], whether those knew its class.
    """

    class_ids: NDArray[np.int32]
    linear: lda.Linear
    calibration: Calibration
    classes: NDArray[np.int64]
    logits: NDArray[np.float32]
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class Predicted:
    """What a head says of all images.

    Attributes:
        top: int32 [N], class ids, what is known to be wrong left out; 0 where nothing is left.
        second: int32 [N]; 0 where there is none.
        probability: float32 [N], of the likeliest class.
        margin: float32 [N], that less the probability of the second.
        parent: int32 [N], the parent class to ask about, 0 = none; [0] where no class has a parent.
        parent_probability: float32, that the image is of it.
    """

    top: NDArray[np.int32]
    second: NDArray[np.int32]
    probability: NDArray[np.float32]
    margin: NDArray[np.float32]
    parent: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    parent_probability: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))


def can_be_measured(classes: NDArray[np.int32]) -> bool:
    """Whether two classes have two labels each: less can't be cross-fitted."""
    _, counts = np.unique(classes, return_counts=True)
    return int((counts >= 2).sum()) >= 2


def learn(features: NDArray[np.float32], examples: Examples) -> Learned:
    """Fit and calibrate a head.

    Args:
        features: float32 [N, k], of the images that the examples name, and others.
        examples: at least one label.
    """
    judged = judge(features, examples)
    sound = can_be_measured(examples.classes)
    share, error = _measure(judged) if sound else (0.0, 0.0)
    return Learned(judged.class_ids, judged.linear, judged.calibration, share, error)


def judge(features: NDArray[np.float32], examples: Examples) -> Judged:
    """Fit a head, calibrate it, and let heads that have not heard the labels judge them.

    Args:
        features: float32 [N, k], of the images that the examples name, and others.
        examples: at least one label.
    """
    class_ids, classes = np.unique(examples.classes, return_inverse=True)
    evidence = _evidence(features, examples, class_ids, classes)
    rest = features[_rest(len(features), examples)]
    heads = crossfit.from_labels(evidence)
    calibration = calibrate(heads.answers, lead(heads.whole(rest)))
    if len(evidence.kicked):
        heads = crossfit.with_kicks(evidence, heads, calibration)
        calibration = calibrate(heads.answers, lead(heads.whole(rest)))
    known = heads.answers.classes >= 0
    return Judged(
        class_ids.astype(np.int32), heads.whole, calibration, classes, heads.answers.logits, known
    )


def predict(
    learned: Learned,
    features: NDArray[np.float32],
    negative_at: NDArray[np.int64],
    negative_classes: NDArray[np.int32],
) -> Predicted:
    """What a head says of images: `predict_blocks` of one block, float32 [N, k]."""
    return predict_blocks(learned, [features], len(features), negative_at, negative_classes)


def predict_blocks(
    learned: Learned,
    blocks: Iterable[NDArray[np.float32]],
    count: int,
    negative_at: NDArray[np.int64],
    negative_classes: NDArray[np.int32],
    *,
    possible: Pairs = NO_PAIRS,
    families: Families = NO_FAMILIES,
) -> Predicted:
    """What a head says of images that come block by block.

    Args:
        learned: the head.
        blocks: features, float32 [.., k].
        count: of all images, N.
        negative_at: int64 [m], places among the images.
        negative_classes: int32 [m], the class id that each is not.
        possible: places among the images, and each class that one of them may be of.
        families: of the outputs.
    """
    hearsay = Hearsay.of(learned.class_ids, (negative_at, negative_classes), possible)
    out, start = _nothing(count, count if len(families) else 0), 0
    for block in _cut(blocks, max(1, _BLOCK_LOGITS // len(learned.class_ids))):
        piece = slice(start, start + len(block))
        ruled = hearsay.within(piece.start, piece.stop)
        if len(families):
            found, parent, likely = _guess_families(learned, block, ruled, families)
            out.parent[piece], out.parent_probability[piece] = parent, likely
        else:
            found = _guess(learned, block, ruled)
        _write(out, piece, found, learned.class_ids)
        start = piece.stop
    return out


def _cut(blocks: Iterable[NDArray[np.float32]], most: int) -> Iterator[NDArray[np.float32]]:
    """The same in pieces of at most so many images."""
    for block in blocks:
        for start in range(0, len(block), most):
            yield block[start : start + most]


def _nothing(count: int, with_parents: int) -> Predicted:
    return Predicted(
        np.zeros(count, np.int32),
        np.zeros(count, np.int32),
        np.zeros(count, np.float32),
        np.zeros(count, np.float32),
        np.zeros(with_parents, np.int32),
        np.zeros(with_parents, np.float32),
    )


def _write(out: Predicted, at: slice, found: Guesses, class_ids: NDArray[np.int32]) -> None:
    named = np.append(class_ids, np.int32(0))  # place -1 is no class
    out.top[at], out.second[at] = named[found.top], named[found.second]
    out.probability[at], out.margin[at] = found.probability, found.margin


def _guess_families(
    learned: Learned, features: NDArray[np.float32], ruled: RuledOut, families: Families
) -> tuple[Guesses, NDArray[np.int32], NDArray[np.float32]]:
    """The guesses of a block, the parent of each image to ask about, and its probability."""
    image, place = ruled.pairs
    known = posterior(learned.linear(features), learned.calibration, (ruled.at[image], place))
    found = guess(known)
    return found, *families.to_ask(known, found.top, ruled)


def _guess(learned: Learned, features: NDArray[np.float32], ruled: RuledOut) -> Guesses:
    """The guesses of a block."""
    logits, kicked = learned.linear(features), ruled.at
    masked = guess(posterior(logits[kicked], learned.calibration, ruled.pairs))
    found = guess_unkicked(logits, learned.calibration)
    found.top[kicked], found.second[kicked] = masked.top, masked.second
    found.probability[kicked], found.margin[kicked] = masked.probability, masked.margin
    return found


def _evidence(
    features: NDArray[np.float32],
    examples: Examples,
    class_ids: NDArray[np.int32],
    classes: NDArray[np.int64],
) -> Evidence:
    """What people said; a kick from a class that nobody gave a label is of no consequence."""
    negatives = examples.negative_at, examples.negative_classes
    hearsay = Hearsay.of(class_ids.astype(np.int32), negatives, examples.possible)
    ruled = hearsay.within(0, len(features))
    kicked, kicked_from = ruled.at, ruled.out
    folds = fold_of(np.arange(len(features)) if examples.numbers is None else examples.numbers)
    return Evidence(
        features[examples.at],
        classes,
        folds[examples.at],
        features[kicked],
        kicked_from,
        folds[kicked],
        examples.learnt,
    )


def _rest(count: int, examples: Examples) -> NDArray[np.int64]:
    """Where images are that stand for those without a label."""
    if examples.rest_at is not None:
        return examples.rest_at
    rest = np.delete(np.arange(count), examples.at)
    return rest[:: max(1, len(rest) // REST)]


def _measure(judged: Judged) -> tuple[float, float]:
    """Cross-fitted accuracy and calibration error."""
    step = max(1, len(judged.classes) // _MOST_MEASURED)
    guesses = guess_unkicked(judged.logits[::step].copy(), judged.calibration)
    classes = judged.classes[::step]
    right = guesses.top == classes
    share = measures.accuracy(guesses.top, classes)
    return share, measures.calibration_error(guesses.probability, right)
