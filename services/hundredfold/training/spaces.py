"""The vectors of a space, projected and kept in memory, extended as their parts grow."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Aborted, Conflict
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore, damaged
from hundredfold.training.domain.projection import Projection, fit_projection

_SAMPLE = 50_000
_GROWTH = 2.0  # the projection is fitted anew once there are so many times the vectors it has seen
_TRIES = 3


@dataclass(frozen=True)
class PartFeatures:
    """One part of a space.

    Attributes:
        part: its number.
        digest: changes with its content.
        rows: int64 [m], ascending.
        features: float32 [m, k].
    """

    part: int
    digest: str
    rows: NDArray[np.int64]
    features: NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """A space, projected.

    Attributes:
        projection: of the vectors.
        fitted_on: how many vectors there were when the projection was fitted.
        parts: in order.
        rows: int64 [N], ascending: the rows of all parts.
        matrix: float32 [N, k], the features of all parts, of which `parts` hold views.
        version: changes with any vector.
    """

    projection: Projection
    fitted_on: int
    parts: tuple[PartFeatures, ...]
    rows: NDArray[np.int64]
    matrix: NDArray[np.float32]
    version: str

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where rows are in the matrix: int64 [n]; -1 for one that has no vector."""
        found = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[found] == rows, found, -1)


class Spaces:
    """The spaces of a store, the ones used last in memory. Safe for threads.

    Args:
        store: where vectors are.
        dimensions: of the projection.
        most: spaces kept in memory.
    """

    def __init__(self, store: ArtifactStore, *, dimensions: int, most: int) -> None:
        self._store = store
        self._dimensions = dimensions
        self._most = most
        self._kept: OrderedDict[tuple[str, str], Features] = OrderedDict()
        self._lock = threading.Lock()

    def features(self, collection: str, space: str) -> Features:
        """The space as it is now.

        Raises:
            Conflict: NO_VECTORS; or an artifact is damaged.
            Aborted: its parts are being replaced all the time.
        """
        with self._lock:
            known = self._kept.get((collection, space))
        for attempt in range(_TRIES):
            try:
                found = self._load(layout.vectors(collection, space), known)
                break
            except Aborted:
                if attempt == _TRIES - 1:
                    raise
        if found is None:
            raise Conflict(f"space {space} has no vectors; embed first", reason="NO_VECTORS")
        with self._lock:
            self._kept[collection, space] = found
            self._kept.move_to_end((collection, space))
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found

    def _load(self, folder: str, known: Features | None) -> Features | None:
        manifest = Manifest.load(self._store, folder)
        if known and known.version == manifest.version:
            return known
        digests = _digests(manifest)
        vectors = {part: self._read(folder, manifest, part) for part in digests}
        vectors = {part: pair for part, pair in vectors.items() if len(pair[1])}
        count = sum(len(rows) for _, rows in vectors.values())
        if not count:
            return None
        if known is None or count >= _GROWTH * known.fitted_on:
            known = None
        projection = known.projection if known else self._fit([v for v, _ in vectors.values()])
        old = {(each.part, each.digest): each for each in known.parts} if known else {}
        matrix = np.empty((count, projection.axes.shape[1]), np.float32)
        parts, start = [], 0
        for part, (raw, rows) in vectors.items():
            view = matrix[start : start + len(rows)]
            same = old.get((part, digests[part]))
            view[:] = same.features if same else projection(raw)
            parts.append(PartFeatures(part, digests[part], rows, view))
            start += len(rows)
        return Features(
            projection,
            known.fitted_on if known else count,
            tuple(parts),
            np.concatenate([each.rows for each in parts]),
            matrix,
            manifest.version,
        )

    def _read(
        self, folder: str, manifest: Manifest, part: int
    ) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        vectors = manifest.read_array(self._store, layout.vectors_part(part), mmap=True)
        rows = manifest.read_array(self._store, layout.vectors_rows(part))
        if vectors.dtype != np.float16 or vectors.ndim != 2 or rows.shape != vectors.shape[:1]:
            raise damaged(f"{folder}/{layout.vectors_part(part)}", "not float16 [m, d] with m rows")
        return vectors, rows.astype(np.int64, copy=False)

    def _fit(self, parts: list[NDArray[np.float16]]) -> Projection:
        """Fit on an even sample of the parts."""
        step = max(1, -(-sum(len(each) for each in parts) // _SAMPLE))
        return fit_projection(np.concatenate([each[::step] for each in parts]), self._dimensions)


def _digests(manifest: Manifest) -> dict[int, str]:
    """The content of each part of a space, by its number, in order."""
    return {
        number: manifest.entries[layout.vectors_part(number)].sha256
        + manifest.entries[layout.vectors_rows(number)].sha256
        for number in layout.part_numbers(manifest.entries, layout.vectors_part)
        if layout.vectors_rows(number) in manifest.entries
    }
