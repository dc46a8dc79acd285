"""Fitting a head: labels from the ledger, vectors and predictions in the store."""

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Aborted, Conflict
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import (
    read_schema,
    require_collection,
    require_one_class,
)
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.training.domain import families, learning
from hundredfold.training.domain.learning import Learned
from hundredfold.training.examples import lesson
from hundredfold.training.peers import Labels, Ledger
from hundredfold.training.spaces import Features, PartFeatures, Spaces
from hundredfold.training.store import Card, HeadStore, PartPredictions, WrittenPart


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
        self._labels: dict[str, tuple[str, Labels]] = {}
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def fit(
        self, collection: str, space: str, labels_seq: int, *, without_negatives: bool = False
    ) -> Card:
        """Fit a head, write its predictions and put it to use; with nothing new the last one.

        Args:
            collection: on which.
            space: `name@version` of the backbone.
            labels_seq: learn from labels up to this event at the least.
            without_negatives: leave out what is known of what images are not.

        Raises:
            NotFound: there is no such collection.
            Conflict: NO_LABELS, NO_VECTORS, or LEDGER_BEHIND: it has no such event.
            Unavailable: the ledger is away.
            Aborted: another fit of the collection is at work.
        """
        layout.check_model(space, "space")
        require_collection(self._store, collection)
        require_one_class(self._store, collection, "a head")
        with self._alone(collection):
            begun = time.perf_counter()
            parent_of = _parents(self._store, collection)
            parents = _digest(parent_of)
            labels = self._labels_up_to(collection, labels_seq, parents)
            features = self._spaces.features(collection, space)
            last = self._heads.newest(collection)
            asked = (space, labels.seq, features.version, without_negatives, parents)
            if last and last.made_from == asked:
                return self._heads.taken_up(last)
            said = labels.without_negatives() if without_negatives else labels
            fitting = _Fitting(
                collection, space, said, features, without_negatives, begun, parent_of
            )
            return self._fit(fitting)

    def measure(self, card: Card) -> tuple[int, Learned]:
        """Cross-fit on the labels there are now, in the space of a head: their number, and a head.

        Raises:
            Conflict: TOO_FEW_LABELS, fewer than two in each of two classes.
        """
        features = self._spaces.features(card.collection, card.space)
        said = lesson(self._ledger.labels(card.collection).to_learn_from(), features)
        if not learning.can_be_measured(said.examples.classes):
            raise Conflict("two classes need two labels each", reason="TOO_FEW_LABELS")
        return len(said.examples.at), learning.learn(said.features, said.examples)

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

    def _labels_up_to(self, collection: str, seq: int, parents: str) -> Labels:
        """Labels up to an event; which classes have children decides what a label is."""
        made_with, known = self._labels.get(collection, ("", None))
        if known is None or made_with != parents or not 0 < seq <= known.seq:
            known = self._ledger.labels(collection)
            self._labels[collection] = parents, known
        if known.seq < seq:
            raise Conflict(
                f"the ledger ends at event {known.seq}",
                reason="LEDGER_BEHIND",
                metadata={"seq": str(known.seq)},
            )
        return known

    def _fit(self, fitting: "_Fitting") -> Card:
        said = lesson(fitting.labels.to_learn_from(), fitting.features)
        if not len(said.examples.at):
            raise Conflict(f"no image of {fitting.collection} has a label yet", reason="NO_LABELS")
        learned = learning.learn(said.features, said.examples)
        model = self._heads.next_model(fitting.collection)
        expected_error = self._predict(fitting, model, learned)
        card = Card(
            model=model,
            collection=fitting.collection,
            space=fitting.space,
            labels_seq=fitting.labels.seq,
            labels=len(said.examples.at),
            class_ids=learned.class_ids.tolist(),
            temperature=learned.calibration.temperature,
            unknown=learned.calibration.unknown,
            expected_error=expected_error,
            created_at=time.time(),
            seconds=time.perf_counter() - fitting.begun,
            accuracy=learned.accuracy,
            calibration_error=learned.calibration_error,
            vectors_version=fitting.features.version,
            without_negatives=fitting.without_negatives,
            parents=_digest(fitting.parent_of),
        )
        projection = fitting.features.projection
        layer = projection.pull_back(learned.linear.weights, learned.linear.bias)
        return self._heads.publish(card, *layer)

    def _predict(self, fitting: "_Fitting", model: str, learned: Learned) -> float:
        """Write what a head says, parts beside one another; the mean error it expects of the rest."""

        def predict(part: PartFeatures) -> tuple[WrittenPart, "_Sure"]:
            predictions = fitting.predictions(part, learned)
            written = self._heads.write_predictions(fitting.collection, model, predictions)
            return written, fitting.sureness(part, predictions)

        made = list(self._spaces.workers.map(predict, fitting.features.parts))
        self._heads.list_predictions(fitting.collection, model, [written for written, _ in made])
        count = sum(sure.images for _, sure in made)
        return 1 - sum(sure.probability for _, sure in made) / count if count else 0.0


@dataclass(frozen=True)
class _Sure:
    """How many images of a part have no label, and the sum of the probabilities of their guesses."""

    images: int
    probability: float


@dataclass(frozen=True)
class _Fitting:
    """What a head is made from."""

    collection: str
    space: str
    labels: Labels
    features: Features
    without_negatives: bool
    begun: float
    parent_of: Mapping[int, int]

    def predictions(self, part: PartFeatures, learned: Learned) -> PartPredictions:
        """What a head says of a part."""
        at, negatives = _places(part, self.labels.negative_rows)
        may_at, limited = _places(part, self.labels.possible_rows)
        predicted = learning.predict_blocks(
            learned,
            part.blocks(),
            len(part.rows),
            at,
            self.labels.negative_class_ids[negatives],
            possible=(may_at, self.labels.possible_class_ids[limited]),
            families=families.of(learned.class_ids, self.parent_of),
        )
        return PartPredictions(part.part, part.rows, predicted)

    def sureness(self, part: PartFeatures, predictions: PartPredictions) -> _Sure:
        """How sure a head is of the images of a part that have no label."""
        labelled, _ = _places(part, self.labels.rows)
        rest = np.delete(predictions.predicted.probability, labelled)
        return _Sure(len(rest), float(rest.sum(dtype=np.float64)))


def _parents(store: ArtifactStore, collection: str) -> dict[int, int]:
    """The parents of the classes in use that have one."""
    classes = read_schema(store, collection)["classes"]
    return {
        each["class_id"]: each["parent_id"]
        for each in classes
        if each.get("parent_id") and not each.get("merged_into")
    }


def _digest(parent_of: Mapping[int, int]) -> str:
    """Tells parents apart; empty when there are none."""
    if not parent_of:
        return ""
    return hashlib.sha256(repr(sorted(parent_of.items())).encode()).hexdigest()[:16]


def _places(
    part: PartFeatures, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where in a part some of rows are, and which of them those are."""
    first = part.part * layout.PART_ROWS
    inside = np.flatnonzero((rows >= first) & (rows < first + layout.PART_ROWS))
    at = part.places(rows[inside])
    return at[at >= 0], inside[at >= 0]
