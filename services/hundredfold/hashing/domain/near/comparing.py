"""The comparison of the rows of buckets: eight with sixteen at once.

Up to a radius of 4 rows are compared first only by 32 bits each, the xor of
their halves: two rows that differ in d bits differ in at most d bits of that, so no pair is lost; what is
left is looked at with all bits. Beyond, too much is left, and eight are compared with eight by all bits. The
instructions are LLVM's generic vector ones, which become single instructions of
processors with AVX-512 and short sequences on all others.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.compiling import compiled, emitted, inlined

DONE, FULL, LARGE = 0, 1, 2
"""Why the comparing of a partition ended: all done, no room for pairs, a large bucket is met."""

PADDING = 64
"""Rows after the last bucket: vectors are read past its end."""

_QUERIES = 8
_MOST_FOLDED = 4  # bits: beyond, random rows are too often near in what is folded


def _vector(bits: int, lanes: int) -> Any:
    return ir.VectorType(ir.IntType(bits), lanes)


def _splat(builder: Any, value: Any, lanes: int) -> Any:
    """A vector with the value in each lane."""
    nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(_vector(32, lanes), [0] * lanes)
    return builder.shuffle_vector(first, nothing, zeros)


def _differing(builder: Any, one: Any, other: Any) -> Any:
    """In how many bits two vectors differ, lane by lane."""
    name = f"llvm.ctpop.v{one.type.count}i{one.type.element.width}"
    known = builder.module.globals
    kind = ir.FunctionType(one.type, [one.type])
    ctpop = known[name] if name in known else ir.Function(builder.module, kind, name)
    return builder.call(ctpop, [builder.xor(one, other)])


def _row(builder: Any, data: Any, begin: Any, after: int) -> Any:
    """Where the row `after` rows after `begin` is."""
    return builder.gep(data, [builder.add(begin, ir.Constant(ir.IntType(64), after))])


def _closest(bits: int, lanes: int) -> Any:
    """An intrinsic: of `lanes` rows from `at`, which differ little from any of 8 rows from `query`."""

    def intrinsic(typing: Any, rows: Any, query: Any, at: Any, radius: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            begin = builder.bitcast(
                builder.gep(data, [arguments[2]]), _vector(bits, lanes).as_pointer()
            )
            others = builder.load(begin, align=bits // 8)
            least = None
            for i in range(_QUERIES):
                one = _splat(builder, builder.load(_row(builder, data, arguments[1], i)), lanes)
                differing = _differing(builder, one, others)
                if least is None:
                    least = differing
                else:
                    less = builder.icmp_unsigned("<", differing, least)
                    least = builder.select(less, differing, least)
            number = ir.IntType(bits)
            most = builder.trunc(arguments[3], number) if bits < 64 else arguments[3]
            near = builder.icmp_unsigned("<=", least, _splat(builder, most, lanes))
            return builder.zext(builder.bitcast(near, ir.IntType(lanes)), ir.IntType(64))

        return types.int64(rows, query, at, radius), code

    return emitted(intrinsic)


@emitted
def _near_among(typing: Any, rows: Any, query: Any, radius: Any) -> Any:
    """Of 8 rows from `query` the pairs that differ little: bit 8 i + k is of rows i and i + 1 + k."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        most = _splat(builder, arguments[2], _QUERIES)
        near = ir.Constant(ir.IntType(64), 0)
        for i in range(_QUERIES - 1):
            after = _row(builder, data, arguments[1], i + 1)
            others = builder.load(
                builder.bitcast(after, _vector(64, _QUERIES).as_pointer()), align=8
            )
            one = _splat(builder, builder.load(_row(builder, data, arguments[1], i)), _QUERIES)
            less = builder.icmp_unsigned("<=", _differing(builder, one, others), most)
            lanes = ir.IntType(_QUERIES)
            within = ir.Constant(lanes, (1 << (_QUERIES - 1 - i)) - 1)
            bits = builder.zext(builder.and_(builder.bitcast(less, lanes), within), near.type)
            near = builder.or_(near, builder.shl(bits, ir.Constant(near.type, 8 * i)))
        return near

    return types.int64(rows, query, radius), code


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


@inlined
def _of_queries(
    hits: int, ordered: NDArray[np.uint64], query: int, many: int, end: int, radius: int,
    agree: np.uint64, earlier: NDArray[np.uint64], found: NDArray[np.uint64], n: int,
) -> int:  # fmt: skip
    """Look closely at pairs of queries, as `_near_among` tells them."""
    while hits != 0:
        place = _lowest(hits)
        hits &= hits - 1
        i = query + (place >> 3)
        j = i + 1 + (place & 7)
        if i >= query + many or j >= end:
            continue
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
def compare(
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
                hits = _near_among(ordered, query, radius)
                n = _of_queries(hits, ordered, query, many, end, radius, agree, earlier, found, n)
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
