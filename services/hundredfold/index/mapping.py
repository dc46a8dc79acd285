"""From one map of a collection to the next: it is turned as it was, or new images are placed in it."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.index.domain import plane
from hundredfold.index.domain.plane import Landmarks, Plane, Seen
from hundredfold.index.domain.progress import Progress
from hundredfold.index.maps import Maps, StoredMap
from hundredfold.index.spaces import Space

_log = logging.getLogger("hundredfold.index.mapping")


class Mapper:
    """Makes maps that follow others.

    Args:
        maps: where they are kept.
    """

    def __init__(self, maps: Maps) -> None:
        self._maps = maps

    def made(
        self,
        collection: str,
        source: Space,
        asked: Mapping[str, Any],
        seed: int,
        progress: Progress,
    ) -> Plane:
        """The map that a Project run asks for."""
        before = self._latest(collection)
        if before is not None and asked.get("only_new") and before.space == asked["space"]:
            landmarks = self._landmarks(collection, before.run)
            if landmarks is not None:
                return _grown(before, landmarks, source, progress)
        seen = None if before is None else _seen(before, source)
        return plane.lay_out(source.vectors, seed=seed, before=seen, progress=progress)

    def _latest(self, collection: str) -> StoredMap | None:
        try:
            return self._maps.read(collection, "")
        except NotFound:
            return None
        except Conflict as error:
            _tell_lost(collection, error)
            return None

    def _landmarks(self, collection: str, run: str) -> Landmarks | None:
        try:
            return self._maps.landmarks(collection, run)
        except Conflict as error:
            _tell_lost(collection, error)
            return None


def _seen(before: StoredMap, source: Space) -> Seen:
    _, then, now = np.intersect1d(before.rows, source.rows, assume_unique=True, return_indices=True)
    return Seen(now, before.points[then])


def _grown(before: StoredMap, landmarks: Landmarks, source: Space, progress: Progress) -> Plane:
    """The map there is, of the images there are; those that came are placed in it."""
    seen = _seen(before, source)
    points = np.empty((len(source.rows), 2), dtype=np.float32)
    points[seen.positions] = seen.points
    come = np.delete(np.arange(len(source.rows)), seen.positions)
    points[come] = plane.place(source.vectors, come, landmarks, progress=progress)
    return Plane(points, landmarks)


def _tell_lost(collection: str, error: Conflict) -> None:
    # What is made now must not depend on what was lost before.
    _log.warning("%s: the map is made anew: %s", collection, error)
