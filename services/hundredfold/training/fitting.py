"""Fitting a head: labels from the ledger, vectors and predictions in the store."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from hundredfold.chassis.errors import Aborted, Conflict
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import read_schema, require_collection
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.training.domain import families, learning
from hundredfold.training.domain.learning import Learned
from hundredfold.training.examples import lesson
from hundredfold.training.fit_task import FitTask, Kin, places_in
from hundredfold.training.pair_fitting import Measured, PairFitter
from hundredfold.training.peers import Labels, Ledger
from hundredfold.training.predictions import PartPredictions
from hundredfold.training.spaces import PartFeatures, Spaces
from hundredfold.training.spreading import Spread
from hundredfold.training.store import Card, HeadStore


@dataclass(frozen=True)
class _Sure:
    """How many images of a part have no label, and the sum of the probabilities of their guesses."""

    images: int
    probability: float


class Fitter:
    """Fits and measures heads. Safe for threads.

    Args:
        store: where collections are.
        spaces: vectors.
        heads: what is kept.
        ledger: labels.
        spread: writes what heads say; None = threads of this process do.
    """

    def __init__(
        self,
        store: ArtifactStore,
        spaces: Spaces,
        heads: HeadStore,
        ledger: Ledger,
        spread: Spread | None = None,
    ) -> None:
        self._store = store
        self._spaces = spaces
        self._heads = heads
        self._ledger = ledger
        self._spread = spread or Spread(store, spaces.workers)
        self._pairs = PairFitter(heads, self._spread)
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
        with self._alone(collection):
            begun = time.perf_counter()
            kin = Kin.of(read_schema(self._store, collection))
            labels = self._labels_up_to(collection, labels_seq, kin.digest)
            features = self._spaces.features(collection, space)
            last = self._heads.newest(collection)
            asked = (space, labels.seq, features.version, without_negatives, kin.digest)
            if last and last.made_from == asked:
                return self._heads.taken_up(last)
            said = labels.without_negatives() if without_negatives else labels
            task = FitTask(collection, space, said, features, without_negatives, begun, kin)
            return self._pairs.fit(task) if kin.several else self._fit(task)

    def measure(self, card: Card) -> Measured:
        """Cross-fit on the labels there are now, in the space of a head.

        Raises:
            Conflict: TOO_FEW_LABELS, fewer than two in each of two classes; where an image may be of
                several, no class of which two images are and two are not.
        """
        features = self._spaces.features(card.collection, card.space)
        if card.several:
            return self._pairs.measure(self._ledger.labels(card.collection), features)
        said = lesson(
            self._ledger.labels(card.collection).to_learn_from(),
            features,
            self._spaces.learnt_up_to(card.collection, card.space),
        )
        if not learning.can_be_measured(said.examples.classes):
            raise Conflict("two classes need two labels each", reason="TOO_FEW_LABELS")
        learned = learning.learn(said.features, said.examples)
        return Measured(len(said.examples.at), learned.accuracy, learned.calibration_error)

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

    def _fit(self, task: FitTask) -> Card:
        said = lesson(
            task.labels.to_learn_from(),
            task.features,
            self._spaces.learnt_up_to(task.collection, task.space),
        )
        if not len(said.examples.at):
            raise Conflict(f"no image of {task.collection} has a label yet", reason="NO_LABELS")
        learned = learning.learn(said.features, said.examples)
        model = self._heads.next_model(task.collection)
        expected_error = self._predict(task, model, learned)
        card = Card(
            model=model,
            collection=task.collection,
            space=task.space,
            labels_seq=task.labels.seq,
            labels=len(said.examples.at),
            class_ids=learned.class_ids.tolist(),
            temperature=learned.calibration.temperature,
            unknown=learned.calibration.unknown,
            expected_error=expected_error,
            created_at=time.time(),
            seconds=time.perf_counter() - task.begun,
            accuracy=learned.accuracy,
            calibration_error=learned.calibration_error,
            vectors_version=task.features.version,
            without_negatives=task.without_negatives,
            parents=task.kin.digest,
        )
        projection = task.features.projection
        layer = projection.pull_back(learned.linear.weights, learned.linear.bias)
        return self._heads.publish(card, *layer)

    def _predict(self, task: FitTask, model: str, learned: Learned) -> float:
        """Write what a head says; the mean error it expects of the rest."""
        parts, sure = self._spread.write(task, model, _Says(learned, task.kin.parent_of))
        self._heads.list_predictions(task.collection, model, parts)
        count = sum(each.images for each in sure)
        return 1 - sum(each.probability for each in sure) / count if count else 0.0


@dataclass(frozen=True)
class _Says:
    """A head, and the parents of its classes."""

    learned: Learned
    parent_of: Mapping[int, int]

    def __call__(self, labels: Labels, part: PartFeatures) -> tuple[PartPredictions, _Sure]:
        """What it says of a part, and how sure it is of the images that have no label."""
        at, negatives = places_in(part, labels.negative_rows)
        may_at, limited = places_in(part, labels.possible_rows)
        predicted = learning.predict_blocks(
            self.learned,
            part.blocks(),
            len(part.rows),
            at,
            labels.negative_class_ids[negatives],
            possible=(may_at, labels.possible_class_ids[limited]),
            families=families.of(self.learned.class_ids, self.parent_of),
        )
        labelled, _ = places_in(part, labels.rows)
        rest = np.delete(predicted.probability, labelled)
        sure = _Sure(len(rest), float(rest.sum(dtype=np.float64)))
        return PartPredictions(part.part, part.rows, predicted), sure
