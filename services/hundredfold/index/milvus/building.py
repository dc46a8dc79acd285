"""A build in Milvus: put all vectors, have them indexed, find out how to search and how well that works.

How far it came is kept in the store, so that a build that was killed goes on where it was. A row that is put twice is there once.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Aborted
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.domain.asking import Asked
from hundredfold.index.domain.finding import Found
from hundredfold.index.domain.progress import Progress
from hundredfold.index.domain.tuning import RECALL, halves, judges_of, recall_of, true_neighbours
from hundredfold.index.milvus.connection import Milvus
from hundredfold.index.milvus.kinds import Kind, factory_of
from hundredfold.index.milvus.names import Name
from hundredfold.index.spaces import Space

_LOOK_SECONDS = 1.0
"""So often Milvus is asked whether it is done."""

_FILLED = "filled"


@dataclass(frozen=True)
class InMilvus:
    """A Milvus collection, or what an alias means, as a `Remote`."""

    milvus: Milvus
    name: str
    kind: Kind
    effort: int

    def nearest(
        self,
        queries: NDArray[np.float32],
        limit: int,
        only: NDArray[np.int64] | None,
        share: float,
    ) -> Found:
        """As `Remote` says."""
        parameters = self.kind.searching(self.effort, limit, share)
        return self.milvus.nearest(self.name, queries, limit, parameters, only)


@dataclass(frozen=True)
class Build:
    """One build of the index of a space.

    Attributes:
        store: where what is known of it is kept.
        milvus: where it is made.
        name: of it.
        kind: of index.
        source: the vectors.
    """

    store: ArtifactStore
    milvus: Milvus
    name: Name
    kind: Kind
    source: Space

    def run(self, progress: Progress) -> Mapping[str, Any]:
        """Make it, or what of it is missing; its facts, which are in the store then.

        Raises:
            Aborted: something was lost in Milvus meanwhile; the next build begins anew.
        """
        manifest = self._fill(progress)
        self._index(progress)
        there, sent = self.milvus.count(self.name.built), len(self.source.rows)
        if there != sent:
            manifest.set_meta(**{_FILLED: 0})
            manifest.save()
            raise Aborted(f"{self.name.built} in Milvus has {there} rows, not {sent}; build again")
        manifest.set_meta(**self._facts(progress))
        path = f"{manifest.folder}/{layout.INDEX_ROWS}"
        manifest.add(layout.INDEX_ROWS, self.store.write_array(path, self.source.rows))
        manifest.save()
        return manifest.meta

    def _fill(self, progress: Progress) -> Manifest:
        """Put what was not put yet."""
        manifest = Manifest.load(self.store, folder_of(self.name))
        vectors, rows = self.source.vectors, self.source.rows
        if self.milvus.make(self.name.built, vectors.dimensions):
            manifest = Manifest(self.store, folder_of(self.name))
        filled = int(manifest.meta.get(_FILLED, 0))
        for start, block in vectors.blocks(begin=filled):
            end = start + len(block)
            self.milvus.put(self.name.built, rows[start:end], block)
            if end - filled >= layout.PART_ROWS or end == len(rows):
                filled = end
                manifest.set_meta(**{_FILLED: filled})
                manifest.save()
            progress(end // 2, len(rows))
        return manifest

    def _index(self, progress: Progress) -> None:
        """Have it indexed and loaded."""
        name, count = self.name.built, len(self.source.rows)
        self.milvus.index(name, self.kind.name, self.kind.parameters(count))
        _wait(lambda: self.milvus.indexed(name), lambda: progress(count // 2, count))
        self.milvus.load(name)
        _wait(lambda: self.milvus.loaded(name), lambda: progress(count // 2, count))

    def _facts(self, progress: Progress) -> dict[str, Any]:
        source, count = self.source, len(self.source.rows)
        effort, recall, held_out = self._measured(progress)
        parameters = self.kind.parameters(count)
        return {
            "space": self.name.space,
            "vectors": source.version,
            "count": count,
            "dimensions": source.vectors.dimensions,
            "kind": self.kind.told,
            "codes": self.kind.codes,
            "factory": factory_of(self.kind, count),
            "milvus_kind": self.kind.name,
            "memory": 0,
            "lists": parameters.get("nlist", 0),
            "probes": effort,
            "depth": 0,
            "recall": recall,
            "held_out": held_out,
            "damaged": list(source.damaged),
        }

    def _measured(self, progress: Progress) -> tuple[int, float, int]:
        """The least effort that finds enough of the truth, what it finds for others, and for how many."""
        if not self.kind.efforts:
            return 0, 1.0, 0
        vectors = self.source.vectors
        judges, n = judges_of(vectors, 0), len(vectors)
        truth = true_neighbours(vectors, judges, lambda done, _: progress((n + done) // 2, n))
        choosing, held_out = halves(len(judges))

        def recall(finder: Asked, some: slice) -> float:
            chosen = judges[some]
            return recall_of(finder, vectors.take(chosen), chosen, truth[some])

        finder, effort = self._searched(0), 0
        for effort in self.kind.efforts:
            finder = self._searched(effort)
            if recall(finder, choosing) >= RECALL:
                break
        return effort, recall(finder, held_out), len(judges[held_out])

    def _searched(self, effort: int) -> Asked:
        remote = InMilvus(self.milvus, self.name.built, self.kind, effort)
        return Asked(remote, self.source.rows)


def folder_of(name: Name) -> str:
    """Where in the store is what is known of a build."""
    return layout.index_milvus_build(name.collection, name.space, name.mark)


def _wait(done: Callable[[], bool], tell: Callable[[], None]) -> None:
    """Look again and again whether Milvus is done; `tell` ends it when the run is to end."""
    while not done():
        tell()
        time.sleep(_LOOK_SECONDS)
