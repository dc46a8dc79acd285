"""All pairs of values within a radius, each once, as a stream of blocks.

Each mask of a cover (see `covers`) makes a table: rows are scattered to partitions by a hash of their
masked bits, each partition is sorted into buckets by more of that hash, and the rows of a bucket are
compared. Rows that agree on a mask have the same hash, hence the same bucket, so the join is as complete
as the cover; a pair that several tables find is given away by the first of them (see `buckets.Rule`).

Skew: where many rows agree on a mask, they are cut again by a cover of the bits in which these rows
differ, as long as that is cheaper than to compare them all. This holds for partitions and buckets.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.buckets import BUCKET_BITS, MOST_ROWS, NO_RULE, Buckets, Rule
from hundredfold.hashing.domain.near.comparing import DONE, FULL
from hundredfold.hashing.domain.near.covers import Cover, cover, density, varying, worth_cutting
from hundredfold.hashing.domain.near.scatter import Partitions, aligned, scatter
from hundredfold.hashing.domain.near.threads import Channel, Closed, Threads

Values = NDArray[np.uint64]
Blocks = Callable[[NDArray[np.uint64]], None]

_MULTIPLIER = 0x9E3779B97F4A7C15
_PARTITION = 49_152  # rows, if they spread evenly: with what is made of them they fit the cache
_MOST_BITS = 11  # of partitions: more buffers of the scatter than fit the cache are slow
_FEW_BITS = 3  # a bucket of fewer than eight rows is not compared sooner
_SPARE_BITS = 4  # a hash that many bits longer than its mask hardly mixes rows that differ on it
_LARGE = 8192  # rows of a bucket for which it is worth to think about cutting it again
_MOST_DENSE = (
    1 << 20
)  # rows of a set that are all compared, where most of the work is to give pairs away
_QUERIES = 16_384  # of them at a time
_DEPTH = 3
_NEVER = 1 << 62


def streamed_pairs(
    values: Values, radius: int, threads: int, only: NDArray[np.bool_] | None
) -> Iterator[NDArray[np.uint64]]:
    """See `near_pairs`."""
    values, marked = _marked_first(np.ascontiguousarray(values), only)
    if len(values) < 2 or marked == 0 or radius == 0:
        return
    yield from _streamed(
        lambda emit: _Join(radius, emit).run(_All(values, marked, NO_RULE), Threads.of(threads))
    )


def _marked_first(values: Values, only: NDArray[np.bool_] | None) -> tuple[Values, int]:
    if only is None or only.all():
        return values, len(values)
    return np.concatenate([values[only], values[~only]]), int(only.sum())


def _streamed(work: Callable[[Blocks], None]) -> Iterator[NDArray[np.uint64]]:
    """What work in another thread emits; it waits while the consumer is slow, ends when that is gone."""
    channel = Channel[NDArray[np.uint64]](room=4)

    def run() -> None:
        try:
            work(channel.put)
        except Closed:
            pass
        except BaseException as error:  # noqa: BLE001  it is raised where the pairs are taken
            channel.end(error)
        else:
            channel.end()

    worker = threading.Thread(target=run, name="near pairs", daemon=True)
    worker.start()
    try:
        yield from channel
    finally:
        channel.close()
        worker.join()


@dataclass(frozen=True)
class _All:
    """Rows, of which the first ones are marked, all of whose near pairs that obey a rule are wanted."""

    rows: Values
    marked: int
    rule: Rule
    depth: int = 0

    @property
    def pairs(self) -> float:
        """How many pairs there are."""
        return self.marked * (len(self.rows) - (self.marked + 1) / 2)


@dataclass(frozen=True)
class _Table:
    """One table of a cover: `bits` of the hash choose the partition."""

    mask: int
    rule: Rule
    bits: int
    depth: int

    def bucket_bits(self, rows: int) -> int:
        """How many more bits of the hash choose the bucket in a partition of some rows."""
        enough = min(self.mask.bit_count() + _SPARE_BITS - self.bits, rows.bit_length() - _FEW_BITS)
        return min(max(enough, 0), BUCKET_BITS) if self.mask else 0


def _partition_bits(rows: int) -> int:
    """Into how many partitions, as bits of the hash; rows that are sorted at once need none."""
    return min((rows // _PARTITION).bit_length(), _MOST_BITS) if rows > MOST_ROWS else 0


class _Join:
    """A join, and the memory that its threads use again from partition to partition."""

    def __init__(self, radius: int, emit: Blocks) -> None:
        self._radius = radius
        self._emit = emit
        self._idle = list[Buckets]()

    def run(self, of: _All, threads: Threads) -> None:
        """Emit all pairs."""
        self._join(of, threads)
        for buckets in self._idle:
            if len(found := buckets.take()):
                self._emit(found)

    def _join(self, of: _All, threads: Threads) -> None:
        masks = self._cover(of).masks
        if masks[0] == 0:
            self._compare_all(of, threads)
            return
        bits = _partition_bits(len(of.rows))
        tables = [
            _Table(int(mask), of.rule.then(masks, i), bits, of.depth)
            for i, mask in enumerate(masks)
        ]
        if bits == 0:
            whole = Partitions(of.rows, np.array([0, len(of.rows)]), np.array([of.marked]))
            threads.run(lambda table: self._partition(table, whole, 0), tables)
            return
        room = aligned(len(of.rows))
        for table in tables:
            self._table(table, of, room, threads)

    def _cover(self, of: _All) -> Cover:
        near = density(of.rows, self._radius) if len(of.rows) <= _MOST_DENSE else 0.0
        return cover(varying(of.rows), self._radius, len(of.rows), of.pairs, near)

    def _compare_all(self, of: _All, threads: Threads) -> None:
        """Without tables, some of the marked rows at a time with all after them."""
        table = _Table(0, of.rule, 0, _DEPTH)

        def compare(begin: int) -> None:
            rows, marked = of.rows[begin:], min(of.marked - begin, _QUERIES)
            whole = Partitions(rows, np.array([0, len(rows)]), np.array([marked]))
            self._partition(table, whole, 0)

        threads.run(compare, range(0, of.marked, _QUERIES))

    def _table(self, table: _Table, of: _All, room: Values, threads: Threads) -> None:
        parts = scatter(
            of.rows, of.marked, room,
            mask=table.mask, multiplier=_MULTIPLIER, bits=table.bits, threads=threads,
        )  # fmt: skip
        sizes = np.diff(parts.bounds)
        wanted = (sizes > 1) & (parts.marked > 0)
        large = sizes > MOST_ROWS
        threads.run(
            lambda part: self._partition(table, parts, part),
            np.flatnonzero(wanted & ~large).tolist(),
        )
        for part in np.flatnonzero(wanted & large).tolist():
            rows = parts.rows[parts.bounds[part] : parts.bounds[part + 1]]
            within = _All(rows, int(parts.marked[part]), table.rule, table.depth + 1)
            if not self._cut(within, threads):
                self._partition(table, parts, part)

    def _cut(self, of: _All, threads: Threads) -> bool:
        """Join what one table did not take apart by a cover of its own, where that is worth while."""
        if of.depth > _DEPTH:
            return False
        by = self._cover(of)
        if not worth_cutting(of.rows, by, of.pairs, density(of.rows, self._radius)):
            return False
        self._join(of, threads)
        return True

    def _partition(self, table: _Table, parts: Partitions, part: int) -> None:
        begin, end = (int(each) for each in parts.bounds[part : part + 2])
        bits = table.bucket_bits(end - begin)
        key = (table.mask, _MULTIPLIER, min(64 - table.bits - bits, 63))
        large = _LARGE if table.depth < _DEPTH else _NEVER
        with self._buckets(end - begin) as buckets:
            buckets.sort(parts.rows, begin, end, int(parts.marked[part]), key=key, bits=bits)
            while (state := buckets.compare(table.rule, self._radius, large)) != DONE:
                if state == FULL:
                    self._emit(buckets.take())
                else:
                    rows, marked = buckets.bucket()
                    within = _All(rows, marked, table.rule, table.depth + 1)
                    if marked and self._cut(within, Threads(1)):
                        buckets.skip()

    @contextmanager
    def _buckets(self, rows: int) -> Iterator[Buckets]:
        try:
            buckets = self._idle.pop()
        except IndexError:
            buckets = Buckets(MOST_ROWS)
        buckets.reserve(rows)
        yield buckets
        self._idle.append(buckets)
