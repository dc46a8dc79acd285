"""The near pairs of values of one hash."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.join import Values
from hundredfold.hashing.domain.join import near_pairs as pairs_of

_LIMIT = 1 << 40


@dataclass(frozen=True)
class Estimate:
    """About how many pairs are near, and what it is between."""

    pairs: float
    low: float
    high: float


def near_pairs(
    values: NDArray[np.uint64],
    radius: int,
    *,
    threads: int = 0,
    only: NDArray[np.bool_] | None = None,
) -> Iterator[NDArray[np.uint64]]:
    """Blocks [m, 2] of values that are 1 to `radius` bits apart; with `only` one at least is marked."""
    del threads
    if radius == 0 or len(values) < 2:
        return
    pairs = pairs_of(Values(values, np.zeros_like(values)), radius, limit=_LIMIT)
    if pairs is None:
        return
    i, j = pairs
    if only is not None:
        some = only[i] | only[j]
        i, j = i[some], j[some]
    yield np.stack([values[i], values[j]], axis=1)


def estimated_pairs(values: NDArray[np.uint64], radius: int, *, sample: int = 20_000) -> Estimate:
    """How many pairs there are, from those of a sample."""
    some = np.random.default_rng(0).permutation(values)[:sample]
    found = sum(len(block) for block in near_pairs(some, radius))
    pairs = found * (len(values) / max(len(some), 1)) ** 2
    return Estimate(pairs, pairs, pairs)
