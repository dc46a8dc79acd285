"""Splitting and merging of clusters: reads the latest clustering, changes it, keeps it under a new name."""

import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import AlreadyExists, Conflict, InvalidArgument
from hundredfold.chassis.requests import check_between, check_request_id
from hundredfold.index.domain import device, editing
from hundredfold.index.domain.clustering import Clustering
from hundredfold.index.lineage import Lineage, parsed
from hundredfold.index.spaces import Space, Spaces
from hundredfold.index.store import IndexStore, Latest

MOST_PARTS = 16
MOST_MERGED = 256
MOST_SPLIT = 100_000
_NAMES = uuid.UUID("0f2f7e6a-0a0b-4c1e-9f61-5f0f5d3c7a11")


class Editor:
    """Changes clusterings, one change at a time. Safe for threads.

    Args:
        spaces: where vectors come from.
        store: of clusterings.
        threads: for faiss, 0 = one a core.
    """

    def __init__(self, spaces: Spaces, store: IndexStore, *, threads: int) -> None:
        self._spaces = spaces
        self._store = store
        self._threads = threads
        self._lock = threading.Lock()

    def split(
        self, collection: str, cluster: str, into: int, request_id: str
    ) -> tuple[str, list[int]]:
        """Split a cluster; the new clustering and the numbers of the parts, as SplitCluster says."""
        self._store.require(collection)
        parsed(cluster)
        into = into or 2
        check_between(into, 2, MOST_PARTS, "into")
        asked = {"kind": "split", "clusters": [cluster], "into": into}

        def change(base: Latest, numbers: list[int]) -> Clustering:
            (number,) = numbers
            _check_size(int((base.arrays.assignment == number).sum()), cluster, into)
            source, positions = self._source(collection, base)
            made = editing.split(base.arrays, source.vectors, positions, number, into)
            if made is None:
                raise Conflict(
                    f"the images of cluster {cluster} are all alike", reason="CLUSTER_TOO_ALIKE"
                )
            return made

        return self._edit(collection, request_id, asked, change)

    def merge(
        self, collection: str, clusters: Sequence[str], request_id: str
    ) -> tuple[str, list[int]]:
        """Merge clusters; the new clustering and the number of the one they are now, as MergeClusters says."""
        self._store.require(collection)
        check_between(len(clusters), 2, MOST_MERGED, "clusters")
        if len(set(map(parsed, clusters))) < len(clusters):
            raise InvalidArgument("name each cluster once", field="clusters")
        asked = {"kind": "merge", "clusters": sorted(clusters)}

        def change(base: Latest, numbers: list[int]) -> Clustering:
            if len(set(numbers)) < 2:
                raise InvalidArgument("name at least two clusters", field="clusters")
            source, positions = self._source(collection, base)
            return editing.merge(base.arrays, source.vectors, positions, sorted(set(numbers)))

        return self._edit(collection, request_id, asked, change)

    def _edit(
        self,
        collection: str,
        request_id: str,
        asked: dict[str, Any],
        change: Callable[[Latest, list[int]], Clustering],
    ) -> tuple[str, list[int]]:
        run = f"edit-{uuid.uuid5(_NAMES, f'{collection}/{check_request_id(request_id)}')}"
        device.limit_thread(self._threads)
        with self._lock:
            made = self._store.edited(collection, run)
            if made:
                if made["request"] != asked:
                    raise AlreadyExists("this request_id was used for something else")
                return run, list(made["made"])
            base = self._store.latest_clusters(collection)
            lineage = Lineage.of(base.run, base.meta)
            numbers = [lineage.number(each) for each in asked["clusters"]]
            found = change(base, numbers)
            kept = min(numbers)
            parts = [kept, *range(lineage.count, len(found.sizes))]
            meta = {
                "edits": lineage.after(numbers),
                "began_with": base.meta.get("began_with", lineage.count),
                "request": asked,
                "made": parts,
            }
            self._store.save_edited(collection, run, found, base, meta)
            return run, parts

    def _source(self, collection: str, base: Latest) -> tuple[Space, NDArray[np.int64]]:
        """The space of a clustering, and where in it the vectors of its images are."""
        source = self._spaces.read(collection, str(base.meta["space"]))
        positions = np.searchsorted(source.rows, base.rows)
        inside = np.minimum(positions, len(source.rows) - 1)
        if not np.array_equal(source.rows[inside], base.rows):
            raise Conflict(
                "images were clustered that have no vector any more", reason="NO_VECTORS"
            )
        return source, positions


def _check_size(size: int, cluster: str, into: int) -> None:
    if size < into:
        raise Conflict(f"cluster {cluster} has {size} images", reason="CLUSTER_TOO_SMALL")
    if size > MOST_SPLIT:
        raise Conflict(
            f"cluster {cluster} has more than {MOST_SPLIT:,} images", reason="CLUSTER_TOO_LARGE"
        )
