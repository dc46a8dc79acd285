"""Spaces as heads see them: projected, part by part, extended as their parts grow.

Nothing here holds a space in memory. Vectors are mapped from the store; where they have more dimensions
than heads are fitted on, their projections are kept in scratch files, as float16, and mapped too. What
finds no room there is projected anew each time.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.training.domain.projection import Projection, fit_projection, no_projection
from hundredfold.training.scratch import Scratch
from hundredfold.training.vectors import PartVectors, by_part, holds, read_parts

_SAMPLE = 20_000
_GROWTH = 2.0  # the projection is fitted anew once there are so many times the vectors it has seen
_BLOCK = 8_192


@dataclass(frozen=True)
class PartFeatures(PartVectors):
    """One part of a space, projected.

    Attributes:
        projection: of its vectors.
        kept: float16 [m, k], the features, mapped; None where there was no room for them.
    """

    projection: Projection
    kept: NDArray[np.float16] | None

    def features(self, places: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """The features at some places: float32 [n, k]."""
        if self.kept is not None:
            return self.kept[places].astype(np.float32)
        return self.projection(self.vectors[places])

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """All features, in order, some thousand images at a time."""
        for start in range(0, len(self.rows), _BLOCK):
            yield self.features(slice(start, start + _BLOCK))


@dataclass(frozen=True)
class Features:
    """A space, projected.

    Attributes:
        projection: of the vectors.
        fitted_on: how many vectors there were when the projection was fitted.
        parts: in order.
        version: changes with any vector.
    """

    projection: Projection
    fitted_on: int
    parts: tuple[PartFeatures, ...]
    version: str

    def holds(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of rows [n] have a vector: bool [n]."""
        return holds(self.parts, rows)

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The features of rows [n], ascending, which all have a vector: float32 [n, k]."""
        pieces = by_part(self.parts, rows)
        return np.concatenate(
            [part.features(part.places(rows[piece])) for part, piece in pieces], dtype=np.float32
        )

    def sample(self, count: int) -> NDArray[np.int64]:
        """About so many rows, at least one of each part, evenly spread: int64, ascending."""
        step = _step(self.parts, count)
        return np.concatenate([part.rows[::step] for part in self.parts])


class Spaces:
    """The spaces of a store, the ones used last at hand. Safe for threads.

    Args:
        store: where vectors are.
        dimensions: of the projection.
        most: spaces whose projections are kept.
        scratch: where they are; None = nowhere, they are made each time.
        threads: work on parts beside one another.

    Attributes:
        workers: those threads.
    """

    def __init__(
        self,
        store: ArtifactStore,
        *,
        dimensions: int,
        most: int,
        scratch: Scratch | None = None,
        threads: int = 1,
    ) -> None:
        self._store = store
        self._models = ModelRepository(store)
        self._dimensions = dimensions
        self._most = most
        self._scratch = scratch or Scratch("", 0)
        self.workers: Executor = ThreadPoolExecutor(threads, "parts")
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
        parts, version = read_parts(self._store, collection, space, known.parts if known else ())
        if not parts:
            raise Conflict(f"space {space} has no vectors; embed first", reason="NO_VECTORS")
        found = (
            known if known and known.version == version else self._project(parts, known, version)
        )
        with self._lock:
            self._kept[collection, space] = found
            self._kept.move_to_end((collection, space))
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found

    def learnt_up_to(self, collection: str, space: str) -> int:
        """The newest label of a collection that the backbone of a space has learnt from; 0 for none."""
        try:
            tuned = self._models.card(space).tuned
        except NotFound:
            return 0  # vectors that somebody brought
        return tuned.labels_seq if tuned and tuned.collection == collection else 0

    def _project(
        self, parts: list[PartVectors | PartFeatures], known: Features | None, version: str
    ) -> Features:
        count = sum(len(part.rows) for part in parts)
        if known is None or count >= _GROWTH * known.fitted_on:
            projection, fitted_on = self._fit(parts), count
        else:
            projection, fitted_on = known.projection, known.fitted_on
        made = self.workers.map(lambda part: self._projected(part, projection), parts)
        return Features(projection, fitted_on, tuple(made), version)

    def _projected(self, part: PartVectors | PartFeatures, projection: Projection) -> PartFeatures:
        if isinstance(part, PartFeatures) and part.projection is projection:
            return part
        kept = self._keep(part.vectors, projection)
        return PartFeatures(part.part, part.digest, part.rows, part.vectors, projection, kept)

    def _keep(
        self, vectors: NDArray[np.float16], projection: Projection
    ) -> NDArray[np.float16] | None:
        if projection.changes_nothing:
            return vectors
        kept = self._scratch.array((len(vectors), projection.axes.shape[1]))
        if kept is not None:
            for start in range(0, len(vectors), _BLOCK):
                piece = slice(start, start + _BLOCK)
                kept[piece] = projection(vectors[piece])
        return kept

    def _fit(self, parts: list[PartVectors | PartFeatures]) -> Projection:
        """Fit on an even sample of the parts; nothing to do where vectors have few dimensions."""
        dimensions = parts[0].vectors.shape[1]
        if dimensions <= self._dimensions:
            return no_projection(dimensions)
        step = _step(parts, _SAMPLE)
        return fit_projection(
            np.concatenate([part.vectors[::step] for part in parts]), self._dimensions
        )


def _step(parts: "list[PartVectors | PartFeatures] | tuple[PartFeatures, ...]", count: int) -> int:
    return max(1, sum(len(part.rows) for part in parts) // count)
