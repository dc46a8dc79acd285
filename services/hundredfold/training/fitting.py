"""Fitting a head: labels from the ledger, vectors and predictions in the store."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Aborted, Conflict
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import require_collection
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.training.domain import learning
from hundredfold.training.domain.learning import Examples, Learned, Predicted
from hundredfold.training.peers import Labels, Ledger
from hundredfold.training.spaces import Features, Spaces
from hundredfold.training.store import Card, HeadStore, PartPredictions


class Fitter:
    """Fits and measures heads. Safe for threads.

    Args:
        store: where collections are.
        spaces: vectors.
        heads: what is kept.
        ledger: labels.
    """

    def __init__(
        self, store: ArtifactStore, spaces: Spaces, heads: HeadStore, ledger: Ledger
    ) -> None:
        self._store = store
        self._spaces = spaces
        self._heads = heads
        self._ledger = ledger
        self._labels: dict[str, Labels] = {}
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def fit(self, collection: str, space: str, labels_seq: int) -> Card:
        """Fit a head, write its predictions and put it to use; with nothing new the last one.

        Args:
            collection: on which.
            space: `name@version` of the backbone.
            labels_seq: learn from labels up to this event at the least.

        Raises:
            NotFound: there is no such collection.
            Conflict: NO_LABELS, NO_VECTORS, or LEDGER_BEHIND: it has no such event.
            Unavailable: the ledger is away.
            Aborted: another fit of the collection is at work.
        """
        layout.check_model(space, "space")
        require_collection(self._store, collection)
        with self._alone(collection):
            begun = time.perf_counter()
            labels = self._labels_up_to(collection, labels_seq)
            features = self._spaces.features(collection, space)
            last = self._heads.newest(collection)
            if last and (last.space, last.labels_seq, last.vectors_version) == (
                space,
                labels.seq,
                features.version,
            ):
                return self._heads.taken_up(last)
            return self._fit(collection, space, labels, features, begun)

    def measure(self, card: Card) -> tuple[int, Learned]:
        """Cross-fit on the labels there are now, in the space of a head: their number, and a head.

        Raises:
            Conflict: TOO_FEW_LABELS, fewer than two in each of two classes.
        """
        features = self._spaces.features(card.collection, card.space)
        examples = _examples(self._ledger.labels(card.collection), features)
        if not learning.can_be_measured(examples.classes):
            raise Conflict("two classes need two labels each", reason="TOO_FEW_LABELS")
        return len(examples.at), learning.learn(features.matrix, examples)

    @contextmanager
    def _alone(self, collection: str) -> Iterator[None]:
        with self._lock:
            if collection in self._busy:
                raise Aborted(f"a head of {collection} is being fitted", reason="FIT_AT_WORK")
            self._busy.add(collection)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(collection)

    def _labels_up_to(self, collection: str, seq: int) -> Labels:
        known = self._labels.get(collection)
        if known is None or not 0 < seq <= known.seq:
            known = self._labels[collection] = self._ledger.labels(collection)
        if known.seq < seq:
            raise Conflict(
                f"the ledger ends at event {known.seq}",
                reason="LEDGER_BEHIND",
                metadata={"seq": str(known.seq)},
            )
        return known

    def _fit(
        self, collection: str, space: str, labels: Labels, features: Features, begun: float
    ) -> Card:
        examples = _examples(labels, features)
        if not len(examples.at):
            raise Conflict(f"no image of {collection} has a label yet", reason="NO_LABELS")
        learned = learning.learn(features.matrix, examples)
        predicted = learning.predict(
            learned, features.matrix, examples.negative_at, examples.negative_classes
        )
        model = self._heads.next_model(collection)
        self._heads.save_predictions(collection, model, _by_part(features, predicted))
        card = Card(
            model=model,
            collection=collection,
            space=space,
            labels_seq=labels.seq,
            labels=len(examples.at),
            class_ids=learned.class_ids.tolist(),
            temperature=learned.calibration.temperature,
            unknown=learned.calibration.unknown,
            expected_error=_expected_error(predicted, examples.at),
            created_at=time.time(),
            seconds=time.perf_counter() - begun,
            accuracy=learned.accuracy,
            calibration_error=learned.calibration_error,
            vectors_version=features.version,
        )
        layer = features.projection.pull_back(learned.linear.weights, learned.linear.bias)
        return self._heads.publish(card, *layer)


def _examples(labels: Labels, features: Features) -> Examples:
    """What people said of the images that have a vector."""
    at, negative_at = features.places(labels.rows), features.places(labels.negative_rows)
    known, negative_known = at >= 0, negative_at >= 0
    return Examples(
        at[known],
        labels.class_ids[known],
        negative_at[negative_known],
        labels.negative_class_ids[negative_known],
    )


def _by_part(features: Features, predicted: Predicted) -> Iterator[PartPredictions]:
    start = 0
    for part in features.parts:
        piece = slice(start, start + len(part.rows))
        start += len(part.rows)
        yield PartPredictions(
            part.part,
            part.rows,
            Predicted(
                predicted.top[piece],
                predicted.second[piece],
                predicted.probability[piece],
                predicted.margin[piece],
            ),
        )


def _expected_error(predicted: Predicted, labelled: NDArray[np.int64]) -> float:
    """Mean over the unlabelled of the probability that the guess is wrong; 0 of none."""
    rest = np.delete(predicted.probability, labelled)
    return float(1 - rest.mean()) if len(rest) else 0.0
