"""Which images of a collection one more image is a copy of: multi-index hashing.

After Norouzi, Punjani and Fleet, "Fast exact search in Hamming space with multi-index hashing" (2012).
The pHash is cut into parts with radii rho_i, sum(rho_i + 1) = radius + 1 over those parts that are used.
Two hashes within the radius differ in at most rho_i bits in at least one part, else they would differ in
radius + 1 bits or more. So it is enough to look, in each part, at the images whose part differs in at
most rho_i bits from that of the query; the first part in which it does is the one that tells an image.

Images with the same two hashes are one entry, so that a million copies cost as much as one.
"""

from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.arrays import Hashes, Indices
from hundredfold.hashing.domain.found import Found, concatenated
from hundredfold.hashing.domain.near.compiling import compiled, inlined
from hundredfold.hashing.domain.near.threads import Threads, slices
from hundredfold.hashing.domain.stars.table import table

_FEW_ENTRIES = 1 << 19
"""Fewer entries have four parts of 16 bits, others three of 21 or 22, which take more memory."""

_FLIPS, _ENTRIES = 256, 2048  # buckets and entries that are looked at together
_SHARE = 64  # queries that a thread takes at a time


@inlined
def _bits(value: Any) -> Any:
    value -= (value >> np.uint64(1)) & np.uint64(0x5555555555555555)
    value = (value & np.uint64(0x3333333333333333)) + (
        (value >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    value = (value + (value >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((value * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled("void(uint64[::1], uint64, uint64, int64[::1], uint32[::1])")
def _sort_part(
    phash: Hashes, shift: Any, mask: Any, starts: Indices, entries: NDArray[np.uint32]
) -> None:
    for value in phash:
        starts[np.int64((value >> shift) & mask) + 1] += 1
    for k in range(len(starts) - 1):
        starts[k + 1] += starts[k]
    free = starts[:-1].copy()
    for i in range(len(phash)):
        key: Any = np.int64((phash[i] >> shift) & mask)
        entries[free[key]] = i
        free[key] += 1


@compiled("void(uint32[::1], uint32[::1], uint32[::1], uint32[::1], uint32[::1])")
def _deal_rows(
    equal_to: NDArray[np.uint32],
    number: NDArray[np.uint32],
    rows: NDArray[np.uint32],
    starts: NDArray[np.uint32],
    row_of: NDArray[np.uint32],
) -> None:
    for first in equal_to:
        starts[number[first] + 1] += 1
    for k in range(len(starts) - 1):
        starts[k + 1] += starts[k]
    free = starts[:-1].copy()
    for i in range(len(equal_to)):
        entry = number[equal_to[i]]
        row_of[free[entry]] = rows[i]
        free[entry] += 1


@inlined
def _insert(
    rows: Indices, distances: NDArray[np.uint8], n: int, most: int, row: Any, distance: Any
) -> int:
    """Put a row into the best `n` so far, of `most`; the new `n`, or -1 when it is worse than all."""
    if n == most:
        if (distance, row) >= (np.int64(distances[n - 1]), rows[n - 1]):
            return -1
        n -= 1
    at = n
    while at > 0 and (np.int64(distances[at - 1]), rows[at - 1]) > (distance, row):
        rows[at], distances[at] = rows[at - 1], distances[at - 1]
        at -= 1
    rows[at], distances[at] = row, distance
    return n + 1


@inlined
def _weigh(
    near: NDArray[np.uint32], many: int, part: int, phash: Any, dhash: Any, both: bool, radius: int,
    most: int, phashes: Hashes, dhashes: Hashes, row_starts: NDArray[np.uint32],
    row_of: NDArray[np.uint32], shifts: Hashes, masks: Hashes, radii: Indices,
    rows: Indices, distances: NDArray[np.uint8], n: int,
) -> int:  # fmt: skip
    """Put the rows of the entries of a part that are near, and that no part before it told, into the best."""
    few: Any = 0
    for k in range(many):  # without a branch, so that the processor waits for many hashes at once
        i = near[k]
        near[few] = i
        few += np.int64(_bits(phash ^ phashes[i]) <= radius)
    for k in range(few):
        i = near[k]
        if both and _bits(dhash ^ dhashes[i]) > radius:
            continue
        differing = phash ^ phashes[i]
        told = False
        for earlier in range(part):
            some = (differing >> shifts[earlier]) & masks[earlier]
            told = told or _bits(some) <= radii[earlier]
        if told:
            continue
        for r in range(row_starts[i], row_starts[np.int64(i) + 1]):
            kept = _insert(rows, distances, n, most, np.int64(row_of[r]), _bits(differing))
            if kept < 0:
                break
            n = kept
    return n


@compiled(
    "int64(uint64, uint64, boolean, int64, int64, uint64[::1], uint64[::1], uint32[::1], uint32[::1],"
    " uint64[::1], uint64[::1], int64[::1], int64[::1], uint32[::1], int64[::1], uint64[::1],"
    " int64[::1], uint8[::1])"
)
def _search(
    phash: Any,
    dhash: Any,
    both: bool,
    radius: int,
    most: int,
    phashes: Hashes,
    dhashes: Hashes,
    row_starts: NDArray[np.uint32],
    row_of: NDArray[np.uint32],
    shifts: Hashes,
    masks: Hashes,
    radii: Indices,
    starts: Indices,
    entries: NDArray[np.uint32],
    flip_starts: Indices,
    flips: Hashes,
    rows: Indices,
    distances: NDArray[np.uint8],
) -> int:
    """Fill rows and distances with the best; how many.

    Nearly every read of the index is one that the processor has to wait for. So first all places where
    buckets begin and end are read, then the entries, then their hashes: reads that don't depend
    on one another, which are waited for together.
    """
    n = 0
    begin: Any = 0
    bounds = np.empty((_FLIPS, 2), np.int64)
    near = np.empty(_ENTRIES, np.uint32)
    for part in range(len(shifts)):
        key = (phash >> shifts[part]) & masks[part]
        first = part * len(phashes)
        for block in range(flip_starts[part], flip_starts[part + 1], _FLIPS):
            buckets = min(_FLIPS, flip_starts[part + 1] - block)
            for f in range(buckets):
                bucket = begin + np.int64(key ^ flips[block + f])
                bounds[f, 0], bounds[f, 1] = first + starts[bucket], first + starts[bucket + 1]
            many = 0
            for f in range(buckets):
                for k in range(bounds[f, 0], bounds[f, 1]):
                    near[many] = entries[k]
                    many += 1
                    if many == _ENTRIES:
                        n = _weigh(
                            near, many, part, phash, dhash, both, radius, most, phashes, dhashes,
                            row_starts, row_of, shifts, masks, radii, rows, distances, n,
                        )  # fmt: skip
                        many = 0
            n = _weigh(
                near, many, part, phash, dhash, both, radius, most, phashes, dhashes,
                row_starts, row_of, shifts, masks, radii, rows, distances, n,
            )  # fmt: skip
        begin += np.int64(masks[part]) + 2
    return n


_NOTHING = np.empty(0, np.int64), np.empty(0, np.uint8)


class LookUpIndex:
    """The images of a collection, to be found by their hashes or bytes. Safe for threads.

    Memory: 4 bytes an image, and 28 to 32 an image with hashes of its own.

    Args:
        phash: uint64 [h], of images with hashes that tell them from others.
        dhash: uint64 [h].
        rows: uint32 [h], their rows, ascending.
        bare: int64 [b], ascending, rows that are ok and have no such hashes.
        bare_digest: uint64 [b, 4], sha256 of their bytes.
    """

    def __init__(
        self,
        phash: Hashes,
        dhash: Hashes,
        rows: NDArray[np.uint32],
        bare: Indices,
        bare_digest: Hashes,
    ) -> None:
        equal_to = table(phash, dhash).first
        first = np.flatnonzero(equal_to == np.arange(len(equal_to), dtype=np.uint32))
        self._phash, self._dhash = phash[first], dhash[first]
        self._row_starts, self._row_of = _rows_of_entries(equal_to, first, rows)
        self._sizes = _part_sizes(len(first))
        self._shifts = np.cumsum([0, *self._sizes[:-1]]).astype(np.uint64)
        self._masks = np.array([(1 << size) - 1 for size in self._sizes], np.uint64)
        self._starts, self._entries = self._sorted()
        self._bare_order = np.argsort(bare_digest[:, 0], kind="stable")
        self._bare, self._bare_digest = bare[self._bare_order], bare_digest[self._bare_order]

    def near(self, phash: Hashes, dhash: Hashes | None, *, radius: int, most: int) -> Found:
        """Rows whose hashes are both within the radius of those of each query.

        Args:
            phash: uint64 [q].
            dhash: uint64 [q]; None = the pHash decides alone.
            radius: 0 to 10 bits.
            most: rows of a query.
        """
        radii = _radii(len(self._sizes), radius)
        flip_starts, flips = _flips(self._sizes, radii)
        found: list[tuple[Indices, NDArray[np.uint8]]] = [_NOTHING] * len(phash)

        def search(some: tuple[int, int]) -> None:
            rows, distances = np.empty(most, np.int64), np.empty(most, np.uint8)
            for place in range(*some):
                n = _search(
                    phash[place], phash[place] if dhash is None else dhash[place], dhash is not None,
                    radius, most, self._phash, self._dhash, self._row_starts, self._row_of,
                    self._shifts, self._masks, np.array(radii), self._starts, self._entries,
                    flip_starts, flips, rows, distances,
                )  # fmt: skip
                found[place] = rows[:n].copy(), distances[:n].copy()

        Threads.of(0).run(search, slices(0, len(phash), -(-len(phash) // _SHARE)))
        return concatenated(found)

    def equal(self, digest: Hashes) -> Indices:
        """Rows without hashes that have these bytes, by their sha256 uint64 [4]; ascending."""
        words = self._bare_digest[:, 0]
        begin = int(np.searchsorted(words, digest[0], "left"))
        end = int(np.searchsorted(words, digest[0], "right"))
        same = (self._bare_digest[begin:end] == digest).all(axis=1)
        return np.sort(self._bare[begin:end][same])

    def _sorted(self) -> tuple[Indices, NDArray[np.uint32]]:
        """Of each part where the entries of each key begin, and the entries by key."""
        n = len(self._phash)
        starts = np.zeros(sum((1 << size) + 1 for size in self._sizes), np.int64)
        entries = np.empty(n * len(self._sizes), np.uint32)
        begin = 0
        for part, size in enumerate(self._sizes):
            end = begin + (1 << size) + 1
            some = entries[part * n : (part + 1) * n]
            _sort_part(self._phash, self._shifts[part], self._masks[part], starts[begin:end], some)
            begin = end
        return starts, entries


def _rows_of_entries(
    equal_to: NDArray[np.uint32], first: Indices, rows: NDArray[np.uint32]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Where the rows of each entry begin, and the rows by entry; within one they ascend."""
    number = np.empty(len(equal_to), np.uint32)
    number[first] = np.arange(len(first))
    starts, row_of = np.zeros(len(first) + 1, np.uint32), np.empty(len(rows), np.uint32)
    _deal_rows(equal_to, number, rows, starts, row_of)
    return starts, row_of


def _part_sizes(entries: int) -> tuple[int, ...]:
    return (16, 16, 16, 16) if entries < _FEW_ENTRIES else (22, 21, 21)


def _radii(parts: int, radius: int) -> tuple[int, ...]:
    """Bits of each part, -1 = not used: sum(rho_i + 1) = radius + 1."""
    return tuple((radius + 1 - part + parts - 1) // parts - 1 for part in range(parts))


@cache
def _flips(sizes: tuple[int, ...], radii: tuple[int, ...]) -> tuple[Indices, Hashes]:
    """Of each part where its numbers with at most rho bits begin, and these numbers."""
    found = [
        [
            sum(1 << bit for bit in bits)
            for n in range(rho + 1)
            for bits in combinations(range(size), n)
        ]
        for size, rho in zip(sizes, radii, strict=True)
    ]
    starts = np.cumsum([0, *map(len, found)]).astype(np.int64)
    return starts, np.array([flip for some in found for flip in some], np.uint64)
