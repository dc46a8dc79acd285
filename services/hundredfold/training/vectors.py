"""The vectors of a space, as they are in the store: mapped part by part, never read as a whole."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Aborted
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.layout import PART_ROWS
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore, damaged

_TRIES = 3

T = TypeVar("T")
P = TypeVar("P", bound="PartVectors")


@dataclass(frozen=True)
class PartVectors:
    """One part of a space.

    Attributes:
        part: its number.
        digest: changes with its content.
        rows: int64 [m], ascending.
        vectors: float16 [m, d], mapped.
    """

    part: int
    digest: str
    rows: NDArray[np.int64]
    vectors: NDArray[np.float16]

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where rows are in this part: int64 [n]; -1 for one that is not."""
        found = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[found] == rows, found, -1)


def by_part(parts: Sequence[P], rows: NDArray[np.int64]) -> Iterator[tuple[P, slice]]:
    """Each part, and where in rows [n], ascending, those are that it may hold."""
    for part in parts:
        first = part.part * PART_ROWS
        low, high = np.searchsorted(rows, [first, first + PART_ROWS])
        yield part, slice(int(low), int(high))


def holds(parts: Sequence[PartVectors], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of rows [n], in any order, have a vector: bool [n]."""
    order = np.argsort(rows, kind="stable")
    found = np.zeros(len(rows), np.bool_)
    for part, piece in by_part(parts, rows[order]):
        found[order[piece]] = part.places(rows[order[piece]]) >= 0
    return found


def vectors_of(parts: Sequence[PartVectors], rows: NDArray[np.int64]) -> NDArray[np.float16]:
    """The vectors of rows [n], ascending, which all have one: float16 [n, d]."""
    pieces = [part.vectors[part.places(rows[piece])] for part, piece in by_part(parts, rows)]
    return np.concatenate(pieces)


def read_parts(
    store: ArtifactStore, collection: str, space: str, known: Sequence[P] = ()
) -> tuple[list[PartVectors | P], str]:
    """The parts of a space that hold anything, in order, and what changes with any vector.

    Args:
        store: where the space is.
        collection: of the images.
        space: `name@version`.
        known: parts that are taken over as they are where they have not changed.

    Raises:
        Conflict: an artifact is damaged.
        Aborted: its parts are being replaced all the time.
    """
    folder = layout.vectors(collection, space)
    return _retried(lambda: _read_all(store, folder, known))


def read_part(store: ArtifactStore, collection: str, space: str, part: int) -> PartVectors | None:
    """One part of a space as it is now; None when there is none.

    Raises:
        Conflict: an artifact is damaged.
        Aborted: it is being replaced all the time.
    """

    def read() -> PartVectors | None:
        manifest = Manifest.load(store, layout.vectors(collection, space))
        digest = _digests(manifest).get(part)
        return _read(store, manifest, part, digest) if digest else None

    return _retried(read)


def _retried(read: Callable[[], T]) -> T:
    for _ in range(_TRIES - 1):
        try:
            return read()
        except Aborted:
            continue
    return read()


def _read_all(
    store: ArtifactStore, folder: str, known: Sequence[P]
) -> tuple[list[PartVectors | P], str]:
    manifest = Manifest.load(store, folder)
    same = {(each.part, each.digest): each for each in known}
    found = [
        same.get((part, digest)) or _read(store, manifest, part, digest)
        for part, digest in _digests(manifest).items()
    ]
    return [each for each in found if len(each.rows)], manifest.version


def _read(store: ArtifactStore, manifest: Manifest, part: int, digest: str) -> PartVectors:
    vectors = manifest.read_array(store, layout.vectors_part(part), mmap=True)
    rows = manifest.read_array(store, layout.vectors_rows(part))
    if vectors.dtype != np.float16 or vectors.ndim != 2 or rows.shape != vectors.shape[:1]:
        path = f"{manifest.folder}/{layout.vectors_part(part)}"
        raise damaged(path, "not float16 [m, d] with m rows")
    return PartVectors(part, digest, rows.astype(np.int64, copy=False), vectors)


def _digests(manifest: Manifest) -> dict[int, str]:
    """The content of each part of a space, by its number, in order."""
    return {
        number: manifest.entries[layout.vectors_part(number)].sha256
        + manifest.entries[layout.vectors_rows(number)].sha256
        for number in layout.part_numbers(manifest.entries, layout.vectors_part)
        if layout.vectors_rows(number) in manifest.entries
    }
