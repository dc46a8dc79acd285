"""Groups of copies around representatives, without chaining.

A chain of small differences can lead from any image to any other, so groups are stars instead: images
are taken from the best to the worst, and each becomes a copy of the best representative that it is
near to, or a representative itself. Every copy is thus near to its representative, and no two
representatives are near to one another (see `stars.py`), but for what people said of pairs.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.arrays import Indices

NO_REPRESENTATIVE = -1
_NO_PAIRS = np.empty((0, 2), np.int64)


@dataclass(frozen=True)
class Groups:
    """Which image stands for which.

    Attributes:
        representative: int64 [N], -1 for an image that is not ok.
        distance: uint8 [N], bits between the pHash of a row and that of its representative.
    """

    representative: Indices
    distance: NDArray[np.uint8]

    @property
    def representatives(self) -> int:
        """How many images stand for themselves."""
        return int((self.representative == np.arange(len(self.representative))).sum())

    @property
    def copies(self) -> int:
        """How many images another one stands for."""
        return int((self.representative >= 0).sum()) - self.representatives


@dataclass(frozen=True)
class Judgements:
    """What people said of pairs of rows.

    Attributes:
        same: int64 [s, 2].
        apart: int64 [a, 2].
        equal: int64 [e, 2]: rows of the bytes of one in `apart`, itself among them, and a number of
            these bytes.
        keep: int64 [k]: rows that are to stand for their group, the first of a group.
    """

    same: NDArray[np.int64] = field(default_factory=lambda: _NO_PAIRS)
    apart: NDArray[np.int64] = field(default_factory=lambda: _NO_PAIRS)
    equal: NDArray[np.int64] = field(default_factory=lambda: _NO_PAIRS)
    keep: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True)
class Similar:
    """Pairs of representatives that may show the same picture, the likeliest first.

    Attributes:
        pairs: int64 [p, 2], rows, the smaller one first.
        distance: uint8 [p], bits between their pHashes.
    """

    pairs: NDArray[np.int64]
    distance: NDArray[np.uint8]

    @classmethod
    def nothing(cls) -> "Similar":
        """No pair."""
        return cls(_NO_PAIRS, np.empty(0, np.uint8))
