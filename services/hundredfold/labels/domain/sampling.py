"""How many images an audit looks at, and which."""

import hashlib
import math
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.stats import hypergeom

from hundredfold.labels.domain.bounds import Stratum, errors_allowed
from hundredfold.labels.domain.page import Ids

LEAST_SAMPLE = 30
MOST_SAMPLE = 100_000
SURE_ENOUGH = 0.8
MARGIN = 1.2
"""Heads are a little too sure of themselves: so many times the errors they expect are planned for."""

STAGED_MARGIN, STAGED_SURE_ENOUGH = 1.3, 0.9
"""For the last of several stages, which is seldom reached."""

LEAST_QUOTA = 5
_GROWTH = 1.25
Places = npt.NDArray[np.int64]


def generator(request_id: str) -> np.random.Generator:
    """The same random numbers for the same request, so that a request that is repeated draws the same."""
    seed = hashlib.sha256(request_id.encode()).digest()
    return np.random.default_rng(list(seed))


def simple(population: int, sample: int, random: np.random.Generator) -> Places:
    """int64 [sample], ascending: places in a population, all subsets equally likely."""
    return np.sort(random.choice(population, sample, replace=False, shuffle=False))


def in_order(population: int, sample: int, random: np.random.Generator) -> Places:
    """int64 [sample]: places in a population in a random order, so that the first of them are a simple sample."""
    return random.choice(population, sample, replace=False, shuffle=True)


def strata_of(class_ids: Ids, sample: int) -> Ids:
    """The stratum of each image [n]: its class, or 0 for the classes too small for one of their own.

    A class whose share of the sample would be below `LEAST_QUOTA` loses much by rounding, in the
    worst case all of it; such classes share a stratum, within which chance decides.
    """
    classes, counts = np.unique(class_ids, return_counts=True)
    order = np.argsort(counts, kind="stable")
    quotas = counts[order] * sample / len(class_ids)
    small = int(np.count_nonzero(quotas < LEAST_QUOTA))
    # The common stratum must not be too small itself.
    while 0 < small < len(order) and quotas[:small].sum() < LEAST_QUOTA:
        small += 1
    return np.where(np.isin(class_ids, classes[order[:small]]), 0, class_ids).astype(np.int32)


def proportional(sizes: Mapping[int, int], sample: int) -> dict[int, int]:
    """How many to draw from each stratum: its share, rounded by the largest remainders."""
    total = sum(sizes.values())
    quotas = {each: Fraction(size * sample, total) for each, size in sizes.items()}
    drawn = {each: math.floor(quota) for each, quota in quotas.items()}
    remainders = sorted(quotas, key=lambda each: (drawn[each] - quotas[each], each))
    for each in remainders[: sample - sum(drawn.values())]:
        drawn[each] += 1
    return drawn


def stratified(
    class_ids: Ids, sample: int, random: np.random.Generator
) -> tuple[Places, list[Stratum]]:
    """A proportional sample by class: places in the population, int64 [sample], ascending, and the strata.

    Within a stratum all subsets are equally likely.
    """
    strata = strata_of(class_ids, sample)
    names, counts = np.unique(strata, return_counts=True)
    sizes = dict(zip(names.tolist(), counts.tolist(), strict=True))
    shares = proportional(sizes, sample)
    drawn = [
        np.flatnonzero(strata == each)[simple(sizes[each], shares[each], random)] for each in sizes
    ]
    return np.sort(np.concatenate(drawn)), [Stratum(sizes[e], shares[e]) for e in sizes]


def smallest_sample(
    population: int,
    expected: float,
    limit: int,
    alpha: float,
    miss_rate: float,
    *,
    margin: float = MARGIN,
    chance: float = SURE_ENOUGH,
) -> int:
    """The smallest sample that likely proves that at most `limit` errors are left in a population.

    Args:
        population: images.
        expected: errors among them, as the head sees it.
        limit: errors that may be left outside of the sample; negative when nothing can prove it.
        alpha: of the bound.
        miss_rate: the share of errors that is overlooked, see `as_found_by_all`.
        margin: so many times as many errors are planned for.
        chance: of success.

    Returns:
        At which there is the chance of success; `LEAST_SAMPLE` when there is none, so that
        an audit that must fail costs little.
    """
    wrong = min(population, math.ceil(expected * margin))

    def succeeds(sample: int) -> bool:
        allowed = math.floor(errors_allowed(population, sample, limit, alpha) * (1 - miss_rate))
        return allowed >= 0 and success(population, wrong, sample, allowed) >= chance

    least = min(LEAST_SAMPLE, population)
    return _smallest(succeeds, least, min(population, MOST_SAMPLE)) or least


def success(population: int, wrong: int, sample: int, allowed: int) -> float:
    """The probability that a sample of a population with so many errors shows at most so many."""
    return float(hypergeom.cdf(allowed, population, wrong, sample))


def _smallest(succeeds: Callable[[int], bool], least: int, most: int) -> int:
    """About the smallest number within bounds that does; 0 when none does."""
    below, size = least - 1, least
    while not succeeds(size):
        if size >= most:
            return 0
        below, size = size, min(most, math.ceil(size * _GROWTH))
    while size - below > 1:
        middle = (below + size) // 2
        if succeeds(middle):
            size = middle
        else:
            below = middle
    return size
