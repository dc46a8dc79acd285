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


@dataclass(frozen=True)
class Space:
    """All vectors of a space.

    Attributes:
        vectors: memory-mapped.
        rows: int64 [m], ascending: the row of each vector.
        version: changes whenever the vectors do.
    """

    vectors: VectorParts
    rows: NDArray[np.int64]
    version: str


class Spaces:
    """The spaces of a store. Safe for threads."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def require(self, collection: str, space: str) -> None:
        """Raise NotFound without the collection, Conflict without vectors in the space."""
        require_collection(self._store, collection)
        folder = layout.vectors(collection, space)
        if not any(
            len(self._rows(folder, part)) for part in _parts(Manifest.load(self._store, folder))
        ):
            raise _no_vectors(space)

    def read(self, collection: str, space: str) -> Space:
        """Map all vectors of a space.

        Raises:
            NotFound: there is no such collection.
            Conflict: the space has no vectors, or they are damaged.
            Aborted: they are being replaced all the time.
        """
        require_collection(self._store, collection)
        return again(lambda: self._read(collection, space))

    def vectors_of(
        self, collection: str, space: str, rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """The normalised vectors of some rows: float32 [len(rows), d].

        Raises:
            NotFound: a row has no vector.
        """
        return again(lambda: self._vectors_of(layout.vectors(collection, space), rows))

    def _read(self, collection: str, space: str) -> Space:
        folder = layout.vectors(collection, space)
        manifest = Manifest.load(self._store, folder)
        vectors, rows = [], []
        for part in _parts(manifest):
            names = layout.vectors_part(part), layout.vectors_rows(part)
            pair = [manifest.read_array(self._store, name, mmap=True) for name in names]
            _check_pair(f"{folder}/{names[0]}", *pair)
            vectors.append(pair[0])
            rows.append(pair[1])
        if not sum(len(each) for each in rows):
            raise _no_vectors(space)
        return Space(VectorParts(vectors), np.concatenate(rows), manifest.version)

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


def again(read: Callable[[], T]) -> T:
    """Read; when a writer replaced something in between, read again, a few times."""
    for _ in range(_TRIES - 1):
        try:
            return read()
        except Aborted:
            continue
    return read()


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
        raise NotFound(f"row {row} has no vector", field="rows", metadata={"row": str(row)})
    return np.asarray(vectors[at])


def _no_vectors(space: str) -> Conflict:
    return Conflict(f"space {space} has no vectors; call EmbedCollection", reason="NO_VECTORS")
