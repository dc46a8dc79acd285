"""Equal images, and where the images of a pHash are: open addressing, made partition by partition.

Rows are dealt to partitions by a hash of their pHash, so that the part of the table which a partition
fills stays in the processor's cache. What is equal collapses first: a million equal images are one
entry, and their pairs are never looked at.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.compiling import compiled, inlined

NOT_YET = np.uint32(0xFFFFFFFF)
MOST_ROWS = 0xFFFFFFFF
"""Rows have 32 bits here, and one number is `NOT_YET`."""

_PARTITION = 8192
_SLOTS_AN_IMAGE = 1.25  # at least; the next power of 2
_MOST_BITS = 13


@dataclass(frozen=True)
class Table:
    """Where the distinct images of each pHash are.

    Attributes:
        phash: uint64 [n].
        dhash: uint64 [n], or [0]: then the pHash decides alone.
        first: uint32 [n], the first index of an equal image.
        slots: uint32 [2^k], 1 + an index with that pHash; 0 = empty.
        chained: uint32 [n], of each index 1 + another one of the same pHash; 0 = none.
    """

    phash: NDArray[np.uint64]
    dhash: NDArray[np.uint64]
    first: NDArray[np.uint32]
    slots: NDArray[np.uint32]
    chained: NDArray[np.uint32]


@inlined
def _mixed(value: Any) -> Any:
    """A bijection of 64 bits that spreads whatever differs over all of them (splitmix64)."""
    mixed = value ^ (value >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@compiled("void(uint64[::1], int64, int64[::1], uint32[::1])")
def _partition(
    phash: NDArray[np.uint64], bits: int, starts: NDArray[np.int64], order: NDArray[np.uint32]
) -> None:
    shift = np.uint64(64 - bits)
    for i in range(len(phash)):
        starts[np.int64(_mixed(phash[i]) >> shift) + 1] += 1
    for k in range(len(starts) - 1):
        starts[k + 1] += starts[k]
    free = starts[:-1].copy()
    for i in range(len(phash)):
        p: Any = np.int64(_mixed(phash[i]) >> shift)
        order[free[p]] = i
        free[p] += 1


@inlined
def _key(
    phash: NDArray[np.uint64], dhash: NDArray[np.uint64], side: NDArray[np.uint8], i: Any
) -> Any:
    key: Any = phash[i] * np.uint64(0x9E3779B97F4A7C15)
    if len(dhash) > 0:
        key += dhash[i]
    if len(side) > 0:
        key += np.uint64(side[i])
    return _mixed(key)


@inlined
def _grown(
    phash: NDArray[np.uint64],
    dhash: NDArray[np.uint64],
    side: NDArray[np.uint8],
    slots: NDArray[np.uint32],
) -> NDArray[np.uint32]:
    """The same entries in twice as many slots."""
    grown = np.zeros(2 * len(slots), np.uint32)
    last = np.uint64(len(grown) - 1)
    for entry in slots:
        if entry != 0:
            at: Any = np.int64(_key(phash, dhash, side, np.int64(entry) - 1) & last)
            while grown[at] != 0:
                at = (at + 1) & np.int64(last)
            grown[at] = entry
    return grown


@compiled("void(uint64[::1], uint64[::1], uint8[::1], uint32[::1], int64, int64, uint32[::1])")
def _collapse(
    phash: NDArray[np.uint64],
    dhash: NDArray[np.uint64],
    side: NDArray[np.uint8],
    order: NDArray[np.uint32],
    begin: int,
    end: int,
    first: NDArray[np.uint32],
) -> None:
    """Set `first` of the indices of one partition."""
    slots = np.zeros(16384, np.uint32)
    used = 0
    for k in range(begin, end):
        i = np.int64(order[k])
        if first[i] != np.uint32(0xFFFFFFFF):
            continue
        last = np.int64(len(slots) - 1)
        at: Any = np.int64(_key(phash, dhash, side, i) & np.uint64(last))
        while slots[at] != 0:
            j = np.int64(slots[at]) - 1
            same = phash[j] == phash[i] and (len(dhash) == 0 or dhash[j] == dhash[i])
            if same and (len(side) == 0 or side[j] == side[i]):
                break
            at = (at + 1) & last
        if slots[at] != 0:
            first[i] = slots[at] - np.uint32(1)
            continue
        first[i] = i
        slots[at] = i + 1
        used += 1
        if 2 * used > len(slots):
            slots = _grown(phash, dhash, side, slots)


@compiled("void(uint64[::1], uint32[::1], uint32[::1], uint32[::1], int64, uint32[::1])")
def _fill(
    phash: NDArray[np.uint64],
    order: NDArray[np.uint32],
    first: NDArray[np.uint32],
    slots: NDArray[np.uint32],
    bits: int,
    chained: NDArray[np.uint32],
) -> None:
    shift, last = np.uint64(64 - bits), np.int64(len(slots) - 1)
    for k in range(len(order)):
        i = np.int64(order[k])
        if first[i] != i:
            continue
        at: Any = np.int64(_mixed(phash[i]) >> shift)
        while slots[at] != 0 and phash[np.int64(slots[at]) - 1] != phash[i]:
            at = (at + 1) & last
        if slots[at] != 0:
            chained[i] = slots[at]
        slots[at] = i + 1


def table(
    phash: NDArray[np.uint64],
    dhash: NDArray[np.uint64],
    *,
    side: NDArray[np.uint8] | None = None,
    settled: NDArray[np.int64] | None = None,
    threads: int = 0,
) -> Table:
    """Collapse equal images to the first of them and say where each pHash is.

    Args:
        phash: uint64 [n], n below 2^32 - 1.
        dhash: uint64 [n], or [0] where the pHash decides alone.
        side: uint8 [n]: images of different sides are not equal; None = there are no sides.
        settled: int64 [s, 2]: indices that are equal to none but the given ones, and the first of those.
        threads: 0 = one a core.
    """
    starts, order = _dealt(phash)
    first = np.full(len(phash), NOT_YET, np.uint32)
    if settled is not None:
        first[settled[:, 0]] = settled[:, 1]
    sides = np.empty(0, np.uint8) if side is None else side
    spans = list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        list(
            pool.map(
                lambda span: _collapse(phash, dhash, sides, order, span[0], span[1], first), spans
            )
        )
    bits = max(int(np.ceil(np.log2(max(len(phash), 1) * _SLOTS_AN_IMAGE))), 4)
    slots = np.zeros(1 << bits, np.uint32)
    chained = np.zeros(len(phash), np.uint32)  # pages that are never written to take no memory
    _fill(phash, order, first, slots, bits, chained)
    return Table(phash, dhash, first, slots, chained)


def _dealt(phash: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """The begins of the partitions, and the indices in each, ascending."""
    bits = min(max(int(np.ceil(np.log2(max(len(phash), 1) / _PARTITION))), 1), _MOST_BITS)
    starts = np.zeros((1 << bits) + 1, np.int64)
    order = np.empty(len(phash), np.uint32)
    _partition(phash, bits, starts, order)
    return starts, order


@compiled("void(uint64[::1], uint32[::1], int64, uint64[::1], boolean[::1])")
def _find(
    phash: NDArray[np.uint64],
    slots: NDArray[np.uint32],
    bits: int,
    values: NDArray[np.uint64],
    found: NDArray[np.bool_],
) -> None:
    shift, last = np.uint64(64 - bits), np.int64(len(slots) - 1)
    for k in range(len(values)):
        at: Any = np.int64(_mixed(values[k]) >> shift)
        while slots[at] != 0 and phash[np.int64(slots[at]) - 1] != values[k]:
            at = (at + 1) & last
        found[k] = slots[at] != 0


def known(some: NDArray[np.uint64], values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Of each value whether it is among some others: bool [n]."""
    among = table(some, np.empty(0, np.uint64))
    found = np.empty(len(values), np.bool_)
    _find(some, among.slots, (len(among.slots) - 1).bit_length(), values, found)
    return found
