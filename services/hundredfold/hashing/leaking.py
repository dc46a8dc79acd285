"""The steps of a FindLeaks run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.runs import RunContext
from hundredfold.chassis.storage.collections import PartInfo
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.hashing.domain.leaks import NONE, Leaks, equal_across, leaks
from hundredfold.hashing.domain.listing import LeakList
from hundredfold.hashing.domain.near import distinct, near_pairs
from hundredfold.hashing.domain.stars.table import known
from hundredfold.hashing.images import HashedImages

_NO_SIDE = 255


class Leaking:
    """Looks for copies across sides.

    Args:
        store: the artifact store.
        context: of the run.
        names: one collection, whose tags tell the side, or two.
        pair: the pHash and dHash that they have.
    """

    def __init__(
        self,
        store: ArtifactStore,
        context: RunContext,
        names: Sequence[str],
        pair: tuple[str, str],
    ) -> None:
        self._context = context
        self._names = names
        self._tags = list(context.run.parameters["tags"])
        self._radius = int(context.run.parameters["radius"])
        self._images = [HashedImages(store, name, pair, self._tick) for name in names]
        self._read = 0
        self._rows = sum(images.rows for images in self._images)

    def find(self) -> LeakList:
        """The images of the first collection that have a copy on another side."""
        self._context.progress(0, self._rows, message="reading hashes")
        hashed, bare, phash, dhash, digest = self._all()
        self._context.progress(self._rows, message="looking for copies across")
        values = distinct(phash).values
        near = near_pairs(values, self._radius, only=self._marked(values, phash, hashed))
        found = leaks(
            phash,
            dhash,
            hashed.side,
            near,
            self._radius,
            join=near_pairs,
            check=self._context.check,
        )
        equal = equal_across(digest, bare.side, near_pairs)
        sides = self._tags or list(self._names)
        counts = [
            found.counts(hashed.side, len(sides)),
            equal.counts(bare.side, len(sides)),
        ]
        listed = np.concatenate([_listed(found, hashed), _listed(equal, bare)])
        if not self._tags:
            listed = listed[listed[:, 2] == 0]  # those of the first collection
        listed = listed[np.lexsort((listed[:, 1], listed[:, 0], listed[:, 4]))]
        return LeakList(
            rows=np.ascontiguousarray(listed[:, :2]),
            sides_of=listed[:, 2:4].astype(np.uint8),
            distances=listed[:, 4].astype(np.uint8),
            sides=sides,
            counts=np.sum(counts, axis=0).tolist(),
        )

    def _all(self) -> tuple["_Rows", "_Rows", NDArray[np.uint64], NDArray[np.uint64], Any]:
        found: list[tuple[NDArray[Any], ...]] = []
        for number, images in enumerate(self._images):
            for info in images.parts:
                found.append(self._part(images, info, number))
                self._tick(info.rows)
        nothing = np.empty(0, np.int64)
        hashes = np.empty(0, np.uint64)
        empty = (nothing, nothing, nothing, nothing, hashes, hashes, hashes.reshape(0, 4))
        rows, side, bare, bare_side, phash, dhash, digest = (
            np.concatenate(arrays) for arrays in zip(empty, *found, strict=True)
        )
        return (
            _Rows(rows, side.astype(np.uint8)),
            _Rows(bare, bare_side.astype(np.uint8)),
            phash,
            dhash,
            digest,
        )

    def _part(self, images: HashedImages, info: PartInfo, number: int) -> tuple[NDArray[Any], ...]:
        part, ok = images.hashes(info), images.ok(info)
        side = images.side(info, self._tags) if self._tags else np.full(info.rows, number)
        hashed = np.flatnonzero(part.hashed & (side != _NO_SIDE))
        bare = np.flatnonzero(ok & ~part.hashed & (side != _NO_SIDE))
        digest = images.digests(bare + part.begin)
        return (
            hashed + part.begin, side[hashed], bare + part.begin, side[bare],
            part.phash[hashed], part.dhash[hashed], digest,
        )  # fmt: skip

    def _marked(
        self, values: NDArray[np.uint64], phash: NDArray[np.uint64], hashed: "_Rows"
    ) -> NDArray[np.bool_] | None:
        """Of two collections the values of the smaller one: every pair across has one of them."""
        if self._tags:
            return None
        first = hashed.side == 0
        smaller = first if 2 * int(first.sum()) <= len(first) else ~first
        return known(phash[smaller], values)

    def _tick(self, rows: int) -> None:
        self._context.check()
        self._read += rows
        self._context.progress(min(self._read, self._rows))


class _Rows:
    """Rows int64 [n], and the side uint8 [n] of each."""

    def __init__(self, rows: NDArray[np.int64], side: NDArray[np.uint8]) -> None:
        self.rows = rows
        self.side = side


def _listed(found: Leaks, images: _Rows) -> NDArray[np.int64]:
    """int64 [m, 5]: row, row of its nearest copy, sides of the two, distance."""
    some = np.flatnonzero(found.nearest != NONE)
    other = found.nearest[some]
    columns = (
        images.rows[some],
        images.rows[other],
        images.side[some],
        images.side[other],
        found.distance[some],
    )
    return np.stack([column.astype(np.int64) for column in columns], axis=1)
