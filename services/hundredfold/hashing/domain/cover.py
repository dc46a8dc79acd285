"""Masks over 64 bits such that two values within a radius agree on all of at least one mask.

This generalises the pigeonhole principle (cut 64 bits into radius + 1 blocks: one block is untouched).
Here the bits are cut into few parts, and each part has the covering masks of Pagh, "Locality-sensitive
hashing without false negatives" (SODA 2016): fewer and longer keys for the same guarantee.

A part that may hold `rho` differing bits gives each of its bits a nonzero column of rho + 1 binary
digits. Each nonzero vector v of rho + 1 digits names one mask: the bits whose column has odd parity
with v. At most rho differing bits span at most rho dimensions, so some v is orthogonal to all of
their columns, and its mask misses every one of them.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

BITS = 64
MAX_RADIUS = 10

# Costs of one numpy step, in nanoseconds an element, measured at a million rows: a table is a masked
# copy, a sort and a gather; a comparison is a gather, an xor and a popcount.
_TABLE_NANOSECONDS = 130.0
_COMPARE_NANOSECONDS = 6.0
_RESTARTS = 4
_PROPOSALS = 600


def covering_masks(radius: int, rows: int) -> NDArray[np.uint64]:
    """Masks [t] to join `rows` values: values that differ in 0 to `radius` bits agree on one of them.

    Deterministic. The number of parts is the one that costs the join least.
    """
    if radius == 0:
        return np.full(1, np.uint64(2**BITS - 1))
    covers = (_cover(radius, parts) for parts in range(2, min(radius + 1, 4) + 1))
    return min(covers, key=lambda masks: _cost(masks, rows))


def _cost(masks: NDArray[np.uint64], rows: int) -> float:
    pairs = rows * rows / 2 * _share(masks)
    return len(masks) * rows * _TABLE_NANOSECONDS + pairs * _COMPARE_NANOSECONDS


def _share(masks: NDArray[np.uint64]) -> float:
    """The share of all pairs of random values that agree on a mask, summed over the masks."""
    return float(np.exp2(-np.bitwise_count(masks).astype(np.float64)).sum())


@cache
def _cover(radius: int, parts: int) -> NDArray[np.uint64]:
    # A pair within the radius has a part with at most rho differing bits, else it would differ in
    # sum(rho + 1) = radius + 1 bits or more.
    radii = [(radius - parts + 1 + place) // parts for place in reversed(range(parts))]
    rng = np.random.default_rng(radius)
    masks = [
        _part_masks(bits, rho, rng)
        for bits, rho in zip(_interleave(_part_sizes(radii)), radii, strict=True)
    ]
    return np.concatenate(masks)


def _part_sizes(radii: list[int]) -> list[int]:
    """How many bits each part gets, so that the masks of all parts are about equally long."""
    kept = [2**rho / (2 ** (rho + 1) - 1) for rho in radii]
    level = (BITS - sum(rho / f for rho, f in zip(radii, kept, strict=True))) / sum(
        1 / f for f in kept
    )
    sizes = [round((level + rho) / f) for rho, f in zip(radii, kept, strict=True)]
    return [*sizes[:-1], BITS - sum(sizes[:-1])]


def _interleave(sizes: list[int]) -> list[NDArray[np.uint64]]:
    """Deal the bits out to the parts in turn: neighbouring bits of an image hash are correlated."""
    due = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes])
    owner = np.repeat(np.arange(len(sizes)), sizes)[np.argsort(due, kind="stable")]
    return [np.flatnonzero(owner == part).astype(np.uint64) for part in range(len(sizes))]


def _part_masks(bits: NDArray[np.uint64], rho: int, rng: np.random.Generator) -> NDArray[np.uint64]:
    """The 2^(rho + 1) - 1 masks of a part; the best columns of a few hill climbs."""
    climbs = (_climb(len(bits), rho + 1, rng) for _ in range(_RESTARTS))
    odd = min(climbs, key=lambda odd: float(np.exp2(-odd.sum(axis=1)).sum()))
    masks: NDArray[np.uint64] = (odd.astype(np.uint64) << bits).sum(axis=1, dtype=np.uint64)
    return masks


def _climb(bits: int, digits: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Columns for `bits` bits as parities, bool [masks, bits]; change one at a time while it helps."""
    vectors = np.arange(1, 2**digits, dtype=np.uint64)
    parity = (np.bitwise_count(vectors[:, None] & vectors) % 2).astype(np.bool_)
    columns = np.resize(rng.permutation(len(vectors)), bits)
    weights = parity[:, columns].sum(axis=1)
    cost = np.exp2(-weights).sum()
    proposals = zip(
        rng.integers(bits, size=_PROPOSALS),
        rng.integers(len(vectors), size=_PROPOSALS),
        strict=True,
    )
    for place, column in proposals:
        changed = weights + parity[:, column] - parity[:, columns[place]].astype(weights.dtype)
        if (changed_cost := np.exp2(-changed).sum()) < cost:
            columns[place], weights, cost = column, changed, changed_cost
    return parity[:, columns]
