"""What the index service keeps: indexes, clusterings and maps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.newest import Newest
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import require_collection
from hundredfold.chassis.storage.latest import latest, make_latest
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.domain.clustering import Clustering
from hundredfold.index.domain.editing import Base
from hundredfold.index.domain.matching import Named, Names
from hundredfold.index.engine import IndexEngine
from hundredfold.index.images import Images
from hundredfold.index.indexes import Indexes
from hundredfold.index.maps import Maps
from hundredfold.index.removed import Removed
from hundredfold.index.spaces import Space, whole

KEPT_RUNS = 5
"""Clusterings that are kept of a collection."""

CLUSTERINGS_OPEN = 8

KEPT_EDITS = 2
"""Of the clusterings that an edited one came from, so many stay besides the first."""

_CLUSTER_ARRAYS = (
    layout.CLUSTER_ROWS,
    layout.CLUSTER_ASSIGNMENT,
    layout.CLUSTER_DISTANCE,
    layout.CLUSTER_ORDER,
    layout.CLUSTER_MEDOIDS,
    layout.CLUSTER_SIZES,
    layout.CLUSTER_SPREADS,
)


@dataclass(frozen=True)
class StoredClusters:
    """A Cluster run; the arrays are memory-mapped and as in `layout.CLUSTER_*`."""

    run: str
    rows: NDArray[np.int64]
    assignment: NDArray[np.int32]
    distance: NDArray[np.float32]
    order: NDArray[np.int64]
    medoids: NDArray[np.int64]
    sizes: NDArray[np.int64]
    spreads: NDArray[np.float32]
    densities: NDArray[np.int64]
    ids: NDArray[np.int64]

    def nearest(self, number: int, limit: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows of a cluster, nearest to its centre first, at most `limit`, and their distances."""
        first = int(self.sizes[:number].sum())
        chosen = self.order[first : first + min(limit, int(self.sizes[number]))]
        return self.rows[chosen], self.distance[chosen]


@dataclass(frozen=True)
class Latest:
    """The clustering that is to be changed.

    Attributes:
        run: its name.
        meta: of its manifest.
        rows: int64 [m], ascending.
        arrays: what changes.
        names: of its clusters.
    """

    run: str
    meta: Mapping[str, Any]
    rows: NDArray[np.int64]
    arrays: Base
    names: Names

    @property
    def named(self) -> Named:
        """For telling which of its clusters is which of others."""
        return Named(self.rows, self.arrays.assignment, self.names)


class IndexStore:
    """The part of the store that the index service works with. Safe for threads.

    Args:
        store: all of it.
        indexes: who keeps the indexes; None = the store itself, not signed.

    Attributes:
        indexes: as told.
        removed: what no search finds.
        images: what their source says of them.
    """

    def __init__(self, store: ArtifactStore, indexes: IndexEngine | None = None) -> None:
        self._store = store
        self.indexes: IndexEngine = indexes or Indexes(store)
        self.removed = Removed(store)
        self.images = Images(store)
        self.maps = Maps(store)
        self._opened: Newest[StoredClusters] = Newest(CLUSTERINGS_OPEN)

    def save_clusters(
        self,
        collection: str,
        run: str,
        found: Clustering,
        source: Space,
        asked: Mapping[str, Any],
        *,
        names: Names | None = None,
    ) -> None:
        """Keep a clustering, make it the latest, and delete those that are too old.

        Args:
            collection: whose it is.
            run: the run that made it.
            found: the clusters.
            source: what was clustered.
            asked: the parameters of the run, with `space`.
            names: of the clusters; their numbers unless told.
        """
        names = names or Names.first(len(found.sizes))
        folder, pointer = layout.clusters(collection, run), layout.clusters_latest(collection)
        facts = {"space": asked["space"], "count": len(found.sizes)}
        manifest = self._write(folder, _cluster_arrays(found, source.rows, names))
        manifest.set_meta(vectors=source.version, asked=dict(asked), **facts)
        manifest.set_meta(next_id=names.next_id, radius=found.radius)
        make_latest(self._store, pointer, manifest, keep=KEPT_RUNS, **facts)

    def latest_clusters(self, collection: str) -> Latest:
        """The clustering in use, mapped; NotFound when there is none."""
        run = self.clusters_run(collection, "")
        manifest = Manifest.load(self._store, layout.clusters(collection, run))
        if not manifest.entries:
            raise NotFound(f"{collection} has no clusters of run {run}", field="clusters")
        rows, *arrays = (
            manifest.read_array(self._store, name, mmap=True)
            for name in (
                layout.CLUSTER_ROWS,
                layout.CLUSTER_ASSIGNMENT,
                layout.CLUSTER_DISTANCE,
                layout.CLUSTER_CENTROIDS,
            )
        )
        return Latest(run, manifest.meta, rows, Base(*arrays), self._names(manifest))

    def require(self, collection: str) -> None:
        """Raise NotFound without the collection."""
        require_collection(self._store, collection)

    def edited(self, collection: str, run: str) -> Mapping[str, Any]:
        """The facts of an edited clustering; none unless it was made and taken up."""
        try:
            pointer = self._store.read_json(layout.clusters_latest(collection))
        except NotFound:
            return {}
        taken_up = run in (pointer["run"], *pointer.get("edited", ()))
        meta = Manifest.load(self._store, layout.clusters(collection, run)).meta
        return meta if taken_up and meta else {}

    def save_edited(
        self,
        collection: str,
        run: str,
        found: Clustering,
        base: Latest,
        meta: Mapping[str, Any],
        *,
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        """Keep what a clustering was changed to, make it the latest, and delete what is too old.

        It counts as made of the same vectors as asked, so that clustering again keeps what people did.

        Args:
            collection: whose it is.
            run: its name.
            found: the clusters.
            base: what it was before.
            meta: `edits`, `began_with` and others.
            rows: int64 [m], ascending, when others were clustered than before.
        """
        pointer = layout.clusters_latest(collection)
        names = base.names.more(len(found.sizes))
        arrays = _cluster_arrays(found, base.rows if rows is None else rows, names)
        manifest = self._write(layout.clusters(collection, run), arrays)
        facts = {"space": base.meta["space"], "count": len(found.sizes)}
        own = {"next_id": names.next_id, "radius": found.radius}
        manifest.set_meta(**{**base.meta, **meta, **facts, **own})
        before = [name for name, _ in meta["edits"]]
        for old in before[1:-KEPT_EDITS]:
            self._store.delete(layout.clusters(collection, old))
        told = {**facts, "began_with": meta["began_with"], "edited": before}
        make_latest(self._store, pointer, manifest, keep=KEPT_RUNS + KEPT_EDITS, **told)

    def same_clusters(
        self, collection: str, version: str, asked: Mapping[str, Any]
    ) -> tuple[str, int]:
        """The latest clustering and its count, if whole and made of these vectors as asked; else ("", 0)."""
        run = latest(self._store, layout.clusters_latest(collection))
        manifest = whole(self._store, layout.clusters(collection, run)) if run else None
        if manifest is None:
            return "", 0
        meta = manifest.meta
        same = (meta.get("vectors"), meta.get("asked")) == (version, asked)
        return (run, int(meta["count"])) if same else ("", 0)

    def clusters_run(self, collection: str, run: str) -> str:
        """The run itself, or the latest when it is empty; NotFound when there is none."""
        require_collection(self._store, collection)
        found = run or latest(self._store, layout.clusters_latest(collection))
        if not found:
            raise NotFound(f"{collection} has no clusters yet; call Cluster", field="clusters")
        return found

    def read_clusters(self, collection: str, run: str) -> StoredClusters:
        """Map a clustering, whose bytes are compared with its manifest when it is opened, its sizes always.

        Raises:
            NotFound: there is none of that run.
            Conflict: ARTIFACT_DAMAGED.
        """
        manifest = Manifest.load(self._store, layout.clusters(collection, run))
        if not manifest.entries:
            raise NotFound(f"{collection} has no clusters of run {run}", field="clusters")
        for name in manifest.entries:
            manifest.check(self._store, name)
        key = collection, run
        return self._opened.get(key, manifest.version, lambda: self._open_clusters(run, manifest))

    def _open_clusters(self, run: str, manifest: Manifest) -> StoredClusters:
        for name in manifest.entries:
            manifest.check(self._store, name, deep=True)
        arrays = [manifest.read_array(self._store, name, mmap=True) for name in _CLUSTER_ARRAYS]
        densities = np.zeros(len(arrays[-1]), dtype=np.int64)
        if layout.CLUSTER_DENSITIES in manifest.entries:
            densities = manifest.read_array(self._store, layout.CLUSTER_DENSITIES)
        more = [densities, self._names(manifest).ids]
        return StoredClusters(run, *arrays, *more)

    def copies_run(self, collection: str) -> str:
        """The newest FindDuplicates run, "" when there is none."""
        return latest(self._store, layout.duplicates_latest(collection))

    def representatives(self, collection: str, run: str) -> NDArray[np.int64]:
        """Int64 [N], mapped: what represents each row, by a FindDuplicates run."""
        manifest = Manifest.load(self._store, layout.duplicates(collection, run))
        return manifest.read_array(self._store, layout.REPRESENTATIVE, mmap=True)

    def _names(self, manifest: Manifest) -> Names:
        if layout.CLUSTER_IDS not in manifest.entries:
            return Names.first(int(manifest.meta["count"]))
        ids = manifest.read_array(self._store, layout.CLUSTER_IDS)
        return Names(ids, int(manifest.meta["next_id"]))

    def _write(self, folder: str, arrays: Mapping[str, NDArray[Any]]) -> Manifest:
        manifest = Manifest(self._store, folder)
        for name, array in arrays.items():
            manifest.add_array(name, array)
        return manifest


def _cluster_arrays(
    found: Clustering, rows: NDArray[np.int64], names: Names
) -> dict[str, NDArray[Any]]:
    return {
        layout.CLUSTER_ROWS: rows,
        layout.CLUSTER_ASSIGNMENT: found.assignment,
        layout.CLUSTER_DISTANCE: found.distance,
        layout.CLUSTER_ORDER: found.order,
        layout.CLUSTER_CENTROIDS: found.centroids,
        layout.CLUSTER_MEDOIDS: np.where(found.medoids >= 0, rows[found.medoids], -1),
        layout.CLUSTER_SIZES: found.sizes,
        layout.CLUSTER_SPREADS: found.spreads,
        layout.CLUSTER_DENSITIES: found.densities,
        layout.CLUSTER_IDS: names.ids,
    }
