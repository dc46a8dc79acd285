"""The maps in the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import require_collection
from hundredfold.chassis.storage.latest import latest, make_latest
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.domain.plane import Landmarks, Plane
from hundredfold.index.domain.reduction import Reduction
from hundredfold.index.spaces import Space, whole

KEPT_RUNS = 5
"""Maps that are kept of a collection."""

_OF_LANDMARKS = (
    layout.MAP_MEAN,
    layout.MAP_AXES,
    layout.MAP_LANDMARKS,
    layout.MAP_LANDMARK_POINTS,
)


@dataclass(frozen=True)
class StoredMap:
    """A map that is there.

    Attributes:
        run: that made it.
        space: of which backbone; "" in maps of old.
        rows: int64 [m], ascending; mapped.
        points: float32 [m, 2] within -1 to 1; mapped.
    """

    run: str
    space: str
    rows: NDArray[np.int64]
    points: NDArray[np.float32]


class Maps:
    """Keeps maps. Safe for threads.

    Args:
        store: where they are.
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def save(
        self, collection: str, run: str, made: Plane, source: Space, asked: Mapping[str, Any]
    ) -> None:
        """Keep the map of a space, make it the latest, and delete those that are too old."""
        manifest = Manifest(self._store, layout.maps(collection, run))
        guides = made.landmarks
        of_landmarks = guides.axes.mean, guides.axes.axes, guides.features, guides.points
        manifest.add_array(layout.MAP_ROWS, source.rows)
        manifest.add_array(layout.MAP_POINTS, made.points)
        for name, array in zip(_OF_LANDMARKS, of_landmarks, strict=True):
            manifest.add_array(name, array)
        manifest.set_meta(vectors=source.version, asked=dict(asked))
        make_latest(self._store, layout.maps_latest(collection), manifest, keep=KEPT_RUNS)

    def same(self, collection: str, version: str, asked: Mapping[str, Any]) -> tuple[str, int]:
        """The latest map and how many points it has, if whole and of these vectors as asked; else ("", 0).

        With `only_new` in `asked` any map of these vectors is: nothing is new.
        """
        run = latest(self._store, layout.maps_latest(collection))
        manifest = whole(self._store, layout.maps(collection, run)) if run else None
        if manifest is None or manifest.meta.get("vectors") != version:
            return "", 0
        made = manifest.meta.get("asked", {})
        as_asked = made.get("space") == asked["space"] if asked.get("only_new") else made == asked
        if not as_asked:
            return "", 0
        return run, len(manifest.read_array(self._store, layout.MAP_ROWS, mmap=True))

    def read(self, collection: str, run: str) -> StoredMap:
        """A map, the latest when `run` is empty, once its bytes are what its manifest says.

        Raises:
            NotFound: there is no such collection or map.
            Conflict: ARTIFACT_DAMAGED.
        """
        require_collection(self._store, collection)
        found = run or latest(self._store, layout.maps_latest(collection))
        manifest = Manifest.load(self._store, layout.maps(collection, found)) if found else None
        if manifest is None or not manifest.entries:
            raise NotFound(f"{collection} has no such map; call Project", field="map")
        rows, points = (
            manifest.read_array(self._store, name, mmap=True, deep=True)
            for name in (layout.MAP_ROWS, layout.MAP_POINTS)
        )
        space = manifest.meta.get("asked", {}).get("space", "")
        return StoredMap(found, space, rows, points)

    def landmarks(self, collection: str, run: str) -> Landmarks | None:
        """What further images are placed by on a map; None on a map of old.

        Raises:
            Conflict: ARTIFACT_DAMAGED.
        """
        manifest = Manifest.load(self._store, layout.maps(collection, run))
        if layout.MAP_LANDMARKS not in manifest.entries:
            return None
        mean, axes, features, points = (
            manifest.read_array(self._store, name, deep=True) for name in _OF_LANDMARKS
        )
        return Landmarks(Reduction(mean, axes), features, points)
