"""From one clustering of a collection to the next: clusters keep their names, new images join those there are."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.index.domain import clustering, growing, matching
from hundredfold.index.domain.clustering import Clustering
from hundredfold.index.domain.progress import Progress
from hundredfold.index.lineage import Lineage
from hundredfold.index.spaces import Space
from hundredfold.index.store import IndexStore, Latest

_log = logging.getLogger("hundredfold.index.reclustering")


class Reclustering:
    """Keeps clusterings that follow others.

    Args:
        store: of clusterings.
    """

    def __init__(self, store: IndexStore) -> None:
        self._store = store

    def save(
        self,
        collection: str,
        run: str,
        found: Clustering,
        source: Space,
        asked: Mapping[str, Any],
    ) -> None:
        """Keep a clustering; a cluster that was there before keeps its name, and its number if there is one."""
        before = self._latest(collection)
        if before is None:
            self._store.save_clusters(collection, run, found, source, asked)
            return
        count = len(found.sizes)
        pairs = matching.matched(before.named, source.rows, found.assignment)
        numbers = matching.numbers_kept(pairs, count)
        renumbered = clustering.renumbered(found, numbers)
        kept = [(old, int(numbers[new])) for old, new in pairs]
        names = matching.names_kept(before.names, kept, count)
        self._store.save_clusters(collection, run, renumbered, source, asked, names=names)

    def grow(
        self,
        collection: str,
        run: str,
        source: Space,
        asked: Mapping[str, Any],
        progress: Progress,
    ) -> tuple[str, int]:
        """Give images that came since the latest clustering a cluster of it.

        Returns:
            The clustering that has them all and its count; ("", 0) when there is none of this space, or some
            that it has are not in the space any more: then it has to be made anew.
        """
        while True:
            grown = self._grow(collection, run, source, asked, progress)
            if grown is not None:
                return grown

    def _grow(
        self,
        collection: str,
        run: str,
        source: Space,
        asked: Mapping[str, Any],
        progress: Progress,
    ) -> tuple[str, int] | None:
        """As `grow`; None when somebody split or merged clusters meanwhile."""
        base = self._latest(collection)
        if base is None or base.meta["space"] != asked["space"]:
            return "", 0
        positions = np.searchsorted(source.rows, base.rows)
        inside = np.minimum(positions, len(source.rows) - 1)
        if not np.array_equal(source.rows[inside], base.rows):
            return "", 0
        count = len(base.arrays.centroids)
        if len(base.rows) == len(source.rows):
            return base.run, count
        found = growing.grow(base.arrays, source.vectors, positions, progress=progress)
        if self._store.clusters_run(collection, "") != base.run:
            return None
        meta = {
            "edits": Lineage.of(base.run, base.meta).after([]),
            "began_with": base.meta.get("began_with", count),
            "vectors": source.version,
            "asked": dict(asked),
        }
        self._store.save_edited(collection, run, found, base, meta, rows=source.rows)
        return run, count

    def _latest(self, collection: str) -> Latest | None:
        try:
            return self._store.latest_clusters(collection)
        except NotFound:
            return None
        except Conflict as error:
            # What is made now must not depend on what was lost before.
            _log.warning("%s: clusters get new names: %s", collection, error)
            return None
