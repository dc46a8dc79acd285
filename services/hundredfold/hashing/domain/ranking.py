"""Images from the best to the worst."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.compiling import compiled
from hundredfold.hashing.domain.stars.table import table

_BYTE_BITS = np.uint64(27)
_MOST_BYTES = (1 << 27) - 1
_DIGIT_BITS = 16


def quality(pixels: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.uint64]:
    """What is larger for a better image: more pixels, then more bytes (which are 0 where not known).

    Args:
        pixels: int64 [n], width times height, below 2^37.
        size: int64 [n], bytes of the encoded image.
    """
    return (pixels.astype(np.uint64) << _BYTE_BITS) | np.minimum(size, _MOST_BYTES).astype(
        np.uint64
    )


@compiled("void(uint64[::1], uint32[::1], uint64, uint32[::1])")
def _sort_by_digit(
    keys: NDArray[np.uint64],
    order: NDArray[np.uint32],
    shift: Any,
    out: NDArray[np.uint32],
) -> None:
    starts = np.zeros(65537, np.int64)
    for key in keys:
        starts[np.int64((~key >> shift) & np.uint64(0xFFFF)) + 1] += 1
    for k in range(65536):
        starts[k + 1] += starts[k]
    for i in order:
        digit = np.int64((~keys[i] >> shift) & np.uint64(0xFFFF))
        out[starts[digit]] = i
        starts[digit] += 1


def best_first(quality: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Indices from the best to the worst, equally good ones in their order: uint32 [n].

    Args:
        quality: uint64 [n], larger is better; n below 2^32.
    """
    order = np.arange(len(quality), dtype=np.uint32)
    if not len(quality):
        return order
    differing = int(np.bitwise_or.reduce(quality ^ quality[0]))
    other = np.empty_like(order)
    for shift in range(0, 64, _DIGIT_BITS):
        if (differing >> shift) & 0xFFFF:
            _sort_by_digit(quality, order, np.uint64(shift), other)
            order, other = other, order
    return order


@dataclass(frozen=True)
class Ranked:
    """The images of a collection from the best to the worst, those with hashes first.

    Attributes:
        rows: rows of the collection.
        hashed: uint32 [h], rows with hashes that tell them from others.
        phash: uint64 [h].
        dhash: uint64 [h].
        bare: uint32 [b], other rows that are ok.
        bare_digest: uint64 [b, 4], of their bytes.
        twin: uint32 [t], places in `hashed`, ascending, of images that may have the bytes of a bare one.
        twin_digest: uint64 [t, 4].
    """

    rows: int
    hashed: NDArray[np.uint32]
    phash: NDArray[np.uint64]
    dhash: NDArray[np.uint64]
    bare: NDArray[np.uint32]
    bare_digest: NDArray[np.uint64]
    twin: NDArray[np.uint32]
    twin_digest: NDArray[np.uint64]

    @property
    def in_order(self) -> NDArray[np.uint32]:
        """All rows that are ok, as they are numbered: uint32 [h + b]."""
        return np.concatenate([self.hashed, self.bare])

    def equal_bytes(self) -> NDArray[np.uint32]:
        """Of each bare row the place in `in_order` of the first one of its bytes: uint32 [b]."""
        places = np.concatenate([self.twin, len(self.hashed) + np.arange(len(self.bare))])
        digest = np.concatenate([self.twin_digest, self.bare_digest])
        # Two of the four words are 128 bits: nobody finds other bytes with the same.
        words = (np.ascontiguousarray(digest[:, word]) for word in (0, 1))
        first = table(*words).first[len(self.twin) :]
        return places[first].astype(np.uint32)


class Ranking:
    """Ranks the images of a collection that is read part by part, twice, in any order.

    Args:
        rows: of the collection, below 2^32 - 1.
    """

    def __init__(self, rows: int) -> None:
        self._quality = np.zeros(rows, np.uint64)
        self._ok = np.zeros(rows, np.bool_)
        self._hashed = np.zeros(rows, np.bool_)
        self._rows = rows

    def see(
        self,
        begin: int,
        quality: NDArray[np.uint64],
        ok: NDArray[np.bool_],
        hashed: NDArray[np.bool_],
    ) -> None:
        """The first time: the rows from `begin` on."""
        some = slice(begin, begin + len(ok))
        self._quality[some], self._ok[some], self._hashed[some] = quality, ok, hashed

    def rank(self) -> None:
        """Once all were seen."""
        order = best_first(self._quality)
        self._quality = np.empty(0, np.uint64)
        self.hashed = order[self._hashed[order]]
        self.bare = order[(self._ok & ~self._hashed)[order]]
        self._place = np.empty(self._rows, np.uint32)
        self._place[self.hashed] = np.arange(len(self.hashed), dtype=np.uint32)
        self._phash = np.empty(len(self.hashed), np.uint64)
        self._dhash = np.empty(len(self.hashed), np.uint64)

    def fill(self, begin: int, phash: NDArray[np.uint64], dhash: NDArray[np.uint64]) -> None:
        """The second time: the rows from `begin` on."""
        here = np.flatnonzero(self._hashed[begin : begin + len(phash)])
        places = self._place[begin + here]
        self._phash[places], self._dhash[places] = phash[here], dhash[here]

    def ranked(
        self,
        bare_digest: NDArray[np.uint64],
        twin_rows: NDArray[np.int64],
        twin_digest: NDArray[np.uint64],
    ) -> Ranked:
        """What came of it.

        Args:
            bare_digest: uint64 [b, 4] of the rows `bare`.
            twin_rows: int64 [t], rows that may have the bytes of a bare one; of them the hashed ones count.
            twin_digest: uint64 [t, 4].
        """
        hashed = self._hashed[twin_rows]
        places, twin_digest = self._place[twin_rows[hashed]], twin_digest[hashed]
        order = np.argsort(places)
        return Ranked(
            self._rows, self.hashed, self._phash, self._dhash, self.bare, bare_digest,
            places[order], twin_digest[order],
        )  # fmt: skip
