"""Fitting a head where an image may be of several classes."""

import time
from dataclasses import dataclass

import numpy as np

from hundredfold.chassis.errors import Conflict
from hundredfold.training.domain import pair_learning
from hundredfold.training.domain.learning import REST
from hundredfold.training.domain.pair_learning import (
    ClassMeasure,
    PairExamples,
    PairsLearned,
)
from hundredfold.training.fit_task import FitTask, places_in
from hundredfold.training.peers import Labels
from hundredfold.training.predictions import PairPartPredictions
from hundredfold.training.spaces import Features, PartFeatures
from hundredfold.training.spreading import Spread
from hundredfold.training.store import Card, HeadStore


@dataclass(frozen=True)
class Measured:
    """How good a head is, cross-fitted on so many labels, or answers of yes and no; `classes` where it says those."""

    labels: int
    accuracy: float
    calibration_error: float
    classes: tuple[ClassMeasure, ...] = ()


class PairFitter:
    """Fits and measures heads that say yes or no of each class. Safe for threads.

    No images are kept from them to measure with: there is no random stream of pairs.

    Args:
        heads: what is kept.
        spread: writes what heads say.
    """

    def __init__(self, heads: HeadStore, spread: Spread) -> None:
        self._heads = heads
        self._spread = spread

    def fit(self, task: FitTask) -> Card:
        """Fit a head, write its predictions and put it to use; Conflict NO_LABELS without a yes."""
        learned, answers = _learn(task.labels, task.features)
        model = self._heads.next_model(task.collection)
        card = Card(
            model=model,
            collection=task.collection,
            space=task.space,
            labels_seq=task.labels.seq,
            labels=answers,
            class_ids=learned.class_ids.tolist(),
            temperature=1.0,
            unknown=0.0,
            expected_error=self._predict(task, model, learned),
            created_at=time.time(),
            seconds=time.perf_counter() - task.begun,
            accuracy=learned.accuracy,
            calibration_error=learned.calibration_error,
            vectors_version=task.features.version,
            without_negatives=task.without_negatives,
            parents=task.kin.digest,
            several=True,
        )
        layer = task.features.projection.pull_back(learned.linear.weights, learned.linear.bias)
        return self._heads.publish(card, *layer)

    def measure(self, labels: Labels, features: Features) -> Measured:
        """Cross-fit on labels; Conflict TOO_FEW_LABELS unless two images are and two are not of some class."""
        learned, answers = _learn(labels, features)
        if not learned.classes:
            raise Conflict("a class needs two images and two others", reason="TOO_FEW_LABELS")
        return Measured(answers, learned.accuracy, learned.calibration_error, learned.classes)

    def _predict(self, task: FitTask, model: str, learned: PairsLearned) -> float:
        """Write what a head says; the share of the unknown pairs it expects to get wrong."""
        parts, told = self._spread.write(task, model, _SaysPairs(learned))
        self._heads.list_predictions(task.collection, model, parts)
        unknown = sum(each.unknown for each in told)
        return sum(each.wrong for each in told) / unknown if unknown else 0.0


@dataclass(frozen=True)
class _Unknown:
    """How many pairs of a part nobody said anything of, and how many of them are expected to be wrong."""

    unknown: int
    wrong: float


@dataclass(frozen=True)
class _SaysPairs:
    """A head that says yes or no."""

    learned: PairsLearned

    def __call__(self, labels: Labels, part: PartFeatures) -> tuple[PairPartPredictions, _Unknown]:
        """What it says of a part, and how much of that is unknown."""
        yes_at, yes = places_in(part, labels.rows)
        no_at, no = places_in(part, labels.negative_rows)
        known = (
            np.concatenate([yes_at, no_at]),
            np.concatenate([labels.class_ids[yes], labels.negative_class_ids[no]]),
        )
        predicted = pair_learning.predict_blocks(self.learned, part.blocks(), known)
        predictions = PairPartPredictions.of(part.part, part.rows, predicted)
        return predictions, _Unknown(predicted.unknown, predicted.expected_wrong)


def _learn(labels: Labels, features: Features) -> tuple[PairsLearned, int]:
    """A head from what people said of the images that have a vector, and of how many pairs they said it."""
    labels = labels.by_people()
    yes, no = features.holds(labels.rows), features.holds(labels.negative_rows)
    if not yes.any():
        raise Conflict("no image has a class yet", reason="NO_LABELS")
    yes_rows, no_rows = labels.rows[yes], labels.negative_rows[no]
    rows = np.unique(np.concatenate([yes_rows, no_rows]))
    examples = PairExamples(
        np.searchsorted(rows, yes_rows),
        labels.class_ids[yes],
        np.searchsorted(rows, no_rows),
        labels.negative_class_ids[no],
        rows,
    )
    background = features.of(features.sample(REST))
    learned = pair_learning.learn(features.of(rows), examples, background)
    return learned, len(yes_rows) + len(no_rows)
