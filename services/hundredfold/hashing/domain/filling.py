"""The hashes of one part while chunks of them come in, in any order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.arrays import Hashes, Indices


@dataclass(frozen=True)
class PartHashes:
    """The hashes of one kind of a part.

    Attributes:
        hashes: uint64 [n].
        failed: int64 [f], ascending: places of images that are ok and have no hash all the same.
    """

    hashes: Hashes
    failed: Indices

    @classmethod
    def empty(cls) -> "PartHashes":
        """The hashes of a part that has none yet."""
        return cls(np.empty(0, np.uint64), np.empty(0, np.int64))

    def missing(self, ok: NDArray[np.bool_]) -> Indices:
        """Places int64 of images that are ok, bool [n], and have no hash: new ones and failed ones."""
        without = ok.copy()
        without[: len(self.hashes)] = False
        without[self.failed] = ok[self.failed]
        return np.flatnonzero(without)


@dataclass(frozen=True)
class Chunk:
    """What became of some images of a part.

    Attributes:
        part: its number.
        places: int64 [k], places in the part.
        hashes: by algorithm, uint64 [k].
        failed: int64 [f], those of the places that could not be hashed.
    """

    part: int
    places: Indices
    hashes: Mapping[str, Hashes]
    failed: Indices


class FillingPart:
    """A part that gets its missing hashes.

    Args:
        before: by algorithm, what is there already; may be of fewer rows.
        rows: how many rows the part has.
        chunks: how many chunks will come.
    """

    def __init__(self, before: Mapping[str, PartHashes], rows: int, chunks: int) -> None:
        self._hashes = {name: _grown(part.hashes, rows) for name, part in before.items()}
        self._left = chunks
        self._failed: list[Indices] = []

    def add(self, chunk: Chunk) -> bool:
        """Take a chunk, and tell whether it was the last."""
        for name, hashes in chunk.hashes.items():
            self._hashes[name][chunk.places] = hashes
        self._failed.append(chunk.failed)
        self._left -= 1
        return self.complete

    @property
    def complete(self) -> bool:
        """Whether all chunks came."""
        return self._left == 0

    def result(self) -> Mapping[str, PartHashes]:
        """By algorithm what there is now; whoever failed before and does not now has been tried again."""
        failed = np.sort(np.concatenate([np.empty(0, np.int64), *self._failed]))
        return {name: PartHashes(hashes, failed) for name, hashes in self._hashes.items()}


def chunks(places: Indices, size: int) -> Sequence[Indices]:
    """Places in runs of `size`, the last one shorter."""
    return [places[begin : begin + size] for begin in range(0, len(places), size)]


def _grown(hashes: Hashes, rows: int) -> Hashes:
    grown = np.zeros(rows, np.uint64)
    grown[: len(hashes)] = hashes
    return grown
