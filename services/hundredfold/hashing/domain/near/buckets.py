"""The near pairs of partitions: a counting sort into buckets, all pairs of each bucket."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.comparing import PADDING, compare
from hundredfold.hashing.domain.near.compiling import compiled

MOST_ROWS = 1 << 20
"""Rows that are sorted into buckets at once; larger partitions are cut again first."""

BUCKET_BITS = 14
PAIRS = 1 << 16
"""Pairs that are handed on at once."""


@compiled(
    "void(uint64[::1], int64, int64, int64, uint64, uint64, uint64, int64,"
    "uint64[::1], uint32[::1], int64[::1], int64[::1])"
)
def _sort(
    rows: NDArray[np.uint64],
    begin: int,
    end: int,
    marked: int,
    mask: np.uint64,
    multiplier: np.uint64,
    shift: np.uint64,
    buckets: int,
    ordered: NDArray[np.uint64],
    folded: NDArray[np.uint32],
    starts: NDArray[np.int64],
    early: NDArray[np.int64],
) -> None:
    """Sort rows by bucket, stably; `early` gets how many rows of each bucket are marked."""
    n = end - begin
    last = np.uint64(buckets - 1)
    keys = np.empty(n, np.uint16)
    for i in range(n):
        keys[i] = (((rows[begin + i] & mask) * multiplier) >> shift) & last
    starts[: buckets + 1] = 0
    for i in range(marked):
        starts[np.int64(keys[i]) + 1] += 1
    early[:buckets] = starts[1 : buckets + 1]
    for i in range(marked, n):
        starts[np.int64(keys[i]) + 1] += 1
    for i in range(buckets):
        starts[i + 1] += starts[i]
    after = starts[:buckets].copy()
    for i in range(n):
        key = np.int64(keys[i])
        ordered[after[key]] = rows[begin + i]
        after[key] += 1
    for i in range(n):
        folded[i] = ordered[i] ^ (ordered[i] >> np.uint64(32))
    ordered[n : n + PADDING] = 0
    folded[n : n + PADDING] = 0


@dataclass(frozen=True)
class Rule:
    """Which of the tables that find a pair gives it away.

    A pair agrees on the masks of one or more tables. The first of them, in the one order that tables
    have, emits it: where its xor misses `agree`, the masks of the table and of those that it is cut from,
    and hits each mask of `earlier`. These are whole masks. A bucket may mix rows that differ on its mask,
    as its key is a hash; such a pair is found, and given away, by another table.
    """

    agree: int
    earlier: NDArray[np.uint64]

    def then(self, masks: NDArray[np.uint64], table: int) -> "Rule":
        """The rule of a table of a cover, inside a table with this rule."""
        earlier = np.concatenate([self.earlier, masks[:table]])
        return Rule(self.agree | int(masks[table]), earlier)


NO_RULE = Rule(0, np.empty(0, np.uint64))


class Buckets:
    """One partition at a time, in memory that is used again; for one thread."""

    def __init__(self, rows: int) -> None:
        self._ordered = np.empty(0, np.uint64)
        self.reserve(rows)
        self._starts = np.empty((1 << BUCKET_BITS) + 1, np.int64)
        self._early = np.empty(1 << BUCKET_BITS, np.int64)
        self._found = np.empty((PAIRS, 2), np.uint64)
        self._state = np.array([0, -1, 0, 0])

    def reserve(self, rows: int) -> None:
        """Have room for a partition of some rows."""
        if len(self._ordered) < rows + PADDING:
            self._ordered = np.empty(rows + PADDING, np.uint64)
            self._folded = np.empty(rows + PADDING, np.uint32)

    def sort(
        self,
        rows: NDArray[np.uint64],
        begin: int,
        end: int,
        marked: int,
        *,
        key: tuple[int, int, int],
        bits: int,
    ) -> None:
        """Take up rows[begin:end], of which the first ones are marked; 2^bits buckets.

        `key`: mask, multiplier, and by how much the product is shifted to the right.
        """
        self._buckets = 1 << bits
        mask, multiplier, shift = (np.uint64(each) for each in key)
        _sort(
            rows, begin, end, marked, mask, multiplier, shift, self._buckets,
            self._ordered, self._folded, self._starts, self._early,
        )  # fmt: skip

    def compare(self, rule: Rule, radius: int, large: int) -> int:
        """Go on to find pairs until DONE, FULL (call `take`), or LARGE: a bucket of `large` rows or more.

        After LARGE the bucket is compared if this is called again, unless it is skipped.
        """
        return int(
            compare(
                self._ordered, self._folded, self._starts, self._early, self._buckets, large,
                radius, np.uint64(rule.agree), rule.earlier, self._state, self._found,
            )
        )  # fmt: skip

    def bucket(self) -> tuple[NDArray[np.uint64], int]:
        """The rows of the bucket that is met, and how many of them, the first ones, are marked."""
        at = self._state[0]
        return self._ordered[self._starts[at] : self._starts[at + 1]], int(self._early[at])

    def skip(self) -> None:
        """Leave the bucket that is met out."""
        self._state[:3] = self._state[0] + 1, -1, 0

    def take(self) -> NDArray[np.uint64]:
        """The pairs found since the last time, uint64 [m, 2]."""
        found = self._found[: self._state[3]].copy()
        self._state[3] = 0
        return found
