"""Which vector of a file belongs to which row of a collection."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NONE = -1
_DIGEST = np.dtype([("first", "<u8"), ("second", "<u8")])


def digests(texts: Sequence[str]) -> NDArray[np.void]:
    """128 bits of each text, as two numbers: [n]. Texts differ if and, for all that matters, only if these do."""
    joined = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        for text in texts
    )
    return np.frombuffer(joined, _DIGEST)


class Names:
    """Finds the vectors of images by texts, in memory of 24 bytes a vector.

    Args:
        of: `digests` of the texts of the vectors, in the order of the file; of equal ones the first counts.
    """

    def __init__(self, of: NDArray[np.void]) -> None:
        self._order = np.lexsort((of["second"], of["first"]))
        self._sorted = of[self._order]

    @property
    def repeated(self) -> int:
        """How many are equal to an earlier one."""
        return int((self._sorted[1:] == self._sorted[:-1]).sum())

    def find(self, wanted: NDArray[np.void]) -> NDArray[np.int64]:
        """The position of the vector of each text, int64 [n]; `NONE` where there is none."""
        if not len(self._sorted):
            return np.full(len(wanted), NONE, np.int64)
        places = np.searchsorted(self._sorted["first"], wanted["first"])
        places = np.minimum(places, len(self._sorted) - 1)
        found = np.where(self._sorted[places] == wanted, self._order[places], NONE)
        return found.astype(np.int64)


@dataclass(frozen=True)
class Matched:
    """The vectors that are stored, by the row that each belongs to.

    Attributes:
        rows: int64 [m], ascending, each once.
        positions: int64 [m]: where the vector of each is in the file.
    """

    rows: NDArray[np.int64]
    positions: NDArray[np.int64]

    @classmethod
    def of(cls, rows: NDArray[np.int64], positions: NDArray[np.int64]) -> "Matched":
        """Sort pairs of a row and a position; of those of one row the first position stays."""
        order = np.lexsort((positions, rows))
        rows, positions = rows[order], positions[order]
        first = np.ones(len(rows), bool)
        first[1:] = rows[1:] != rows[:-1]
        return cls(rows[first], positions[first])

    def between(self, begin: int, end: int) -> "Matched":
        """Those of rows from `begin` until before `end`."""
        part = slice(*np.searchsorted(self.rows, (begin, end)))
        return Matched(self.rows[part], self.positions[part])


def groups(sizes: Sequence[int], most: int) -> list[slice]:
    """Neighbours that together are at most `most`, or one that is more by itself."""
    found, begin, total = [], 0, 0
    for place, size in enumerate(sizes):
        if place > begin and total + size > most:
            found.append(slice(begin, place))
            begin, total = place, 0
        total += size
    return [*found, slice(begin, len(sizes))] if sizes else []
