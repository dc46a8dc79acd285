"""Each hash once, with how often it is there.

Copies collapse before anything is compared: a million blank images have one hash, and would else be
5e11 pairs. Rows are scattered to partitions by a hash of all their bits; the values of a partition are
collected in an open-addressing set that stays in the processor's cache. The set grows with the number of
distinct values, not of rows, so no skew makes it large.
"""

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.answers import Distinct
from hundredfold.hashing.domain.near.compiling import compiled
from hundredfold.hashing.domain.near.scatter import aligned, scatter
from hundredfold.hashing.domain.near.threads import Threads

_ALL = 2**64 - 1
_PARTITION = 16_384  # rows, if they spread evenly
_MOST_BITS = 13
_SCATTER = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio
_SLOTS = 32_768


@compiled("int64(uint64[::1], int64, int64, uint32[::1])")
def _collect(rows: NDArray[np.uint64], begin: int, end: int, counts: NDArray[np.uint32]) -> int:
    """Move the distinct values of a partition to its begin, and their counts; how many there are."""
    multiplier = np.uint64(0xC2B2AE3D27D4EB4F)  # another one than that of the partition
    bits = 15
    slots = np.zeros(1 << bits, np.uint32)  # a slot has 1 + the place of a value: hash 0 is a value
    shift, last = np.uint64(64 - bits), np.int64((1 << bits) - 1)
    n = 0
    for i in range(begin, end):
        value = rows[i]
        slot = np.int64((value * multiplier) >> shift)
        while slots[slot] != 0 and rows[begin + np.int64(slots[slot]) - 1] != value:
            slot = (slot + 1) & last
        if slots[slot] != 0:
            counts[begin + np.int64(slots[slot]) - 1] += np.uint32(1)
            continue
        rows[begin + n] = value  # its place was read already: n <= i - begin
        counts[begin + n] = 1
        n += 1
        slots[slot] = n
        if 2 * n > last:
            bits += 1
            slots = np.zeros(1 << bits, np.uint32)
            shift, last = np.uint64(64 - bits), np.int64((1 << bits) - 1)
            for k in range(n):
                slot = np.int64((rows[begin + k] * multiplier) >> shift)
                while slots[slot] != 0:
                    slot = (slot + 1) & last
                slots[slot] = k + 1
    return n


def collapsed(hashes: NDArray[np.uint64], threads: int) -> Distinct:
    """See `distinct`."""
    if len(hashes) == 0:
        return Distinct(np.empty(0, np.uint64), np.empty(0, np.uint32))
    pool = Threads.of(threads)
    bits = min(max((len(hashes) // _PARTITION).bit_length(), 1), _MOST_BITS)
    hashes = np.ascontiguousarray(hashes)
    parts = scatter(
        hashes, 0, aligned(len(hashes)), mask=_ALL, multiplier=_SCATTER, bits=bits, threads=pool
    )
    counts = np.empty(len(hashes), np.uint32)
    found = np.zeros(1 << bits, np.int64)

    def collect(part: int) -> None:
        begin, end = parts.bounds[part : part + 2]
        found[part] = _collect(parts.rows, begin, end, counts)

    pool.run(collect, range(1 << bits))
    return _joined_up(parts.rows, counts, parts.bounds, found)


def _joined_up(
    rows: NDArray[np.uint64],
    counts: NDArray[np.uint32],
    bounds: NDArray[np.int64],
    found: NDArray[np.int64],
) -> Distinct:
    """Close the gaps between partitions, in place."""
    to = 0
    for begin, n in zip(bounds.tolist(), found.tolist(), strict=False):
        if begin != to:
            rows[to : to + n] = rows[begin : begin + n]
            counts[to : to + n] = counts[begin : begin + n]
        to += n
    return Distinct(rows[:to], counts[:to])
