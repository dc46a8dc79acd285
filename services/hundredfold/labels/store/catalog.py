"""What the ledger needs of the catalog: read from the store, so that it works while the catalog is down."""

import math
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import (
    read_schema,
    require_collection,
    require_one_class,
    row_count,
)
from hundredfold.chassis.storage.latest import latest
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore, damaged
from hundredfold.labels.domain.copies import Copies
from hundredfold.labels.domain.page import NO_ROWS, Rows, pair_keys
from hundredfold.labels.domain.schema import Schema

RECENT_SECONDS = 1.0
"""How soon a change of the parents of classes is seen by who leases."""


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """Pairs that a FindDuplicates run leaves to a person, the likeliest copies first.

    Attributes:
        left: int64 [p].
        right: int64 [p].
        keys: int64 [p]: their `pair_keys`.
        distance: uint8 [p]: bits between their pHashes.
    """

    left: Rows
    right: Rows
    keys: Rows
    distance: npt.NDArray[np.uint8]


_NONE_ALIKE = Alike(NO_ROWS, NO_ROWS, NO_ROWS, np.empty(0, np.uint8))


class Catalog:
    """Collections, schemas and groups of copies. Safe for threads.

    What can't be undone is read once: a collection stays, classes and rows only come.
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._there: set[str] = set()
        self._schemas: dict[str, Schema] = {}
        self._read_at: dict[str, float] = {}
        self._rows: dict[str, int] = {}
        self._alike: dict[str, tuple[str, Alike]] = {}

    def require(self, collection: str) -> str:
        """The name of a collection that is there; NotFound or InvalidArgument otherwise."""
        if collection not in self._there:
            require_collection(self._store, collection)
            self._there.add(collection)
        return collection

    def require_one_class(self, collection: str, what: str) -> None:
        """Refuse what is only there where an image is of one class: Conflict SEVERAL_CLASSES."""
        require_one_class(self._store, collection, what)

    def schema(self, collection: str) -> Schema:
        """The schema as it is now."""
        found = _schema(self._store, collection)
        with self._lock:
            self._schemas[collection] = found
            self._read_at[collection] = time.monotonic()
        return found

    def recent(self, collection: str) -> Schema:
        """The schema as it was at most a second ago."""
        with self._lock:
            if self._read_at.get(collection, -math.inf) > time.monotonic() - RECENT_SECONDS:
                return self._schemas[collection]
        return self.schema(collection)

    def schema_with(self, collection: str, class_ids: Iterable[int]) -> Schema:
        """A schema that has these classes, if they exist; what was merged may be out of date."""
        with self._lock:
            known = self._schemas.get(collection)
        if known is None or known.unknown(class_ids):
            return self.schema(collection)
        return known

    def rows(self, collection: str, at_least: int) -> int:
        """How many rows the collection has, or had lately if that is enough."""
        with self._lock:
            known = self._rows.get(collection, 0)
        if known < at_least:
            known = row_count(self._store, collection)
            with self._lock:
                self._rows[collection] = known
        return known

    def duplicates(self, collection: str) -> str:
        """The newest FindDuplicates run; "" for none."""
        return latest(self._store, layout.duplicates_latest(collection))

    def copies(self, collection: str, run: str) -> Copies:
        """The groups of a FindDuplicates run."""
        manifest = Manifest.load(self._store, layout.duplicates(collection, run))
        return Copies(manifest.read_array(self._store, layout.REPRESENTATIVE, mmap=True))

    def alike(self, collection: str) -> Alike:
        """The pairs that the newest FindDuplicates run leaves to a person."""
        run = self.duplicates(collection)
        if not run:
            return _NONE_ALIKE
        manifest = Manifest.load(self._store, layout.duplicates(collection, run))
        with self._lock:
            known = self._alike.get(collection)
        if known is None or known[0] != manifest.version:
            known = manifest.version, _alike(self._store, manifest)
            with self._lock:
                self._alike[collection] = known
        return known[1]


def _alike(store: ArtifactStore, manifest: Manifest) -> Alike:
    if layout.PAIRS not in manifest.entries:
        return _NONE_ALIKE
    pairs = manifest.read_array(store, layout.PAIRS)
    distance = manifest.read_array(store, layout.PAIR_DISTANCE)
    if pairs.shape != (len(distance), 2):
        raise damaged(f"{manifest.folder}/{layout.PAIRS}", "not two rows and a distance a pair")
    left, right = (np.ascontiguousarray(pairs[:, at]) for at in (0, 1))
    return Alike(left, right, pair_keys(left, right), distance)


def _schema(store: ArtifactStore, collection: str) -> Schema:
    kept = read_schema(store, collection)
    classes = kept["classes"]
    return Schema(
        names={each["class_id"]: each["name"] for each in classes},
        merged={
            each["class_id"]: each["merged_into"] for each in classes if each.get("merged_into")
        },
        parents={each["class_id"]: each["parent_id"] for each in classes if each.get("parent_id")},
        several=kept.get("several", False),
    )
