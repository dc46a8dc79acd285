"""What hashing reads and writes in the store."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import PartInfo, parts, read_images_part
from hundredfold.chassis.storage.latest import latest, made_at, make_latest
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.hashing.domain.algorithms import PAIRS
from hundredfold.hashing.domain.filling import PartHashes
from hundredfold.hashing.domain.groups import Groups, Images
from hundredfold.hashing.domain.hashes import tells

KEPT_RUNS = 3
"""FindDuplicates runs of a collection whose groups stay in the store."""

_NO_DIGEST = bytes(32)


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
        Conflict: NOT_HASHED.
    """
    known = parts(store, collection)
    for pair in PAIRS:
        folders = [HashFolder(store, collection, algorithm) for algorithm in pair]
        if all(folder.rows(info.part) == info.rows for folder in folders for info in known):
            return pair
    raise Conflict(
        f"collection {collection} is not hashed, or has grown since: call HashCollection first",
        reason="NOT_HASHED",
    )


def version(store: ArtifactStore, collection: str, pair: Sequence[str]) -> str:
    """A digest that changes when rows or hashes of the collection do."""
    folders = [layout.images(collection), *(layout.hashes(collection, name) for name in pair)]
    versions = [f"{folder} {Manifest.load(store, folder).version}" for folder in folders]
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()


def read_images(store: ArtifactStore, collection: str, pair: tuple[str, str]) -> Images:
    """What is known of every row of a collection that has the hashes of the pair.

    Raises:
        Conflict: ARTIFACT_DAMAGED, or NOT_HASHED when it has grown meanwhile.
    """
    folders = [HashFolder(store, collection, algorithm) for algorithm in pair]
    found = [_read_part(store, collection, info, folders) for info in parts(store, collection)]
    if not found:
        return _NO_IMAGES
    return Images(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))


_NO_IMAGES = Images(
    np.empty(0, np.uint64),
    np.empty(0, np.uint64),
    np.empty((0, 4), np.uint64),
    np.empty(0, np.int64),
    np.empty(0, np.bool_),
    np.empty(0, np.bool_),
)


def _read_part(
    store: ArtifactStore, collection: str, info: PartInfo, folders: Sequence[HashFolder]
) -> tuple[NDArray[Any], ...]:
    columns = ["sha256", "width", "height", "status"]
    table = read_images_part(store, collection, info.part, columns)
    phash, dhash = (folder.read(info.part) for folder in folders)
    if not len(phash.hashes) == len(dhash.hashes) == table.num_rows:
        raise Conflict(f"collection {collection} has grown meanwhile", reason="NOT_HASHED")
    ok = table["status"].to_numpy() == "ok"
    hashed = ok.copy()
    hashed[phash.failed] = hashed[dhash.failed] = False
    hashed &= tells(dhash.hashes)
    pixels = _integers(table, "width") * _integers(table, "height")
    return phash.hashes, dhash.hashes, _digests(table["sha256"].to_pylist()), pixels, ok, hashed


def _integers(table: Any, column: str) -> NDArray[np.int64]:
    return np.asarray(table[column].fill_null(0).to_numpy(), np.int64)


def _digests(sha256: list[bytes | None]) -> NDArray[np.uint64]:
    joined = b"".join(digest or _NO_DIGEST for digest in sha256)
    return np.frombuffer(joined, np.uint64).reshape(-1, 4)


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

    def write(self, run: str, groups: Groups, facts: Mapping[str, Any]) -> None:
        """Keep the groups of a run, point to it, then forget the oldest runs."""
        folder = layout.duplicates(self._collection, run)
        manifest = Manifest(self._store, folder)
        for name, array in (
            (layout.REPRESENTATIVE, groups.representative),
            (layout.DUPLICATE_DISTANCE, groups.distance),
        ):
            manifest.add(name, self._store.write_array(f"{folder}/{name}", array))
        manifest.set_meta(**facts)
        pointer = layout.duplicates_latest(self._collection)
        make_latest(self._store, pointer, manifest, keep=KEPT_RUNS)

    def _manifest(self, run: str) -> Manifest:
        return Manifest.load(self._store, layout.duplicates(self._collection, run))
