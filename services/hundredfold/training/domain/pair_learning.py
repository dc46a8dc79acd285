"""A head that says yes or no of each class: fit, cross-fit, calibrate, predict, measure."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.training.domain import measures, pair_lda, platt
from hundredfold.training.domain.crossfit import FOLDS, fold_of
from hundredfold.training.domain.hearsay import NO_PAIRS, Hearsay, Pairs, places
from hundredfold.training.domain.lda import Linear
from hundredfold.training.domain.platt import Scales

LEAST = 0.02
"""A pair of a lower probability is not kept."""

MOST = 16
"""Classes that are kept of an image, the likeliest."""

_LEAST_OF_EACH = 2


@dataclass(frozen=True)
class PairExamples:
    """What people said of images, as places in a matrix of features.

    Attributes:
        yes_at: int64 [n], images; repeat.
        yes_classes: int32 [n], a class id that each is of.
        no_at: int64 [m], images; repeat.
        no_classes: int32 [m], a class id that each is not of.
        numbers: int64 [N], by which images fall into folds, such as their rows.
    """

    yes_at: NDArray[np.int64]
    yes_classes: NDArray[np.int32]
    no_at: NDArray[np.int64]
    no_classes: NDArray[np.int32]
    numbers: NDArray[np.int64]

    @property
    def class_ids(self) -> NDArray[np.int32]:
        """int32 [C], ascending: those that some image is known to be of; a head knows no others."""
        return np.unique(self.yes_classes)

    def said(self) -> NDArray[np.int8]:
        """int8 [N, C]: 1 = it is of the class, -1 = it is not, 0 = nobody said."""
        class_ids = self.class_ids
        said = np.zeros((len(self.numbers), len(class_ids)), np.int8)
        no = places(class_ids, self.no_classes) if len(class_ids) else self.no_at[:0]
        known = no >= 0
        said[self.no_at[known], no[known]] = -1
        said[self.yes_at, np.searchsorted(class_ids, self.yes_classes)] = 1
        return said


@dataclass(frozen=True)
class ClassMeasure:
    """How well a class is told, by heads that have not heard the answers.

    Attributes:
        class_id: which.
        yes: images that people said are of it.
        no: images that they said are not.
        accuracy: share of those that are told right.
        average_precision: of the yes among them, the likeliest first; 0 without a yes or a no.
    """

    class_id: int
    yes: int
    no: int
    accuracy: float
    average_precision: float


@dataclass(frozen=True)
class PairsLearned:
    """A calibrated head: the probability of yes is the logistic function of its logit.

    Attributes:
        class_ids: int32 [C], ascending: the class of each output.
        linear: the layer on the features, calibrated.
        accuracy: cross-fitted share of answers told right; 0 when they are too few.
        calibration_error: the same.
        classes: measures by class, in the order of the outputs.
    """

    class_ids: NDArray[np.int32]
    linear: Linear
    accuracy: float
    calibration_error: float
    classes: tuple[ClassMeasure, ...]


@dataclass(frozen=True)
class PairsPredicted:
    """What a head says of m images, sparsely.

    Attributes:
        starts: int64 [m + 1], where the classes of each image begin.
        class_ids: int32 [p], for each image the classes of a probability of at least `LEAST`, at most
            `MOST`, ascending.
        probability: float32 [p].
        rest_class_ids: int32 [C], the classes of the head.
        rest_probability: float32 [C], the mean probability of each where it was left out: no's, as they stand.
        unknown: pairs of which nobody said anything.
        expected_wrong: of them those whose yes or no is expected to be wrong.
    """

    starts: NDArray[np.int64]
    class_ids: NDArray[np.int32]
    probability: NDArray[np.float32]
    rest_class_ids: NDArray[np.int32]
    rest_probability: NDArray[np.float32]
    unknown: int
    expected_wrong: float


def can_be_measured(examples: PairExamples) -> bool:
    """Whether a class has two yes and two no: less can't be cross-fitted."""
    said = examples.said()
    enough = ((said > 0).sum(0) >= _LEAST_OF_EACH) & ((said < 0).sum(0) >= _LEAST_OF_EACH)
    return bool(enough.any())


def learn(
    features: NDArray[np.float32], examples: PairExamples, background: NDArray[np.float32]
) -> PairsLearned:
    """Fit and calibrate a head.

    Args:
        features: float32 [N, k], of the images that the examples name.
        examples: at least one yes.
        background: float32 [b, k], some images as they come.
    """
    said, class_ids = examples.said(), examples.class_ids
    folds = fold_of(examples.numbers)
    middle = background.mean(0, dtype=np.float64)
    parts = [
        pair_lda.moments(features[folds == fold], said[folds == fold]) for fold in range(FOLDS)
    ]
    total = sum(parts[1:], parts[0])
    logits = np.zeros(said.shape, np.float32)
    for fold, part in enumerate(parts):
        others = total - part
        if others.counts.sum() >= 1:
            logits[folds == fold] = pair_lda.fit(others, middle)(features[folds == fold])
    scales = platt.calibrate(logits, said)
    whole = _calibrated(pair_lda.fit(total, middle), scales)
    if not can_be_measured(examples):
        return PairsLearned(class_ids, whole, 0.0, 0.0, ())
    return _measured(class_ids, whole, said, scales(logits))


def predict_blocks(
    learned: PairsLearned, blocks: Iterable[NDArray[np.float32]], known: Pairs
) -> PairsPredicted:
    """What a head says of images that come block by block.

    Args:
        learned: the head.
        blocks: features, float32 [.., k].
        known: pairs of which somebody said yes or no: places among the images, and class ids.
    """
    count = len(learned.class_ids)
    said = Hearsay.of(learned.class_ids, known, NO_PAIRS)
    sizes: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
    class_ids: list[NDArray[np.int32]] = []
    probability: list[NDArray[np.float32]] = []
    left, times = np.zeros(count), np.zeros(count)
    unknown, wrong, start = 0, 0.0, 0
    for block in blocks:
        chances = platt.sigmoid(learned.linear(block))
        kept = _kept(chances)
        sizes.append(kept.sum(1))
        class_ids.append(learned.class_ids[np.nonzero(kept)[1]])
        probability.append(chances[kept])
        left += np.where(kept, 0, chances).sum(0, dtype=np.float64)
        times += (~kept).sum(0)
        open_ = _unsaid(said, start, len(block))
        unknown += int(open_.sum())
        wrong += float(np.minimum(chances, 1 - chances)[open_].sum(dtype=np.float64))
        start += len(block)
    return PairsPredicted(
        np.cumsum(np.concatenate(sizes)),
        np.concatenate([np.empty(0, np.int32), *class_ids]),
        np.concatenate([np.empty(0, np.float32), *probability]),
        learned.class_ids,
        (left / np.maximum(times, 1)).astype(np.float32),
        unknown,
        wrong,
    )


def _unsaid(said: Hearsay, start: int, count: int) -> NDArray[np.bool_]:
    """Which pairs of so many images from a place on nobody has answered: bool [count, C]."""
    ruled = said.within(start, start + count)
    unsaid = np.ones((count, said.class_count), np.bool_)
    unsaid[ruled.at] = ~ruled.out
    return unsaid


def _kept(chances: NDArray[np.float32]) -> NDArray[np.bool_]:
    kept: NDArray[np.bool_] = chances >= LEAST
    if chances.shape[1] > MOST:
        order = np.argsort(-chances, axis=1, kind="stable")
        np.put_along_axis(kept, order[:, MOST:], False, axis=1)
    return kept


def _calibrated(linear: Linear, scales: Scales) -> Linear:
    """The head whose logits are the calibrated ones."""
    return Linear(linear.weights * scales.slopes, linear.bias * scales.slopes + scales.offsets)


def _measured(
    class_ids: NDArray[np.int32],
    whole: Linear,
    said: NDArray[np.int8],
    chances: NDArray[np.float32],
) -> PairsLearned:
    known = said != 0
    right = (chances >= 0.5) == (said > 0)
    sure = np.maximum(chances, 1 - chances)[known]
    by_class = tuple(
        _class_measure(int(class_id), said[known[:, place], place], chances[known[:, place], place])
        for place, class_id in enumerate(class_ids)
    )
    error = measures.calibration_error(sure, right[known])
    return PairsLearned(class_ids, whole, float(right[known].mean()), error, by_class)


def _class_measure(
    class_id: int, said: NDArray[np.int8], chances: NDArray[np.float32]
) -> ClassMeasure:
    yes = said > 0
    return ClassMeasure(
        class_id,
        int(yes.sum()),
        int((~yes).sum()),
        float(((chances >= 0.5) == yes).mean()),
        measures.average_precision(chances, yes),
    )
