"""What the selection service keeps, and what it reads of the others' artifacts."""

import io
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import has_several, read_schema
from hundredfold.chassis.storage.latest import latest
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore, damaged
from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.mending import Audited
from hundredfold.selection.domain.pair_pool import PairGuesses, Pairs
from hundredfold.selection.domain.parents import Families, families_of
from hundredfold.selection.domain.pool import Guesses
from hundredfold.selection.state import LoopState, state_of

_GUESSES = ("rows", "top", "second", "probability", "margin")
_OF_PARENTS = {"parent": np.empty(0, np.int32), "parent_probability": np.empty(0, np.float32)}
"""What there is only where classes have parents."""
_OF_PAIRS = ("rows", "starts", "class_ids", "probability", "rest_class_ids", "rest_probability")


@dataclass(frozen=True)
class Vectors:
    """The vectors of a space, mapped.

    Attributes:
        space: `name@version` of the backbone.
        rows: int64 [n], ascending.
        parts: of `parts[i]` the first vector is at place `starts[i]`.
        starts: int64 [p + 1].
        version: changes with any vector.
    """

    space: str
    rows: NDArray[np.int64]
    parts: tuple[NDArray[np.float16], ...]
    starts: NDArray[np.int64]
    version: str

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of rows that have one: float32 [m, d]."""
        places = np.searchsorted(self.rows, rows)
        out = np.empty((len(rows), self.parts[0].shape[1]), np.float32)
        part = np.searchsorted(self.starts, places, side="right") - 1
        for number in np.unique(part):
            inside = part == number
            out[inside] = self.parts[number][places[inside] - self.starts[number]]
        return out


class SelectionStore:
    """Loops, and the artifacts that pages are made of. Safe for threads."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def loops(self) -> list[str]:
        """The collections that have a loop."""
        names = self._store.list(layout.collections())
        return [name for name in names if self._store.exists(layout.loop(name))]

    def load(self, collection: str) -> LoopState:
        """The place of a loop; NotFound when there is none."""
        path = layout.loop(collection)
        try:
            document = self._store.read_json(path)
        except NotFound:
            raise NotFound(f"{collection} has no loop; start it", field="collection") from None
        try:
            return state_of(document)
        except (TypeError, KeyError, ValueError) as error:
            raise damaged(path, "not the place of a loop") from error

    def save(self, state: LoopState) -> None:
        """Keep the place of a loop."""
        self._store.write_json(layout.loop(state.collection), asdict(state))

    def schema_classes(self, collection: str) -> int:
        """How many classes of the schema are in use and have no children."""
        return self.families(collection).total

    def families(self, collection: str) -> Families:
        """The classes of the schema that have children."""
        classes = read_schema(self._store, collection)["classes"]
        in_use = [each for each in classes if not each.get("merged_into")]
        parents = {each["class_id"]: each["parent_id"] for each in in_use if each.get("parent_id")}
        return families_of(parents, [each["class_id"] for each in in_use])

    def class_ids(self, collection: str) -> NDArray[np.int32]:
        """The classes in use: int32 [C], ascending."""
        classes = read_schema(self._store, collection)["classes"]
        in_use = [each["class_id"] for each in classes if not each.get("merged_into")]
        return np.array(sorted(in_use), np.int32)

    def schema_version(self, collection: str) -> int:
        """Changes with any edit of the classes."""
        return int(read_schema(self._store, collection)["version"])

    def has_several(self, collection: str) -> bool:
        """Whether an image may be of several classes."""
        return has_several(self._store, collection)

    def duplicates(self, collection: str) -> str:
        """The newest FindDuplicates run; empty when there is none."""
        return latest(self._store, layout.duplicates_latest(collection))

    def alike(self, collection: str) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """The pairs that the newest FindDuplicates run leaves to people: int64 [p, 2], and bits between them: uint8 [p]."""
        run = self.duplicates(collection)
        folder = layout.duplicates(collection, run) if run else ""
        if not run or not self._store.exists(f"{folder}/{layout.PAIRS}"):
            return np.empty((0, 2), np.int64), np.empty(0, np.uint8)
        manifest = Manifest.load(self._store, folder)
        pairs = manifest.read_array(self._store, layout.PAIRS)
        distances = manifest.read_array(self._store, layout.PAIR_DISTANCE)
        if pairs.shape != (len(distances), 2):
            raise damaged(f"{folder}/{layout.PAIRS}", "not two rows and a distance a pair")
        return pairs, distances

    def space(self, collection: str) -> str:
        """The space that a collection has vectors of.

        Raises:
            Conflict: NO_VECTORS, or SPACE_UNCLEAR: it has several, and none of them is clustered.
        """
        names = self._store.list(layout.all_vectors(collection))
        found = [name for name in names if self.vectors_version(collection, name)]
        if not found:
            raise no_vectors(collection)
        if len(found) == 1:
            return found[0]
        _, space, _ = self.latest_clusters(collection)
        if space not in found:
            raise Conflict(f"name one of the spaces {', '.join(found)}", reason="SPACE_UNCLEAR")
        return space

    def vectors_version(self, collection: str, space: str) -> str:
        """Changes with any vector of a space; empty when it has none."""
        manifest = Manifest.load(self._store, layout.vectors(collection, space))
        return manifest.version if _parts(manifest) else ""

    def vectors(self, collection: str, space: str) -> Vectors:
        """Map the vectors of a space; Conflict when it has none."""
        folder = layout.vectors(collection, space)
        manifest = Manifest.load(self._store, folder)
        rows, parts = [], []
        for part in _parts(manifest):
            rows.append(manifest.read_array(self._store, layout.vectors_rows(part)))
            parts.append(manifest.read_array(self._store, layout.vectors_part(part), mmap=True))
            if len(rows[-1]) != len(parts[-1]):
                raise damaged(f"{folder}/{layout.vectors_part(part)}", "not a vector a row")
        if not sum(map(len, rows)):
            raise no_vectors(collection)
        starts = np.cumsum([0, *map(len, rows)])
        return Vectors(space, np.concatenate(rows), tuple(parts), starts, manifest.version)

    def rows(self, collection: str, space: str) -> NDArray[np.int64]:
        """The images that have a vector in a space: int64 [n], ascending; none when there is no such space."""
        manifest = Manifest.load(self._store, layout.vectors(collection, space))
        rows = [
            manifest.read_array(self._store, layout.vectors_rows(part)) for part in _parts(manifest)
        ]
        return np.concatenate([np.empty(0, np.int64), *rows])

    def latest_clusters(self, collection: str) -> tuple[str, str, int]:
        """Run, space and count of the newest clustering; ("", "", 0) when there is none.

        Of one that people have edited the count is that of the Cluster run it came from.
        """
        path = layout.clusters_latest(collection)
        run = latest(self._store, path)
        if not run:
            return "", "", 0
        document = self._store.read_json(path)
        count = document.get("began_with", document.get("count", 0))
        return run, str(document.get("space", "")), int(count)

    def edited_clusters(self, collection: str, run: str) -> str:
        """What a clustering has become since people split or merged its clusters; empty when nobody did."""
        path = layout.clusters_latest(collection)
        newest = latest(self._store, path)
        if not newest or newest == run:
            return ""
        return newest if run in self._store.read_json(path).get("edited", ()) else ""

    def clusters(self, collection: str, run: str) -> Clusters:
        """A clustering; NotFound when it is there no more."""
        manifest = Manifest.load(self._store, layout.clusters(collection, run))
        names = (layout.CLUSTER_ROWS, layout.CLUSTER_ORDER, layout.CLUSTER_SIZES)
        rows, order, sizes = (manifest.read_array(self._store, name) for name in names)
        return Clusters(run, rows[order], np.concatenate([[0], np.cumsum(sizes)]))

    def cluster_count(self, collection: str, run: str) -> int:
        """How many clusters a clustering has; 0 when it is there no more."""
        try:
            return len(self.clusters(collection, run)) if run else 0
        except NotFound:
            return 0

    def guesses(self, collection: str, model: str) -> Guesses:
        """What a head says of all images; NotFound when it is there no more."""
        folder = layout.predictions(collection, model)
        manifest = Manifest.load(self._store, folder)
        numbers = layout.part_numbers(manifest.entries, layout.predictions_part)
        names = [layout.predictions_part(number) for number in numbers]
        if not names:
            raise NotFound(f"there are no predictions of {model}")
        parts = [self._arrays(f"{folder}/{name}") for name in names]
        return Guesses(model, *(np.concatenate(each) for each in zip(*parts, strict=True)))

    def audited(self, collection: str, audit_id: str, short: int) -> Audited:
        """What an audit was drawn from, which is short of so many images; nothing when that is there no more."""
        manifest = Manifest.load(self._store, layout.audit(collection, audit_id))
        names = (layout.AUDIT_ROWS, layout.AUDIT_CLASSES)
        if not set(names) <= set(manifest.entries):
            return Audited()
        rows, class_ids = (manifest.read_array(self._store, name) for name in names)
        return Audited(rows, class_ids, short)

    def pair_guesses(self, collection: str, model: str) -> PairGuesses:
        """What a head says where an image may be of several classes; NotFound when it is there no more."""
        folder = layout.predictions(collection, model)
        manifest = Manifest.load(self._store, folder)
        numbers = layout.part_numbers(manifest.entries, layout.predictions_part)
        paths = [f"{folder}/{layout.predictions_part(number)}" for number in numbers]
        if not paths:
            raise NotFound(f"there are no predictions of {model}")
        parts = [_pair_arrays(path, self._store.read_bytes(path)) for path in paths]
        rows = [np.repeat(each["rows"], np.diff(each["starts"])) for each in parts]
        images = np.array([len(each["rows"]) for each in parts])
        pairs = Pairs(np.concatenate(rows), np.concatenate([each["class_ids"] for each in parts]))
        rest = np.stack([each["rest_probability"] for each in parts])
        mean = (rest * images[:, None]).sum(0) / max(images.sum(), 1)
        return PairGuesses(
            model,
            pairs,
            np.concatenate([each["probability"] for each in parts]),
            dict(zip(parts[0]["rest_class_ids"].tolist(), mean.tolist(), strict=True)),
        )

    def _arrays(self, path: str) -> list[NDArray[Any]]:
        data = io.BytesIO(self._store.read_bytes(path))
        try:
            with np.load(data, allow_pickle=False) as arrays:
                more = [arrays.get(name, none) for name, none in _OF_PARENTS.items()]
                return [*(arrays[name] for name in _GUESSES), *more]
        except (ValueError, KeyError, OSError, EOFError) as error:
            raise damaged(path, "not predictions") from error


def _pair_arrays(path: str, data: bytes) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in _OF_PAIRS}
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise damaged(path, "not predictions of several classes an image") from error


def no_vectors(collection: str) -> Conflict:
    """The error of a collection that was not embedded."""
    return Conflict(f"{collection} has no vectors; embed it first", reason="NO_VECTORS")


def _parts(manifest: Manifest) -> list[int]:
    return layout.part_numbers(manifest.entries, layout.vectors_part)
