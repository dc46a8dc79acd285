"""What the training service keeps: heads, which of them is in use, and what each predicts."""

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import Artifact, ArtifactStore, damaged
from hundredfold.training.predictions import PairPartPredictions, PartPredictions, read, written

_CARD = re.compile(r"(head-[a-z0-9_-]+@(\d+))\.json")


@dataclass(frozen=True)
class Card:
    """What is known of a head.

    Attributes:
        model: `head-<collection>@<version>`.
        collection: it was fitted on.
        space: `name@version` of the backbone.
        labels_seq: the newest event it has learned from.
        labels: how many it was fitted on.
        class_ids: of its outputs.
        temperature: its logits are divided by it.
        unknown: the share of images of which it knows nothing.
        expected_error: mean over the unlabelled of the probability that its guess is wrong.
        created_at: Unix seconds.
        seconds: to fit, predict and publish.
        accuracy: cross-fitted; 0 when there are too few labels.
        calibration_error: the same.
        vectors_version: of the vectors that it predicts for.
        without_negatives: whether what images are not was left out.
        parents: tells apart what the parents of the classes were; empty when there were none. Where an image
            may be of several classes it tells schemas apart.
        several: whether it says yes or no of each class.
        promoted: whether it is in use; not part of what is kept in the card.
    """

    model: str
    collection: str
    space: str
    labels_seq: int
    labels: int
    class_ids: list[int]
    temperature: float
    unknown: float
    expected_error: float
    created_at: float
    seconds: float
    accuracy: float
    calibration_error: float
    vectors_version: str
    without_negatives: bool = False
    parents: str = ""
    several: bool = False
    promoted: bool = False

    @property
    def made_from(self) -> tuple[str, int, str, bool, str]:
        """The same again makes the same head."""
        of_space = self.space, self.labels_seq, self.vectors_version
        return *of_space, self.without_negatives, self.parents


@dataclass(frozen=True)
class WrittenPart:
    """An artifact with predictions of so many rows."""

    name: str
    artifact: Artifact
    rows: int


def write_predictions(
    store: ArtifactStore,
    collection: str,
    model: str,
    predictions: PartPredictions | PairPartPredictions,
) -> WrittenPart:
    """Write what a head says of one part. From anywhere; list the parts when all are there."""
    name = layout.predictions_part(predictions.part)
    path = f"{layout.predictions(collection, model)}/{name}"
    artifact = store.write_bytes(path, written(predictions))
    return WrittenPart(name, artifact, len(predictions.rows))


class HeadStore:
    """Heads and predictions in the store. One writer a collection at a time.

    Args:
        store: the artifact store.
        keep: how many of the newest heads stay, besides the one in use.
    """

    def __init__(self, store: ArtifactStore, keep: int) -> None:
        self._store = store
        self._keep = keep
        self._writing = threading.RLock()

    def heads(self, collection: str) -> list[Card]:
        """The heads that are kept, newest first."""
        in_use, found = self._pointer(collection)["model"], []
        for model in self._models(collection):
            # One that is dropped meanwhile is not kept.
            with contextlib.suppress(NotFound):
                found.append(replace(self._card(collection, model), promoted=model == in_use))
        return found

    def head(self, collection: str, model: str) -> Card:
        """A head; an empty name means the one in use. NotFound."""
        in_use = str(self._pointer(collection)["model"])
        model = layout.check_model(model) if model else in_use
        if model not in self._models(collection):
            raise NotFound(
                f"{collection} has no head {model}" if model else f"{collection} has no head yet",
                field="model",
            )
        return replace(self._card(collection, model), promoted=model == in_use)

    def newest(self, collection: str) -> Card | None:
        """The head fitted last."""
        models = self._models(collection)
        return self.head(collection, models[0]) if models else None

    def next_model(self, collection: str) -> str:
        """The name of a head to come; a number is never used again while a later head is kept."""
        models = self._models(collection)
        return f"head-{collection}@{_version(models[0]) + 1 if models else 1}"

    def list_predictions(self, collection: str, model: str, parts: list[WrittenPart]) -> None:
        """Make known all parts of what a head says."""
        manifest = Manifest(self._store, layout.predictions(collection, model))
        for part in parts:
            manifest.add(part.name, part.artifact, rows=part.rows)
        manifest.save()

    def publish(self, card: Card, weights: NDArray[np.float32], bias: NDArray[np.float32]) -> Card:
        """Keep a head whose predictions are there, put it to use, and drop what is too old.

        Args:
            card: of the head.
            weights: float32 [d, C], on the vectors of the space.
            bias: float32 [C].
        """
        collection, folder = card.collection, layout.heads(card.collection)
        manifest = Manifest.load(self._store, folder)
        tensors = save(
            {
                "weight": np.ascontiguousarray(weights.T),
                "bias": bias,
                "class_ids": np.array(card.class_ids, np.int32),
            },
            {"space": card.space, "temperature": repr(card.temperature)},
        )
        name = f"{card.model}.safetensors"
        manifest.add(name, self._store.write_bytes(f"{folder}/{name}", tensors))
        name = f"{card.model}.json"
        document = {key: value for key, value in asdict(card).items() if key != "promoted"}
        manifest.add(name, self._store.write_json(f"{folder}/{name}", document))
        manifest.save()
        self.promote(collection, card.model)
        self._prune(collection)
        return replace(card, promoted=True)

    def taken_up(self, card: Card) -> Card:
        """The newest head, put to use if a crash kept it from that.

        Where a person has put another one to use since, that one, if it says something of the same vectors.
        """
        pointer = self._pointer(card.collection)
        if card.promoted:
            return card
        if card.model not in (*pointer["before"], pointer["withdrawn"]):
            return self.promote(card.collection, card.model)
        chosen = self.head(card.collection, "")
        same = (chosen.space, chosen.vectors_version) == (card.space, card.vectors_version)
        return chosen if same else card

    def promote(self, collection: str, model: str) -> Card:
        """Put a head to use. NotFound."""
        with self._writing:
            pointer = self._pointer(collection)
            if model != pointer["model"]:
                self.head(collection, model)
                before = [each for each in (pointer["model"], *pointer["before"]) if each]
                self._point(collection, model, before)
            return self.head(collection, model)

    def roll_back(self, collection: str) -> Card:
        """Put the head that was in use before back to use. Conflict when there is none."""
        with self._writing:
            pointer, kept = self._pointer(collection), set(self._models(collection))
            before = [each for each in pointer["before"] if each in kept]
            if not before:
                raise Conflict(f"{collection} has no head to go back to", reason="NO_HEAD_BEFORE")
            self._point(collection, before[0], before[1:], withdrawn=pointer["model"])
            return self.head(collection, before[0])

    def predictions(
        self, collection: str, model: str
    ) -> Iterator[PartPredictions | PairPartPredictions]:
        """What a kept head says, part by part."""
        folder = layout.predictions(collection, model)
        manifest = Manifest.load(self._store, folder)
        for part in layout.part_numbers(manifest.entries, layout.predictions_part):
            name = layout.predictions_part(part)
            manifest.check(self._store, name)
            yield read(part, self._store.read_bytes(f"{folder}/{name}"), f"{folder}/{name}")

    def _models(self, collection: str) -> list[str]:
        """The names of the heads that are kept, newest first."""
        names = Manifest.load(self._store, layout.heads(collection)).entries
        found = [match[1] for name in names if (match := _CARD.fullmatch(name))]
        return sorted(found, key=_version, reverse=True)

    def _card(self, collection: str, model: str) -> Card:
        path = f"{layout.heads(collection)}/{model}.json"
        document = self._store.read_json(path)
        try:
            return Card(**document)
        except TypeError as error:
            raise damaged(path, "not the card of a head") from error

    def _pointer(self, collection: str) -> dict[str, Any]:
        try:
            pointer: dict[str, Any] = self._store.read_json(layout.heads_promoted(collection))
        except NotFound:
            return {"model": "", "before": [], "withdrawn": ""}
        return pointer

    def _point(
        self, collection: str, model: str, before: list[str], *, withdrawn: str = ""
    ) -> None:
        kept = [each for each in dict.fromkeys(before) if each != model][: self._keep]
        pointer = {"model": model, "before": kept, "withdrawn": withdrawn}
        self._store.write_json(layout.heads_promoted(collection), pointer)

    def _prune(self, collection: str) -> None:
        """Drop all heads but the newest and the one in use, and the predictions of what is gone."""
        models = self._models(collection)
        kept = {*models[: self._keep], str(self._pointer(collection)["model"])}
        folder = layout.heads(collection)
        gone = [model for model in models if model not in kept]
        if gone:
            manifest = Manifest.load(self._store, folder)
            names = [f"{model}.{kind}" for model in gone for kind in ("safetensors", "json")]
            for name in names:
                manifest.drop(name)
            manifest.save()
            for name in names:
                self._store.delete(f"{folder}/{name}")
        predictions = layout.all_predictions(collection)
        for model in self._store.list(predictions):
            if model not in kept:
                self._store.delete(f"{predictions}/{model}")


def _version(model: str) -> int:
    return layout.name_and_version(model)[1]
