"""Exact joins of hash pairs: which values are within a radius of one another in both hashes.

A *value* is a pHash and a dHash; two values are near when each of the two differs in at most `radius`
bits. The joins are complete. For each covering mask (see `cover.py`) the values are sorted by the
masked pHash, and those that agree on it, a *bucket*, are compared: the bits of the xor of the pHashes,
then of the dHashes. Buckets too large for that, which images of low contrast make, are cut again by
the covering masks of the dHash. Values are to be unique: let copies collapse first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.cover import covering_masks

Hashes: TypeAlias = NDArray[np.uint64]
Indices: TypeAlias = NDArray[np.int64]
Pairs: TypeAlias = NDArray[np.int64]
"""[2, k]: left and right index of each pair."""

# Hashes, and the masks over them that earlier tables were made by.
_Before: TypeAlias = Sequence[tuple[Hashes, NDArray[np.uint64]]]

# To cut a bucket again costs a sort for each mask, which is worth about this many comparisons a value.
_COMPARISONS_PER_SORT = 32


@dataclass(frozen=True)
class Values:
    """pHash and dHash of some values, uint64 [n] each."""

    phash: Hashes
    dhash: Hashes

    def __len__(self) -> int:
        return len(self.phash)

    def take(self, indices: Indices) -> "Values":
        """The values at some indices."""
        return Values(self.phash[indices], self.dhash[indices])

    def near(self, left: Indices, right: Indices, radius: int) -> NDArray[np.bool_]:
        """For each pair of indices whether the values are near."""
        return np.asarray(
            (np.bitwise_count(self.phash[left] ^ self.phash[right]) <= radius)
            & (np.bitwise_count(self.dhash[left] ^ self.dhash[right]) <= radius)
        )


def near_pairs(values: Values, radius: int, *, limit: int) -> tuple[Indices, Indices] | None:
    """All pairs of near values, each once, or None as soon as there are more than `limit`.

    Args:
        values: unique values.
        radius: 0 to 10 bits.
        limit: how many pairs to hold in memory at most.

    Returns:
        (i, j), int64 each, i < j, in no particular order.
    """
    found = [np.empty((2, 0), np.int64)]
    total = 0
    for pairs in _Join(values, radius, None).pairs():
        found.append(np.sort(pairs, axis=0))
        total += pairs.shape[1]
        if total > limit:
            return None
    i, j = np.concatenate(found, axis=1)
    return i, j


def first_near(base: Values, queries: Values, radius: int) -> Indices:
    """The lowest index in `base` of a value near to each query, int64 [q]; -1 when there is none.

    `base` and `queries` together are to be unique. Memory is linear, however many pairs are near.
    """
    border = len(base)
    both = Values(
        np.concatenate([base.phash, queries.phash]), np.concatenate([base.dhash, queries.dhash])
    )
    first = np.full(len(queries), border, np.int64)
    for left, right in _Join(both, radius, border).pairs():
        # No query is twice in one block, so the assignment loses no minimum.
        first[right - border] = np.minimum(first[right - border], left)
    return np.where(first == border, -1, first)


class _Join:
    """The near pairs among some values; with a border only of one index below and one from it on."""

    def __init__(self, values: Values, radius: int, border: int | None) -> None:
        self._values = values
        self._radius = radius
        self._late = None if border is None else np.arange(len(values)) >= border
        self._masks = covering_masks(radius, len(values))

    def pairs(self) -> Iterator[Pairs]:
        """Blocks of near pairs, each pair once, no index of `right` twice in a block."""
        for number, mask in enumerate(self._masks):
            table = _table(self._values.phash, mask, self._late)
            large = _large(table, len(self._masks))
            before = [(self._values.phash, self._masks[:number])]
            yield from self._compare(table.only(~large), before)
            if large.any():
                yield from self._cut_again(table, large, before)

    def _cut_again(
        self, table: "_Table", large: NDArray[np.bool_], before: _Before
    ) -> Iterator[Pairs]:
        """The near pairs in buckets that are too large, by the masks of the dHash."""
        members, within = table.order[large], table.bucket[large]
        late = None if self._late is None else self._late[members]
        dhash = self._values.dhash
        for number, mask in enumerate(self._masks):
            cut = _table(dhash[members], mask, late, within)
            cut = replace(cut, order=members[cut.order])
            yield from self._compare(cut, [*before, (dhash, self._masks[:number])])

    def _compare(self, table: "_Table", before: _Before) -> Iterator[Pairs]:
        """The near pairs of a table that agree on no mask of the tables made before it."""
        places = np.flatnonzero(table.count)
        # Places with many comparisons first: those that still have one are then always a prefix.
        places = places[np.argsort(-table.count[places])]
        count, first, right = table.count[places], table.first[places], table.order[places]
        phash, phash_right = self._values.phash[table.order], self._values.phash[right]
        for step in range(int(count[0]) if len(count) else 0):
            some = int(np.searchsorted(-count, -step))
            at = first[:some] + step
            hits = np.flatnonzero(np.bitwise_count(phash[at] ^ phash_right[:some]) <= self._radius)
            pairs = np.stack([table.order[at[hits]], right[hits]])
            pairs = pairs[:, self._values.near(pairs[0], pairs[1], self._radius)]
            pairs = pairs[:, _is_new(pairs, before)]
            if pairs.shape[1]:
                yield pairs


@dataclass(frozen=True)
class _Table:
    """Values sorted by a key. Each place is to be compared with `count` places from `first` on.

    `order` [n]: the index of the value at each place; `bucket` [n]: the number of its bucket.
    """

    order: Indices
    bucket: Indices
    first: Indices
    count: Indices

    def only(self, places: NDArray[np.bool_]) -> "_Table":
        """The same with no comparisons but for some places."""
        return replace(self, count=np.where(places, self.count, 0))


def _table(
    hashes: Hashes,
    mask: np.uint64,
    late: NDArray[np.bool_] | None,
    within: Indices | None = None,
) -> _Table:
    """Sort by the masked hash, inside `within` where given; early values come first in a bucket."""
    masked = hashes & mask
    if within is not None:
        order = np.lexsort((masked, within))
    else:  # a stable sort costs five times as much, and is needed to keep early values first
        order = np.argsort(masked, kind=None if late is None else "stable")
    differs = masked[order[1:]] != masked[order[:-1]]
    if within is not None:
        differs |= within[order[1:]] != within[order[:-1]]
    bucket = np.concatenate([np.zeros(min(len(order), 1), np.int64), np.cumsum(differs)])
    starts = np.flatnonzero(np.diff(bucket, prepend=-1))
    first = starts[bucket]
    if late is None:
        return _Table(order, bucket, first, np.arange(len(order)) - first)
    early = np.bincount(bucket, ~late[order], len(starts)).astype(np.int64)
    return _Table(order, bucket, first, np.where(late[order], early[bucket], 0))


def _large(table: _Table, masks: int) -> NDArray[np.bool_]:
    """For each place whether its bucket has more comparisons than it costs to cut it again."""
    comparisons = np.bincount(table.bucket, table.count)
    sizes = np.bincount(table.bucket)
    return np.asarray((comparisons > sizes * masks * _COMPARISONS_PER_SORT)[table.bucket])


def _is_new(pairs: Pairs, before: _Before) -> NDArray[np.bool_]:
    new = np.ones(pairs.shape[1], np.bool_)
    for hashes, masks in before:
        differing = hashes[pairs[0]] ^ hashes[pairs[1]]
        new &= ((differing[:, None] & masks) != 0).all(axis=1)
    return new
