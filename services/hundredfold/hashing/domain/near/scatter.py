"""Radix scatter: rows to partitions by a hash of some of their bits, at the speed of memory.

Rows pass through one 64-byte buffer a partition and leave it as whole, aligned cache lines that bypass
the caches (the software write combining of Wassenberg and Sanders, "Engineering a multi-core radix
sort", 2011): a store that goes to one of thousands of places at once would else wait for a line to be
read that is then wholly overwritten.

The scatter is stable: rows of a partition keep their order, whatever the number of threads.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.compiling import compiled, emitted
from hundredfold.hashing.domain.near.threads import Threads, slices

_LINE = 8  # rows in a cache line
_BLOCK = 512  # rows whose keys are made at once, in vector registers


@emitted
def _stream_line(typing: Any, to: Any, at: Any, of: Any, begin: Any) -> Any:
    """Write a line of buffer `of` from `begin` to `to` at `at`; both are aligned to 64 bytes."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        line = ir.VectorType(ir.IntType(64), _LINE).as_pointer()
        pointers = []
        for array, index in ((0, 1), (2, 3)):
            made = context.make_array(signature.args[array])(context, builder, arguments[array])
            place = builder.gep(made.data, [arguments[index]])
            pointers.append(builder.bitcast(place, line))
        store = builder.store(builder.load(pointers[1], align=64), pointers[0], align=64)
        one = ir.Constant(ir.IntType(32), 1)
        store.set_metadata("nontemporal", builder.module.add_metadata([one]))
        return context.get_dummy_value()

    return types.void(to, at, of, begin), code


@emitted
def _fence(typing: Any) -> Any:
    """Make what was streamed visible before whatever follows."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), code


@compiled("void(uint64[::1], int64, int64, uint64, uint64, uint64, int64[::1])")
def _count(
    rows: NDArray[np.uint64],
    begin: int,
    end: int,
    mask: np.uint64,
    multiplier: np.uint64,
    shift: np.uint64,
    counts: NDArray[np.int64],
) -> None:
    keys = np.empty(_BLOCK, np.uint32)
    for block in range(begin, end, _BLOCK):
        n = min(_BLOCK, end - block)
        for k in range(n):
            keys[k] = ((rows[block + k] & mask) * multiplier) >> shift
        for k in range(n):
            counts[keys[k]] += 1


@compiled(
    "void(uint64[::1], int64, int64, uint64, uint64, uint64, int64[::1], uint64[::1], uint64[::1])"
)
def _move(
    rows: NDArray[np.uint64],
    begin: int,
    end: int,
    mask: np.uint64,
    multiplier: np.uint64,
    shift: np.uint64,
    first: NDArray[np.int64],
    buffers: NDArray[np.uint64],
    to: NDArray[np.uint64],
) -> None:
    after = first.copy()
    keys = np.empty(_BLOCK, np.uint32)
    for block in range(begin, end, _BLOCK):
        n = min(_BLOCK, end - block)
        for k in range(n):
            keys[k] = ((rows[block + k] & mask) * multiplier) >> shift
        for k in range(n):
            key = np.int64(keys[k])
            at = after[key]
            lane = at & (_LINE - 1)
            buffers[key * _LINE + lane] = rows[block + k]
            after[key] = at + 1
            if lane == _LINE - 1:
                line = at - (_LINE - 1)
                if line >= first[key]:
                    _stream_line(to, line, buffers, key * _LINE)
                else:  # the line begins with rows of another slice or partition
                    for place in range(first[key], at + 1):
                        to[place] = buffers[key * _LINE + (place & (_LINE - 1))]
    for rest in range(len(first)):
        stop = after[rest]
        for place in range(max(first[rest], stop & ~np.int64(_LINE - 1)), stop):
            to[place] = buffers[rest * _LINE + (place & (_LINE - 1))]
    _fence()


@dataclass(frozen=True)
class Partitions:
    """Rows by partition.

    Attributes:
        rows: uint64 [n].
        bounds: int64 [p + 1]; partition i is `rows[bounds[i] : bounds[i + 1]]`.
        marked: int64 [p], how many of its rows, the first ones, are marked.
    """

    rows: NDArray[np.uint64]
    bounds: NDArray[np.int64]
    marked: NDArray[np.int64]


def aligned(n: int) -> NDArray[np.uint64]:
    """An uninitialised uint64 [n] that begins with a cache line."""
    room = np.empty(n + _LINE, np.uint64)
    skip = (-room.ctypes.data % 64) // 8
    return room[skip : skip + n]


def scatter(
    rows: NDArray[np.uint64],
    marked: int,
    to: NDArray[np.uint64],
    *,
    mask: int,
    multiplier: int,
    bits: int,
    threads: Threads,
) -> Partitions:
    """Move rows to 2^bits partitions: the top bits of (row & mask) times an odd multiplier.

    Args:
        rows: uint64 [n], contiguous.
        marked: how many of the rows, the first ones, are marked.
        to: uint64 [n] made by `aligned`, overwritten.
        mask: the bits that the partition depends on.
        multiplier: odd.
        bits: at least 1.
        threads: what to run on.
    """
    key = np.uint64(mask), np.uint64(multiplier), np.uint64(64 - bits)
    if len(rows) <= _BLOCK:
        threads = Threads(1)  # sooner done than another has begun
    pieces = [*slices(0, marked, threads.number), *slices(marked, len(rows), threads.number)]
    counts = np.zeros((len(pieces), 1 << bits), np.int64)
    threads.run(lambda i: _count(rows, *pieces[i], *key, counts[i]), range(len(pieces)))
    ends = np.cumsum(counts.T).reshape(1 << bits, len(pieces))
    first = np.ascontiguousarray(ends.T) - counts
    threads.run(
        lambda i: _move(rows, *pieces[i], *key, first[i], aligned(_LINE << bits), to),
        range(len(pieces)),
    )
    bounds = np.concatenate([np.zeros(1, np.int64), ends[:, -1]])
    early = [i for i, (_, end) in enumerate(pieces) if end <= marked]
    return Partitions(to, bounds, counts[early].sum(axis=0))
