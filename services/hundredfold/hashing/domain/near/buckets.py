"""The near pairs of partitions: a counting sort into buckets in the cache, all pairs of each bucket.

Rows are compared eight with sixteen at once. Up to a radius of 4 first only by 32 bits each, the xor of
their halves: two rows that differ in d bits differ in at most d bits of that, so no pair is lost; what is
left is looked at with all bits. Beyond, too much is left, and eight are compared with eight by all bits. The
instructions are LLVM's generic vector ones, which become single instructions of
processors with AVX-512 and short sequences on all others.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.compiling import compiled, emitted, inlined

MOST_ROWS = 1 << 18
"""Rows of a partition that are sorted in the cache; larger ones are cut again first."""

BUCKET_BITS = 13
PAIRS = 1 << 16
"""Pairs that are handed on at once."""

DONE, FULL, LARGE = 0, 1, 2
"""Why the comparing of a partition ended: all done, no room for pairs, a large bucket is met."""

_QUERIES = 8
_MOST_FOLDED = 4  # bits: beyond, random rows are too often near in what is folded
_PADDING = 64  # vectors are read past the end of the last bucket


def _closest(bits: int, lanes: int) -> Any:
    """An intrinsic: of `lanes` rows from `at`, which differ little from any of 8 rows from `query`."""

    def intrinsic(typing: Any, rows: Any, query: Any, at: Any, radius: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            number, vector = ir.IntType(bits), ir.VectorType(ir.IntType(bits), lanes)
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            count = ir.FunctionType(vector, [vector])
            name = f"llvm.ctpop.v{lanes}i{bits}"
            known = builder.module.globals
            ctpop = known[name] if name in known else ir.Function(builder.module, count, name)

            def splat(value: Any) -> Any:
                nothing = ir.Constant(vector, ir.Undefined)
                first = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
                return builder.shuffle_vector(first, nothing, zeros)

            begin = builder.gep(data, [arguments[2]])
            others = builder.load(builder.bitcast(begin, vector.as_pointer()), align=bits // 8)
            least = None
            for i in range(_QUERIES):
                place = builder.add(arguments[1], ir.Constant(ir.IntType(64), i))
                one = splat(builder.load(builder.gep(data, [place])))
                differing = builder.call(ctpop, [builder.xor(one, others)])
                if least is None:
                    least = differing
                else:
                    less = builder.icmp_unsigned("<", differing, least)
                    least = builder.select(less, differing, least)
            most = splat(builder.trunc(arguments[3], number) if bits < 64 else arguments[3])
            near = builder.icmp_unsigned("<=", least, most)
            return builder.zext(builder.bitcast(near, ir.IntType(lanes)), ir.IntType(64))

        return types.int64(rows, query, at, radius), code

    return emitted(intrinsic)


_near_folded = _closest(32, 16)
_near_whole = _closest(64, 8)


@emitted
def _bits(typing: Any, value: Any) -> Any:
    """The number of bits set."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(value), code


@emitted
def _lowest(typing: Any, value: Any) -> Any:
    """The place of the lowest bit set; of a value that is not 0."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(value), code


@inlined
def _counts_for(differing: Any, radius: int, agree: Any, earlier: Any) -> bool:
    """Whether a pair is near, is found by this table and was found by none before it."""
    if _bits(differing) > radius or (differing & agree) != 0:
        return False
    found = 0
    for i in range(len(earlier)):  # without a way out, so that it is done with vectors
        found += (differing & earlier[i]) == 0
    return found == 0


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
    ordered[n : n + _PADDING] = 0
    folded[n : n + _PADDING] = 0


@inlined
def _among_queries(
    ordered: NDArray[np.uint64], query: int, many: int, end: int, radius: int, agree: np.uint64,
    earlier: NDArray[np.uint64], found: NDArray[np.uint64], n: int,
) -> int:  # fmt: skip
    """Compare queries with the rows after them that no vector begins with."""
    for i in range(query, query + many):
        for j in range(i + 1, min(query + _QUERIES, end)):
            if _counts_for(ordered[i] ^ ordered[j], radius, agree, earlier):
                found[n, 0], found[n, 1] = ordered[i], ordered[j]
                n += 1
    return n


@inlined
def _of_hits(
    hits: int, lane: int, end: int,
    ordered: NDArray[np.uint64], query: int, many: int, radius: int, agree: np.uint64,
    earlier: NDArray[np.uint64], found: NDArray[np.uint64], n: int,
) -> int:  # fmt: skip
    """Compare queries with the rows of a vector that may be near to one of them."""
    while hits != 0:
        j = lane + _lowest(hits)
        hits &= hits - 1
        if j >= end:
            break
        for i in range(query, query + many):
            if _counts_for(ordered[i] ^ ordered[j], radius, agree, earlier):
                found[n, 0], found[n, 1] = ordered[i], ordered[j]
                n += 1
    return n


@compiled(
    "int64(uint64[::1], uint32[::1], int64[::1], int64[::1], int64, int64, int64, uint64,"
    "uint64[::1], int64[::1], uint64[:, ::1])"
)
def _compare(
    ordered: NDArray[np.uint64],
    folded: NDArray[np.uint32],
    starts: NDArray[np.int64],
    early: NDArray[np.int64],
    buckets: int,
    large: int,
    radius: int,
    agree: np.uint64,
    earlier: NDArray[np.uint64],
    state: NDArray[np.int64],
    found: NDArray[np.uint64],
) -> int:
    """Go on where `state` says: bucket, query (-1: its first), lane (0: none), pairs found."""
    whole = radius > _MOST_FOLDED
    lanes = 8 if whole else 16
    bucket, query, lane, n = state[0], state[1], state[2], state[3]
    room = len(found) - _QUERIES * 16
    why = DONE
    while bucket < buckets:
        begin, end = starts[bucket], starts[bucket + 1]
        queries = begin + early[bucket]
        if query < 0:
            query = begin
            if end - begin >= large:
                why = LARGE
                break
        while query < queries and n <= room:
            many = min(_QUERIES, queries - query)
            if lane == 0:
                n = _among_queries(ordered, query, many, end, radius, agree, earlier, found, n)
                lane = query + _QUERIES
            while lane < end and n <= room:
                if whole:
                    hits = _near_whole(ordered, query, lane, radius)
                else:
                    hits = _near_folded(folded, query, lane, radius)
                if hits != 0:
                    n = _of_hits(
                        hits, lane, end, ordered, query, many, radius, agree, earlier, found, n
                    )
                lane += lanes
            if lane >= end:
                query += _QUERIES
                lane = 0
        if query < queries:
            why = FULL
            break
        query = -1
        bucket += 1
    state[0], state[1], state[2], state[3] = bucket, query, lane, n
    if why == DONE:
        state[0] = 0
    return why


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
        if len(self._ordered) < rows + _PADDING:
            self._ordered = np.empty(rows + _PADDING, np.uint64)
            self._folded = np.empty(rows + _PADDING, np.uint32)

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
            _compare(
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
