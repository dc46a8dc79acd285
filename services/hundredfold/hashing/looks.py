"""Reads what images look like, from the thumbnails that the catalog keeps."""

import os
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.imaging import ImageError
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.hashing.domain.verify import align, colour
from hundredfold.hashing.domain.verify.planes import Plane, planes

VERSION = "pixels-1"
"""Changes with the verdicts on the same thumbnails."""

_SHARE = 64
"""Thumbnails that a thread decodes at a time."""


def verified_by(store: ArtifactStore, collection: str) -> str:
    """What changes when a verdict can; "" when there are no thumbnails."""
    manifest = Manifest.load(store, layout.thumbs(collection))
    return f"{VERSION} {manifest.version}" if manifest.entries else ""


class Seen(NamedTuple):
    """What n images look like.

    Attributes:
        luma, chroma, fine: see `planes`, of each.
        there: bool [n]: not where there is no thumbnail, or none that can be read.
    """

    luma: Plane
    chroma: Plane
    there: NDArray[np.bool_]
    fine: NDArray[np.bool_]


class Looks:
    """The pictures of a collection.

    Args:
        store: the artifact store.
        collection: its name.
        pool: decodes.
    """

    def __init__(self, store: ArtifactStore, collection: str, pool: Executor) -> None:
        self._store = store
        self._folder = layout.thumbs(collection)
        self._pool = pool

    def read(self, rows: NDArray[np.int64]) -> Seen:
        """The planes of some rows.

        Args:
            rows: int64 [n], ascending.

        Returns:
            See `Seen`.
        """
        jpegs = self._jpegs(rows)
        luma = np.zeros((len(rows), align.SIDE, align.SIDE), np.uint8)
        chroma = np.zeros((len(rows), 2, colour.SIDE, colour.SIDE), np.uint8)
        seen, fine = np.zeros((2, len(rows)), np.bool_)

        def decode(begin: int) -> None:
            for place in range(begin, min(begin + _SHARE, len(rows))):
                try:
                    luma[place], chroma[place], fine[place] = planes(jpegs[place])
                except ImageError:
                    continue
                seen[place] = True

        list(self._pool.map(decode, range(0, len(rows), _SHARE)))
        return Seen(luma, chroma, seen, fine)

    def _jpegs(self, rows: NDArray[np.int64]) -> list[bytes]:
        found: list[bytes] = []
        part_of = rows // layout.PART_ROWS
        for part in np.unique(part_of).tolist():
            found += self._of_part(part, rows[part_of == part] - part * layout.PART_ROWS)
        return found

    def _of_part(self, part: int, places: NDArray[np.int64]) -> list[bytes]:
        try:
            offsets = self._store.read_array(
                f"{self._folder}/{layout.thumbs_offsets(part)}", mmap=True
            )
            file = self._store.local(f"{self._folder}/{layout.thumbs_part(part)}")
        except NotFound:
            return [b""] * len(places)
        with file.open("rb") as source:
            return [_between(source.fileno(), offsets, place) for place in places.tolist()]


def _between(file: int, offsets: NDArray[np.int64], place: int) -> bytes:
    if place + 1 >= len(offsets):
        return b""
    begin, end = (int(offset) for offset in offsets[place : place + 2])
    return os.pread(file, end - begin, begin)
