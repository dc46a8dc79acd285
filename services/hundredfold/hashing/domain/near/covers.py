"""Covers: masks over some bits such that hashes within a radius agree on all of at least one mask.

This generalises the pigeonhole principle (cut the bits into radius + 1 blocks: one block is untouched).
Here they are cut into few parts, and each part has the covering masks of Pagh, "Locality-sensitive
hashing without false negatives" (SODA 2016): fewer and longer keys for the same guarantee.

Why a cover is complete, for a radius r, p parts and radii rho_i with sum(rho_i) + p - 1 = r:

1. Two hashes within r have a part in which they differ in at most rho_i bits: else they would differ
   in sum(rho_i + 1) = r + 1 bits or more.
2. In a part give each bit a nonzero column of rho + 1 binary digits. Each nonzero vector v of rho + 1
   digits names one mask: the bits whose column has odd parity with v (the codewords of a linear code).
   At most rho differing bits have columns that span at most rho of rho + 1 dimensions, so some v is
   orthogonal to all of them: its mask misses every differing bit.

Both hold for any columns; which ones are taken, by hill climbing, decides the cost alone. Bits in which no
two of the hashes differ need no cover: `free` leaves them out, and with them the commonest kind of skew.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.compiling import compiled

# Costs in nanoseconds of one thread, measured at ten million rows: to take a row through a table, to
# compare two rows in a bucket, to give away a near pair without tables, and with: most tables find it too.
_MOVE = 8.0
_COMPARE = 0.06
_GIVE = 12.0
_GIVE_ONCE = 80.0

_SAMPLE = 96  # rows that are looked at, all with all

_MOST_PARTS = 6
_MOST_DIGITS = 6  # of columns: at most 63 masks a part
_RESTARTS = 16
_PROPOSALS = 3000


@dataclass(frozen=True)
class Cover:
    """Masks, uint64 [t], and about how many nanoseconds the join of one thread takes with them."""

    masks: NDArray[np.uint64]
    cost: float


def varying(rows: NDArray[np.uint64]) -> int:
    """The bits in which some of the rows differ, as a mask; rows is not empty."""
    return int(np.bitwise_or.reduce(rows) ^ np.bitwise_and.reduce(rows))


def density(rows: NDArray[np.uint64], radius: int) -> float:
    """The share of pairs that are near, of some that are looked at."""
    some = _spread(rows)
    near = np.bitwise_count(some[:, None] ^ some) <= radius
    return (int(near.sum()) - len(some)) / max(len(some) * (len(some) - 1), 1)


def cost_of_all(pairs: float, near: float) -> float:
    """Nanoseconds to compare all pairs, a share of which is near, without tables."""
    return pairs * (_COMPARE + near * _GIVE)


def worth_cutting(rows: NDArray[np.uint64], by: Cover, pairs: float, near: float) -> bool:
    """Whether a cover makes at least half of the work of these rows superfluous.

    How many of them agree on its masks is seen from some: rows that are alike in most bits, and yet not
    near to one another, would be cut again and again into little smaller sets.
    """
    some = _spread(rows)
    differing = (some[:, None] ^ some)[np.triu_indices(len(some), 1)]
    agree = float(((differing[:, None] & by.masks) == 0).sum()) / max(len(differing), 1)
    return 2 * (by.cost + pairs * agree * _COMPARE) < cost_of_all(pairs, near)


def _spread(rows: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return rows[:: max(len(rows) // _SAMPLE, 1)][:_SAMPLE]


def cover(free: int, radius: int, rows: int, pairs: float, near: float = 0.0) -> Cover:
    """The cover that costs a join least.

    Args:
        free: the bits in which rows may differ, as a mask.
        radius: 0 to 10.
        rows: how many rows pass through each table.
        pairs: how many comparisons there were without tables.
        near: about which share of the pairs is near.
    """
    places = np.array([bit for bit in range(64) if free >> bit & 1], np.uint64)
    give = pairs * near * _GIVE_ONCE
    choices = [(cost_of_all(pairs, near), 0)]  # no parts: one mask without bits, all is compared
    choices += [
        (_cost(len(places), radius, parts, rows, pairs) + give, parts)
        for parts in range(1, min(radius + 1, _MOST_PARTS) + 1)
        if _fits(len(places), _radii(radius, parts))
    ]
    cost, parts = min(choices)
    if parts == 0:
        return Cover(np.zeros(1, np.uint64), cost)
    chosen = _chosen_bits(len(places), radius, parts)
    masks: NDArray[np.uint64] = (chosen.astype(np.uint64) << places).sum(axis=1, dtype=np.uint64)
    return Cover(masks, cost)


def _fits(bits: int, radii: list[int]) -> bool:
    return max(radii) < _MOST_DIGITS and bits >= sum(radii) + len(radii)


def _radii(radius: int, parts: int) -> list[int]:
    """The radii of the parts, as even as can be, larger ones first."""
    return [(radius - parts + 1 + place) // parts for place in reversed(range(parts))]


def _cost(bits: int, radius: int, parts: int, rows: int, pairs: float) -> float:
    """With masks as long as they are on average, which says nearly what the best ones come to."""
    radii = _radii(radius, parts)
    sizes = _part_sizes(bits, radii)
    tables = [2 ** (rho + 1) - 1 for rho in radii]
    share = sum(
        many * 2.0 ** (-size * 2**rho / many)
        for many, size, rho in zip(tables, sizes, radii, strict=True)
    )
    return float(sum(tables) * rows * _MOVE + pairs * share * _COMPARE)


def _part_sizes(bits: int, radii: list[int]) -> list[int]:
    """How many bits each part gets, so that the masks of all parts are about equally long."""
    kept = [2**rho / (2 ** (rho + 1) - 1) for rho in radii]
    level = (bits - sum(rho / f for rho, f in zip(radii, kept, strict=True))) / sum(
        1 / f for f in kept
    )
    sizes = [max(round((level + rho) / f), rho + 1) for rho, f in zip(radii, kept, strict=True)]
    while sum(sizes) != bits:  # what rounding left over
        place = int(np.argmin(sizes)) if sum(sizes) < bits else int(np.argmax(sizes))
        sizes[place] += 1 if sum(sizes) < bits else -1
    return sizes


@lru_cache(maxsize=1024)
def _chosen_bits(bits: int, radius: int, parts: int) -> NDArray[np.bool_]:
    """For each mask which of the bits it holds, bool [masks, bits]. Deterministic."""
    radii = _radii(radius, parts)
    rng = np.random.default_rng(radius)
    masks = []
    for places, rho in zip(_interleave(_part_sizes(bits, radii)), radii, strict=True):
        odd = _part_masks(len(places), rho + 1, rng)
        wide = np.zeros((len(odd), bits), np.bool_)
        wide[:, places] = odd
        masks.append(wide)
    return np.concatenate(masks)


def _interleave(sizes: list[int]) -> list[NDArray[np.int64]]:
    """Deal the bits out to the parts in turn: neighbouring bits of an image hash are correlated."""
    due = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes])
    owner = np.repeat(np.arange(len(sizes)), sizes)[np.argsort(due, kind="stable")]
    return [np.flatnonzero(owner == part) for part in range(len(sizes))]


def _part_masks(bits: int, digits: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """The 2^digits - 1 masks of a part, bool [masks, bits]: the best columns of a few hill climbs."""
    vectors = np.arange(1, 2**digits, dtype=np.uint64)
    parity = (np.bitwise_count(vectors[:, None] & vectors) % 2).astype(np.uint8)
    best, columns = np.inf, np.empty(0, np.int64)
    for _ in range(_RESTARTS):
        tried = np.resize(rng.permutation(len(vectors)), bits)
        places = rng.integers(bits, size=_PROPOSALS)
        proposed = rng.integers(len(vectors), size=_PROPOSALS)
        cost = _climb(parity, tried, places, proposed)
        if cost < best:
            best, columns = cost, tried
    return parity[:, columns].astype(np.bool_)


@compiled("float64(uint8[:, ::1], int64[::1], int64[::1], int64[::1])")
def _climb(
    parity: NDArray[np.uint8],
    columns: NDArray[np.int64],
    places: NDArray[np.int64],
    proposed: NDArray[np.int64],
) -> float:
    """Change one column after the other, in place, where that lowers the share of random pairs compared."""
    masks = len(parity)
    weights = np.zeros(masks, np.int64)
    for column in columns:
        for mask in range(masks):
            weights[mask] += parity[mask, column]
    best: float = np.inf
    changed = np.empty(masks, np.int64)
    for step in range(-1, len(places)):
        cost = 0.0
        for mask in range(masks):
            changed[mask] = weights[mask]
            if step >= 0:
                changed[mask] += parity[mask, proposed[step]]
                changed[mask] -= parity[mask, columns[places[step]]]
            cost += 2.0 ** -np.float64(changed[mask])
        if cost < best:
            best = cost
            weights[:] = changed
            if step >= 0:
                columns[places[step]] = proposed[step]
    return best
