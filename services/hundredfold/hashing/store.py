"""What hashing reads and writes in the store."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import PartInfo, parts
from hundredfold.chassis.storage.latest import latest, made_at, make_latest
from hundredfold.chassis.storage.manifest import NAME as MANIFEST
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore, HashingWriter
from hundredfold.hashing.domain.algorithms import ALGORITHMS, PAIRS
from hundredfold.hashing.domain.filling import PartHashes
from hundredfold.hashing.domain.groups import Groups, Similar
from hundredfold.hashing.domain.listing import LeakList

KEPT_RUNS = 3
"""FindDuplicates runs of a collection whose groups stay in the store."""


class HashFolder:
    """The hashes of one kind of a collection. One writer at a time."""

    def __init__(self, store: ArtifactStore, collection: str, algorithm: str) -> None:
        self._store = store
        self._folder = layout.hashes(collection, algorithm)
        self._manifest = Manifest.load(store, self._folder)

    def rows(self, part: int) -> int:
        """How many rows of a part were looked at; 0 when none."""
        entry = self._manifest.entries.get(layout.hashes_part(part))
        return int(entry.meta["rows"]) if entry else 0

    def failed(self, part: int) -> int:
        """How many images of a part that was looked at could not be hashed."""
        return int(self._manifest.entries[layout.hashes_part(part)].meta["failed"])

    def sha256(self, part: int) -> str:
        """Of the file of a part that was looked at."""
        return self._manifest.entries[layout.hashes_part(part)].sha256

    def is_complete(self, info: PartInfo) -> bool:
        """Whether every image of a part that is ok has its hash."""
        name = layout.hashes_part(info.part)
        entry = self._manifest.entries.get(name)
        if entry is None or entry.meta != {"rows": info.rows, "failed": 0}:
            return False
        return self._is_whole(name)

    def read(self, part: int) -> PartHashes:
        """What there is of a part.

        Raises:
            NotFound: nothing.
            Conflict: ARTIFACT_DAMAGED.
        """
        name, failed = layout.hashes_part(part), np.empty(0, np.int64)
        hashes = self._manifest.read_array(self._store, name)
        if self._manifest.entries[name].meta["failed"]:
            failed = self._manifest.read_array(self._store, layout.hashes_failed(part))
        return PartHashes(hashes, failed)

    def read_or_empty(self, part: int) -> PartHashes:
        """What there is of a part that can be used; what is damaged is to be made anew."""
        try:
            return self.read(part)
        except (Conflict, NotFound):
            return PartHashes.empty()

    def write(self, part: int, hashes: PartHashes) -> None:
        """Replace what there is of a part."""
        failed = layout.hashes_failed(part)
        if len(hashes.failed):
            self._manifest.add(
                failed, self._store.write_array(f"{self._folder}/{failed}", hashes.failed)
            )
        name = layout.hashes_part(part)
        self._manifest.add(
            name,
            self._store.write_array(f"{self._folder}/{name}", hashes.hashes),
            rows=len(hashes.hashes),
            failed=len(hashes.failed),
        )
        self._manifest.save()

    def _is_whole(self, name: str) -> bool:
        try:
            self._manifest.check(self._store, name)
        except Conflict:
            return False
        return True


def hashed_pair(store: ArtifactStore, collection: str) -> tuple[str, str]:
    """The preferred pHash and dHash that the whole collection has.

    Raises:
        Conflict: NOT_HASHED; OTHER_ALGORITHM when there are hashes, of none of the ways that are known.
    """
    known = parts(store, collection)
    for pair in PAIRS:
        folders = [HashFolder(store, collection, algorithm) for algorithm in pair]
        if all(folder.rows(info.part) == info.rows for folder in folders for info in known):
            return pair
    there = set(store.list(layout.all_hashes(collection)))
    if there and there.isdisjoint(ALGORITHMS):
        raise Conflict(
            f"collection {collection} is hashed by {', '.join(sorted(there))}; this service compares "
            f"{' and '.join(PAIRS[0])}: call HashCollection",
            reason="OTHER_ALGORITHM",
        )
    raise Conflict(
        f"collection {collection} is not hashed, or has grown since: call HashCollection first",
        reason="NOT_HASHED",
    )


def common_pair(store: ArtifactStore, collections: Sequence[str]) -> tuple[str, str]:
    """The pHash and dHash of some collections that are to be compared.

    Raises:
        Conflict: NOT_HASHED; OTHER_ALGORITHM, when they are not hashed in the same way.
    """
    pairs_of = {name: hashed_pair(store, name) for name in collections}
    if len(set(pairs_of.values())) > 1:
        told = " but ".join(f"{name} by {' and '.join(pair)}" for name, pair in pairs_of.items())
        raise Conflict(
            f"hashes of different kinds can't be compared: {told}; hash both in the same way",
            reason="OTHER_ALGORITHM",
        )
    return pairs_of[collections[0]]


def fingerprint(store: ArtifactStore, collection: str) -> str:
    """Changes whenever `hashed_pair` or `version` may; much cheaper than these."""
    names = sorted({name for pair in PAIRS for name in pair})
    digest = hashlib.sha256()
    for folder in (layout.images(collection), *(layout.hashes(collection, name) for name in names)):
        try:
            saved = store.read_bytes(f"{folder}/{MANIFEST}")
        except NotFound:
            saved = b""
        digest.update(len(saved).to_bytes(8, "little") + saved)
    return digest.hexdigest()


def version(store: ArtifactStore, collection: str, pair: Sequence[str]) -> str:
    """A digest that changes when rows or hashes of the collection do."""
    folders = [layout.images(collection), *(layout.hashes(collection, name) for name in pair)]
    versions = [f"{folder} {Manifest.load(store, folder).version}" for folder in folders]
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()


class Duplicates:
    """The FindDuplicates runs of a collection. One writer at a time."""

    def __init__(self, store: ArtifactStore, collection: str) -> None:
        self._store = store
        self._collection = collection

    def latest(self) -> str:
        """The newest complete run, "" when there is none."""
        return latest(self._store, layout.duplicates_latest(self._collection))

    def facts(self, run: str) -> Mapping[str, Any]:
        """What `write` was told of a run."""
        return self._manifest(run).meta

    def made_at(self, run: str) -> float:
        """Unix seconds of `write`; 0 when there is no such run."""
        return made_at(self._manifest(run))

    def is_of(self, run: str, facts: Mapping[str, Any]) -> bool:
        """Whether a run is there, whole, and `write` was told these facts among others."""
        manifest = self._manifest(run)
        if not facts.items() <= manifest.meta.items():
            return False
        try:
            for name in (layout.REPRESENTATIVE, layout.DUPLICATE_DISTANCE):
                manifest.check(self._store, name)
        except (Conflict, NotFound):
            return False
        return True

    def read(self, run: str) -> Groups:
        """The groups of a run.

        Raises:
            NotFound: there is none of that id, or no more.
            Conflict: ARTIFACT_DAMAGED.
        """
        manifest = self._manifest(run)
        if layout.DUPLICATE_DISTANCE not in manifest.entries:
            raise NotFound(
                f"there is no FindDuplicates run {run} of {self._collection}", field="duplicates"
            )
        return Groups(
            manifest.read_array(self._store, layout.REPRESENTATIVE),
            manifest.read_array(self._store, layout.DUPLICATE_DISTANCE),
        )

    def near_values(self, run: str) -> NDArray[np.uint64] | None:
        """The near pairs of values that a run kept, uint64 [p, 2], mapped; None = it kept none."""
        manifest = self._manifest(run)
        try:
            pairs = manifest.read_array(self._store, layout.NEAR_VALUES, mmap=True)
        except (Conflict, NotFound):
            return None
        return pairs

    def write(
        self,
        run: str,
        groups: Groups,
        facts: Mapping[str, Any],
        near: Callable[[HashingWriter], None] | None = None,
        similar: Similar | None = None,
    ) -> None:
        """Keep the groups of a run, point to it, then forget the oldest runs.

        Args:
            run: its id.
            groups: its groups.
            facts: what else there is to know.
            near: writes the near pairs of values as an array; None = they are not kept.
            similar: pairs for people to judge.
        """
        folder = layout.duplicates(self._collection, run)
        manifest = Manifest(self._store, folder)
        if near is not None:
            with self._store.writer(f"{folder}/{layout.NEAR_VALUES}") as out:
                near(out)
            manifest.add(layout.NEAR_VALUES, out.artifact)
        arrays: dict[str, NDArray[Any]] = {
            layout.REPRESENTATIVE: groups.representative,
            layout.DUPLICATE_DISTANCE: groups.distance,
        }
        if similar is not None and len(similar.pairs):
            arrays |= {layout.PAIRS: similar.pairs, layout.PAIR_DISTANCE: similar.distance}
        for name, array in arrays.items():
            manifest.add(name, self._store.write_array(f"{folder}/{name}", array))
        manifest.set_meta(**facts)
        pointer = layout.duplicates_latest(self._collection)
        make_latest(self._store, pointer, manifest, keep=KEPT_RUNS)

    def _manifest(self, run: str) -> Manifest:
        return Manifest.load(self._store, layout.duplicates(self._collection, run))


class LeakStore:
    """The FindLeaks runs of a collection. One writer at a time."""

    _ARRAYS = (layout.LEAK_ROWS, layout.LEAK_SIDES, layout.LEAK_DISTANCE)

    def __init__(self, store: ArtifactStore, collection: str) -> None:
        self._store = store
        self._collection = collection

    def latest(self) -> str:
        """The newest complete run, "" when there is none."""
        return latest(self._store, layout.leaks_latest(self._collection))

    def facts(self, run: str) -> Mapping[str, Any]:
        """What `write` was told of a run."""
        return self._manifest(run).meta

    def is_of(self, run: str, facts: Mapping[str, Any]) -> bool:
        """Whether a run is there, whole, and `write` was told these facts among others."""
        manifest = self._manifest(run)
        if not facts.items() <= manifest.meta.items():
            return False
        return not manifest.verify(self._store)

    def read(self, run: str) -> LeakList:
        """What a run found.

        Raises:
            NotFound: there is none of that id, or no more.
            Conflict: ARTIFACT_DAMAGED.
        """
        manifest = self._manifest(run)
        if layout.LEAK_ROWS not in manifest.entries:
            raise NotFound(f"there is no FindLeaks run {run} of {self._collection}", field="leaks")
        rows, sides_of, distances = (
            manifest.read_array(self._store, name) for name in self._ARRAYS
        )
        counted = manifest.meta["counted"]
        return LeakList(rows, sides_of, distances, counted["sides"], counted["counts"])

    def write(self, run: str, found: LeakList, facts: Mapping[str, Any]) -> None:
        """Keep what a run found, point to it, then forget the oldest runs."""
        folder = layout.leaks(self._collection, run)
        manifest = Manifest(self._store, folder)
        arrays: tuple[NDArray[Any], ...] = (found.rows, found.sides_of, found.distances)
        for name, array in zip(self._ARRAYS, arrays, strict=True):
            manifest.add(name, self._store.write_array(f"{folder}/{name}", array))
        manifest.set_meta(**facts)
        pointer = layout.leaks_latest(self._collection)
        make_latest(self._store, pointer, manifest, keep=KEPT_RUNS)

    def _manifest(self, run: str) -> Manifest:
        return Manifest.load(self._store, layout.leaks(self._collection, run))
