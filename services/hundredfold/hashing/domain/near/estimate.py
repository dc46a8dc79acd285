"""How many near pairs there are, from the pairs of a random sample.

A share f of the values holds about f^2 of the pairs. How far off that is depends on how pairs sit together:
a ball of values that are all near to one another is in the sample or is not. The interval is therefore
from a jackknife: the values are dealt out to groups by a hash, and the estimate is made again without each
of them (Efron and Stein, "The jackknife estimate of variance", 1981; for pairs it errs on the wide side).
"""

from collections.abc import Iterable
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.answers import Estimate
from hundredfold.hashing.domain.near.joining import streamed_pairs

_FIRST = 8192  # few enough to list all their pairs, if each is near to each
_ENOUGH = 20_000  # pairs: the error is then that of the values, not of the few pairs
_GROUP_BITS = 6
_MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
_DEVIATIONS = 2.0
_UNSEEN = 4  # pairs: of so many or more one is seen in 49 of 50 samples


def from_samples(values: NDArray[np.uint64], radius: int, sample: int, threads: int) -> Estimate:
    """See `estimated_pairs`: samples of growing size, until one has pairs enough."""
    rng = np.random.default_rng(0)
    size = min(_FIRST, sample)
    while True:
        some = _chosen(values, size, rng)
        touched = _touched(streamed_pairs(some, radius, threads, None))
        if len(some) == len(values) or size >= sample or touched[-1] >= _ENOUGH:
            return _estimate(touched, some, len(values))
        size = min(4 * size, sample)


def _chosen(values: NDArray[np.uint64], size: int, rng: np.random.Generator) -> NDArray[np.uint64]:
    if size >= len(values):
        return values
    return values[rng.choice(len(values), size, replace=False, shuffle=False)]


def _group(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    return ((values * _MULTIPLIER) >> np.uint64(64 - _GROUP_BITS)).astype(np.int64)


def _touched(blocks: Iterable[NDArray[np.uint64]]) -> NDArray[np.int64]:
    """How many pairs have a value in each group, and, last, how many there are."""
    groups = 1 << _GROUP_BITS
    pairs = np.zeros(groups + 1, np.int64)
    for block in blocks:
        left, right = _group(block[:, 0]), _group(block[:, 1])
        pairs[:-1] += np.bincount(left, minlength=groups)
        pairs[:-1] += np.bincount(right[right != left], minlength=groups)
        pairs[-1] += len(block)
    return pairs


def _estimate(touched: NDArray[np.int64], some: NDArray[np.uint64], n: int) -> Estimate:
    seen, size = int(touched[-1]), len(some)
    if size == n:
        return Estimate(seen, seen, seen)
    rest = size - np.bincount(_group(some), minlength=len(touched) - 1)
    without = (seen - touched[:-1]) / np.maximum(rest * (rest - 1) / 2, 1)
    groups = len(without)
    variance = (groups - 1) / groups * float(((without - without.mean()) ** 2).sum())
    off = _DEVIATIONS * sqrt(variance * (1 - size / n)) * size * (size - 1) / 2
    scale = n * (n - 1) / max(size * (size - 1), 1)
    return Estimate(
        pairs=round(seen * scale),
        low=max(seen, round((seen - off) * scale)),  # what was seen is there
        high=round((seen + off + _UNSEEN) * scale),
    )
