"""What audits are drawn from and what was drawn: artifacts in the store."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hundredfold.chassis.errors import InvalidArgument, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore, damaged
from hundredfold.labels.domain.audit import Drawn
from hundredfold.labels.domain.class_view import NOT
from hundredfold.labels.domain.page import Ids, Mask, Rows

_PREDICTED = ("rows", "top", "probability")
_PAIRS = ("rows", "starts", "class_ids", "probability", "rest_class_ids", "rest_probability")
_YES = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Images, and the class that each would get.

    Attributes:
        rows: int64 [m], ascending.
        class_ids: int32 [m].
        probabilities: float32 [m]: how sure the head is; 1 for a cluster.
    """

    rows: Rows
    class_ids: Ids
    probabilities: npt.NDArray[np.float32]

    def only(self, kept: Mask) -> "Population":
        """Those of a mask [m]."""
        return Population(self.rows[kept], self.class_ids[kept], self.probabilities[kept])

    def and_also(self, others: "Population") -> "Population":
        """With other images among them."""
        order = np.argsort(np.concatenate([self.rows, others.rows]), kind="stable")
        return Population(
            np.concatenate([self.rows, others.rows])[order],
            np.concatenate([self.class_ids, others.class_ids])[order],
            np.concatenate([self.probabilities, others.probabilities])[order],
        )

    def at(self, places: Rows) -> Drawn:
        """Those at some places, in the order in which they were drawn."""
        turns = np.argsort(places, kind="stable")
        places = places[turns]
        return Drawn(self.rows[places], self.class_ids[places], self.probabilities[places], turns)


class AuditStore:
    """Reads predictions and clusters; keeps populations and samples. Safe for threads."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def predictions(self, collection: str, model: str) -> Population:
        """What a head says of all images.

        Raises:
            InvalidArgument: the name can't be one.
            NotFound: there is no such head, or there are no predictions of it.
        """
        parts = self._parts(collection, model, _PREDICTED)
        rows, top, probability = (np.concatenate(each) for each in zip(*parts, strict=True))
        order = np.argsort(rows, kind="stable")
        return Population(rows[order], top[order], np.nan_to_num(probability[order]))

    def pair_predictions(self, collection: str, model: str, class_id: int) -> Population:
        """Of all images whether a head takes them for one class: the class, or `NOT`, and how sure it is of that.

        Raises:
            InvalidArgument: the name can't be one.
            NotFound: there is no such head, there are no predictions of it, or it does not know the class.
        """
        parts = [_pairs_of(each, class_id) for each in self._parts(collection, model, _PAIRS)]
        if any(each is None for each in parts):
            raise NotFound(f"{model} does not know class {class_id}", field="class_id")
        rows, chances = (np.concatenate(each) for each in zip(*filter(None, parts), strict=True))
        order = np.argsort(rows, kind="stable")
        rows, chances = rows[order], chances[order]
        classes = np.where(chances >= _YES, np.int32(class_id), np.int32(NOT))
        return Population(rows, classes, np.maximum(chances, 1 - chances))

    def _parts(
        self, collection: str, model: str, names: tuple[str, ...]
    ) -> list[list[npt.NDArray[Any]]]:
        """These arrays of each part of what a head says; NotFound without any."""
        folder = layout.predictions(collection, model)
        manifest = Manifest.load(self._store, folder)
        numbers = layout.part_numbers(manifest.entries, layout.predictions_part)
        if not numbers:
            raise NotFound(f"{collection} has no predictions of {model}", field="model")
        paths = [f"{folder}/{layout.predictions_part(number)}" for number in numbers]
        return [self._part(path, names) for path in paths]

    def cluster(self, collection: str, name: str, class_id: int) -> Population:
        """The images of a cluster `run/number`, as if all were of a class.

        Raises:
            InvalidArgument: the name can't be one.
            NotFound: there is no such cluster, or nothing is in it.
        """
        run, _, number = name.partition("/")
        if not (number.isdecimal() and number.isascii() and len(number) < 10):
            raise InvalidArgument("a cluster is named run/number", field="cluster")
        folder = layout.clusters(collection, layout.check_run(run, "cluster"))
        manifest = Manifest.load(self._store, folder)
        if layout.CLUSTER_ROWS not in manifest.entries:
            raise NotFound(f"{collection} has no clusters {run}", field="cluster")
        rows = manifest.read_array(self._store, layout.CLUSTER_ROWS)
        assignment = manifest.read_array(self._store, layout.CLUSTER_ASSIGNMENT, mmap=True)
        inside = rows[assignment == int(number)]
        if not inside.size:
            raise NotFound(f"nothing is in cluster {name}", field="cluster")
        ones = np.ones(len(inside), np.float32)
        return Population(inside, np.full(len(inside), class_id, np.int32), ones)

    def save(
        self,
        collection: str,
        audit_id: str,
        population: Population,
        drawn: Drawn,
        meta: Mapping[str, str],
    ) -> None:
        """Keep what an audit is drawn from."""
        manifest = Manifest(self._store, layout.audit(collection, audit_id))
        arrays: dict[str, npt.NDArray[Any]] = {
            layout.AUDIT_ROWS: population.rows,
            layout.AUDIT_CLASSES: population.class_ids,
            layout.AUDIT_PROBABILITIES: population.probabilities,
            layout.AUDIT_SAMPLE: drawn.rows[np.argsort(drawn.turns)],
        }
        for name, array in arrays.items():
            manifest.add(name, self._store.write_array(f"{manifest.folder}/{name}", array))
        manifest.set_meta(**meta)
        manifest.save()

    def population(self, collection: str, audit_id: str) -> Population:
        """What nobody had labelled when an audit was drawn, mapped."""
        names = (layout.AUDIT_ROWS, layout.AUDIT_CLASSES, layout.AUDIT_PROBABILITIES)
        manifest = Manifest.load(self._store, layout.audit(collection, audit_id))
        return Population(*(manifest.read_array(self._store, name, mmap=True) for name in names))

    def drawn(self, collection: str, audit_id: str) -> Drawn:
        """The sample of an audit."""
        manifest = Manifest.load(self._store, layout.audit(collection, audit_id))
        rows = manifest.read_array(self._store, layout.AUDIT_SAMPLE)
        population = self.population(collection, audit_id)
        return population.at(np.searchsorted(population.rows, rows))

    def _part(self, path: str, names: tuple[str, ...]) -> list[npt.NDArray[Any]]:
        data = io.BytesIO(self._store.read_bytes(path))
        try:
            with np.load(data, allow_pickle=False) as arrays:
                return [arrays[name] for name in names]
        except (ValueError, KeyError, OSError, EOFError) as error:
            raise damaged(path, "not predictions") from error


def _pairs_of(
    part: list[npt.NDArray[Any]], class_id: int
) -> tuple[Rows, npt.NDArray[np.float32]] | None:
    """The images of a part and the probability that each is of a class; None when the head does not know it."""
    rows, starts, class_ids, probability, rest_ids, rest = part
    known = np.flatnonzero(rest_ids == class_id)
    if not known.size:
        return None
    chances = np.full(len(rows), rest[known[0]], np.float32)
    mine = class_ids == class_id
    chances[np.repeat(np.arange(len(rows)), np.diff(starts))[mine]] = probability[mine]
    return rows, chances
