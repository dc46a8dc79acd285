"""What a head says of all parts of a space, said part by part: by threads here, or by an engine on other machines."""

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from hundredfold.chassis.engine import Engine
from hundredfold.chassis.errors import Aborted
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.threads import one_thread_a_product
from hundredfold.training.domain.projection import Projection
from hundredfold.training.fit_task import FitTask
from hundredfold.training.peers import Labels
from hundredfold.training.predictions import PairPartPredictions, PartPredictions
from hundredfold.training.spaces import PartFeatures
from hundredfold.training.store import WrittenPart, write_predictions
from hundredfold.training.vectors import read_part

ToldT_co = TypeVar("ToldT_co", covariant=True)
ToldT = TypeVar("ToldT")

PARTS_ELSEWHERE = 8
"""With fewer parts, half a million images, other machines are not worth the way there."""


class Says(Protocol[ToldT_co]):
    """A head that says what the images of a part are; it can be pickled."""

    def __call__(
        self, labels: Labels, part: PartFeatures
    ) -> tuple[PartPredictions | PairPartPredictions, ToldT_co]:
        """What it says of a part, and what is to be told of that; of labels only those of the part count."""


@dataclass(frozen=True)
class PartTask(Generic[ToldT]):
    """One part, for another process or machine: it maps the vectors itself."""

    store: ArtifactStore
    collection: str
    space: str
    model: str
    part: int
    digest: str
    projection: Projection
    labels: Labels
    says: Says[ToldT]


def say(task: PartTask[ToldT]) -> tuple[WrittenPart, ToldT]:
    """Write what a head says of a part.

    Raises:
        Aborted: the part was replaced since the head was fitted.
        Conflict: an artifact is damaged.
    """
    one_thread_a_product()
    found = read_part(task.store, task.collection, task.space, task.part)
    if found is None or found.digest != task.digest:
        raise Aborted(f"part {task.part} of {task.space} was replaced", reason="ARTIFACT_REPLACED")
    projection = task.projection
    # Rounded as those that are kept here are, so that the same is said there.
    kept: Any = (
        found.vectors
        if projection.changes_nothing
        else projection(found.vectors).astype(np.float16)
    )
    part = PartFeatures(found.part, found.digest, found.rows, found.vectors, projection, kept)
    predictions, told = task.says(task.labels, part)
    return write_predictions(task.store, task.collection, task.model, predictions), told


class Spread:
    """Says what heads say of all parts, beside one another. Safe for threads.

    Args:
        store: where predictions go.
        workers: threads of this process, which have the projected features at hand.
        engine: for spaces of many parts; None = there is none but the threads.
        parts_elsewhere: from so many parts on.
    """

    def __init__(
        self,
        store: ArtifactStore,
        workers: Executor,
        engine: Engine | None = None,
        parts_elsewhere: int = PARTS_ELSEWHERE,
    ) -> None:
        self._store = store
        self._workers = workers
        self._engine = engine
        self._least = parts_elsewhere

    def write(
        self, task: FitTask, model: str, says: Says[ToldT]
    ) -> tuple[list[WrittenPart], list[ToldT]]:
        """Write what a head says; the parts, in order, and what each told."""
        parts = task.features.parts
        if self._engine is None or len(parts) < self._least:
            made = list(self._workers.map(lambda part: self._here(task, model, says, part), parts))
        else:
            tasks = (self._task(task, model, says, part) for part in parts)
            made = sorted(self._engine.map(say, tasks), key=lambda each: each[0].name)
        return [written for written, _ in made], [told for _, told in made]

    def _here(
        self, task: FitTask, model: str, says: Says[ToldT], part: PartFeatures
    ) -> tuple[WrittenPart, ToldT]:
        predictions, told = says(task.labels, part)
        return write_predictions(self._store, task.collection, model, predictions), told

    def _task(
        self, task: FitTask, model: str, says: Says[ToldT], part: PartFeatures
    ) -> PartTask[ToldT]:
        labels = task.labels.of_part(part.part)
        return PartTask(
            self._store,
            task.collection,
            task.space,
            model,
            part.part,
            part.digest,
            part.projection,
            labels,
            says,
        )
