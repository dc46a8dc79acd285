"""Reading spaces: the vectors that the embedding service keeps of a collection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Aborted, Conflict, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import require_collection
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore, damaged
from hundredfold.index.domain.parts import VectorParts, normalised

_TRIES = 3

T = TypeVar("T")


DEEP_BYTES = 4 << 30
"""So much of a space is compared with its sha256 before it is searched; of a larger one only the sizes."""


@dataclass(frozen=True)
class PartOfSpace:
    """A part as its manifest knows it: its number, the sha256 of its vectors and of its rows, and how many."""

    marks: tuple[int, str, str]
    count: int


@dataclass(frozen=True)
class Space:
    """All vectors of a space.

    Attributes:
        vectors: memory-mapped.
        rows: int64 [m], ascending: the row of each vector.
        version: changes whenever the vectors do.
        parts: what they are made of, in order.
        damaged: files that were left out for it.
    """

    vectors: VectorParts
    rows: NDArray[np.int64]
    version: str
    parts: tuple[PartOfSpace, ...] = ()
    damaged: tuple[str, ...] = ()

    def positions(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where in `vectors` those of some rows are: int64 [len(rows)], -1 for a row that has none."""
        at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[at] == rows, at, -1)

    def of_rows(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The normalised vectors of some rows: float32 [len(rows), d]; NotFound if a row has none."""
        positions = self.positions(rows)
        if (positions < 0).any():
            lost = f"; {', '.join(self.damaged)} damaged" if self.damaged else ""
            raise _no_vector(int(rows[positions.argmin()]), lost)
        return self.vectors.take(positions)


class Spaces:
    """The spaces of a store. Safe for threads."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def require(self, collection: str, space: str) -> None:
        """Raise NotFound as `require_space`, Conflict without vectors in the space."""
        self.require_space(collection, space)
        folder = layout.vectors(collection, space)
        if not any(
            len(self._rows(folder, part)) for part in _parts(Manifest.load(self._store, folder))
        ):
            raise _no_vectors(space)

    def require_space(self, collection: str, space: str) -> None:
        """Raise NotFound, with the spaces that there are, unless this is one."""
        require_collection(self._store, collection)
        if not self._store.exists(layout.vectors(collection, space)):
            there = self._there(collection)
            raise NotFound(
                f"{collection} has no space {space}; it has {there or 'none'}",
                field="space",
                metadata={"spaces": there},
            )

    def read(self, collection: str, space: str, *, deep: bool = False) -> Space:
        """Map all vectors of a space.

        Args:
            collection: whose.
            space: which.
            deep: compare every part with its sha256; else only its size.

        Raises:
            NotFound: there is no such collection or space.
            Conflict: the space has no vectors, or they are damaged.
            Aborted: they are being replaced all the time.
        """
        self.require_space(collection, space)
        return again(lambda: self._read(collection, space, deep=deep))

    def version(self, collection: str, space: str) -> str:
        """What tells the vectors of a space from those it has later."""
        return Manifest.load(self._store, layout.vectors(collection, space)).version

    def vectors_of(
        self, collection: str, space: str, rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """The normalised vectors of some rows: float32 [len(rows), d].

        Raises:
            NotFound: a row has no vector.
        """
        return again(lambda: self._vectors_of(layout.vectors(collection, space), rows))

    def whole(self, collection: str, space: str, *, deep: bool = False) -> Space:
        """Map all vectors of a space but those of damaged parts, which are named.

        Args:
            collection: whose.
            space: which.
            deep: compare every part with its sha256; else only where that takes seconds.

        Raises:
            NotFound: there is no such collection or space.
            Conflict: the space has no vectors, or all of them are damaged.
            Aborted: they are being replaced all the time.
        """
        self.require_space(collection, space)
        return again(lambda: self._read(collection, space, deep=deep, strict=False))

    def _read(
        self, collection: str, space: str, *, deep: bool = False, strict: bool = True
    ) -> Space:
        folder = layout.vectors(collection, space)
        manifest = Manifest.load(self._store, folder)
        deep = deep or (not strict and _bytes(manifest) <= DEEP_BYTES)
        found, lost, dimensions = [], [], 0
        for part in _parts(manifest):
            try:
                pair = self._mapped(manifest, part, dimensions, deep=deep)
            except Conflict as error:
                if strict or error.reason != "ARTIFACT_DAMAGED":
                    raise
                lost.append(error)
                continue
            found.append((part, *pair))
            dimensions = dimensions or (pair[0].shape[1] if len(pair[0]) else 0)
        if not any(len(rows) for _, _, rows in found):
            raise lost[0] if lost else _no_vectors(space)
        damaged_files = tuple(str(error.metadata["path"]) for error in lost)
        return Space(
            VectorParts([vectors for _, vectors, _ in found]),
            np.concatenate([rows for _, _, rows in found]),
            _version(manifest, damaged_files),
            tuple(_of_part(manifest, part, len(rows)) for part, _, rows in found),
            damaged_files,
        )

    def _mapped(
        self, manifest: Manifest, part: int, dimensions: int, *, deep: bool
    ) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        """Vectors and rows of a part; Conflict (ARTIFACT_DAMAGED) if they are not as they must be."""
        names = layout.vectors_part(part), layout.vectors_rows(part)
        vectors, rows = (
            manifest.read_array(self._store, name, mmap=True, deep=deep) for name in names
        )
        path = f"{manifest.folder}/{names[0]}"
        _check_pair(path, vectors, rows)
        if len(vectors) and dimensions not in (0, vectors.shape[1]):
            raise damaged(
                path, f"vectors of {vectors.shape[1]} numbers, those before have {dimensions}"
            )
        return vectors, rows

    def _vectors_of(self, folder: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = [layout.part_of(int(row)) for row in rows]
        pairs = {part: self._pair(folder, part) for part in set(parts)}
        chosen = [_pick(*pairs[part], int(row)) for part, row in zip(parts, rows, strict=True)]
        return normalised(np.stack(chosen))

    def _pair(self, folder: str, part: int) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        """Vectors and rows of a part, empty when there is none."""
        path = f"{folder}/{layout.vectors_part(part)}"
        if not self._store.exists(path):
            return np.empty((0, 0), np.float16), np.empty(0, np.int64)
        vectors, rows = self._store.read_array(path, mmap=True), self._rows(folder, part)
        if len(vectors) != len(rows):
            raise Aborted(f"{path} is being replaced; try again", reason="ARTIFACT_REPLACED")
        return vectors, rows

    def _rows(self, folder: str, part: int) -> NDArray[np.int64]:
        return self._store.read_array(f"{folder}/{layout.vectors_rows(part)}", mmap=True)

    def _there(self, collection: str) -> str:
        return ", ".join(self._store.list(layout.all_vectors(collection)))


def again(read: Callable[[], T]) -> T:
    """Read; when a writer replaced something in between, read again, a few times."""
    for _ in range(_TRIES - 1):
        try:
            return read()
        except Aborted:
            continue
    return read()


def whole(store: ArtifactStore, folder: str) -> Manifest | None:
    """The manifest of a folder whose files are what it says; None when one is not, or there is none."""
    try:
        manifest = Manifest.load(store, folder)
    except Conflict:
        return None
    return None if not manifest.entries or manifest.verify(store) else manifest


def _parts(manifest: Manifest) -> list[int]:
    """The parts of a space, in order."""
    numbers = layout.part_numbers(manifest.entries, layout.vectors_part)
    return [number for number in numbers if layout.vectors_rows(number) in manifest.entries]


def _check_pair(path: str, vectors: NDArray[Any], rows: NDArray[Any]) -> None:
    if vectors.dtype != np.float16 or vectors.ndim != 2 or rows.shape != vectors.shape[:1]:
        raise damaged(path, "not float16 [m, d] with m rows")


def _pick(vectors: NDArray[np.float16], rows: NDArray[np.int64], row: int) -> NDArray[np.float16]:
    at = int(np.searchsorted(rows, row))
    if at == len(rows) or rows[at] != row:
        raise _no_vector(row)
    return np.asarray(vectors[at])


def _no_vector(row: int, why: str = "") -> NotFound:
    return NotFound(f"row {row} has no vector{why}", field="rows", metadata={"row": str(row)})


def _no_vectors(space: str) -> Conflict:
    return Conflict(f"space {space} has no vectors; call EmbedCollection", reason="NO_VECTORS")


def _bytes(manifest: Manifest) -> int:
    return sum(entry.bytes for entry in manifest.entries.values())


def _version(manifest: Manifest, damaged_files: tuple[str, ...]) -> str:
    """What was made without some parts is made anew once they are there again."""
    return " without ".join([manifest.version, *damaged_files])


def _of_part(manifest: Manifest, part: int, count: int) -> PartOfSpace:
    names = layout.vectors_part(part), layout.vectors_rows(part)
    vectors, rows = (manifest.entries[name].sha256 for name in names)
    return PartOfSpace((part, vectors, rows), count)
