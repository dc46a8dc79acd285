"""How many errors a population may still have after a random sample of it was looked at.

All bounds are exact: they hold for every population of every size, not only for large ones, with at
least the confidence that is stated.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from scipy.stats import beta, hypergeom

_FIRST_SHARE = 3 / 4
_NEXT = 1 / 4


@dataclass(frozen=True, slots=True)
class Stratum:
    """A part of a population, and how many were drawn from it."""

    population: int
    sample: int


def look_alpha(confidence: float, look: int) -> float:
    """The probability of error that a look may spend, the first being look 1.

    The shares 3/4, 3/16, 3/64, .. add up to 1, so that all looks together are wrong with a probability
    of at most 1 - confidence, however many there will be (a union bound over an alpha-spending sequence).
    """
    return (1 - confidence) * _FIRST_SHARE * _NEXT ** (look - 1)


def clopper_pearson(sample: int, wrong: int, alpha: float) -> float:
    """The exact upper bound on a binomial probability (Clopper and Pearson 1934); 1 for an empty sample."""
    if wrong >= sample:
        return 1.0
    return float(beta.ppf(1 - alpha, wrong + 1, sample - wrong))


@lru_cache(maxsize=4096)
def most_wrong(population: int, sample: int, wrong: int, alpha: float) -> int:
    """Upper bound on the errors in a population of which a simple random sample was drawn.

    A number K of errors is ruled out when a sample without replacement from K errors among the
    population shows `wrong` or fewer of them with a probability of at most alpha (the inversion of the
    hypergeometric test). The bound is the largest K that is not; it tends to `clopper_pearson` as the
    population grows, which is an upper limit of it.

    Args:
        population: images.
        sample: drawn of them, without replacement.
        wrong: errors found among those.
        alpha: the probability that the bound is too low.

    Returns:
        Errors in the population, those found among them.
    """
    least, most = wrong, population - (sample - wrong)
    while least < most:
        middle = (least + most + 1) // 2
        if float(hypergeom.cdf(wrong, population, middle, sample)) > alpha:
            least = middle
        else:
            most = middle - 1
    return least


def most_wrong_stratified(strata: Sequence[Stratum], wrong: int, alpha: float) -> int:
    """As `most_wrong`, for a simple random sample within each of some strata.

    What is found within a stratum is a sum of independent trials (a hypergeometric variable is one:
    Vatutin and Mikhailov 1982), so all that is found is. A sum of n independent trials with a mean
    of n p falls to x or below, for x <= n p - 1, at most as often as a binomial one with the same mean
    (Hoeffding 1956, theorem 4). With a proportional sample p is the share of errors, so the bound of
    Clopper and Pearson holds. Rounding makes samples a little less than proportional: in the worst case
    all errors are in the stratum that got least of its share, by which the bound is widened.

    The hypergeometric bound does not hold for strata: with one error in each of many strata of two
    images the number found varies as a binomial one, twice as much as a simple random sample shows.
    """
    population = sum(each.population for each in strata)
    sample = sum(each.sample for each in strata)
    if sample == population:
        return wrong
    share = sample / population
    least = min(each.sample / each.population / share for each in strata if each.population)
    if not least:
        return population - (sample - wrong)
    bound = max(clopper_pearson(sample, wrong, alpha), (wrong + 1) / sample)
    return max(wrong, min(math.floor(bound * population / least), population - (sample - wrong)))


def as_found_by_all(wrong: int, sample: int, miss_rate: float) -> int:
    """Errors in a sample, when those who looked for them overlook a share of them; rounded up."""
    return min(sample, math.ceil(wrong / (1 - miss_rate) - 1e-9))


def errors_allowed(population: int, sample: int, limit: int, alpha: float) -> int:
    """The most errors that a sample may show so that by `most_wrong` at most `limit` others are left.

    Returns:
        -1 when not even a sample without an error is enough.
    """
    if limit < 0:
        return -1
    least, most = -1, sample
    while least < most:
        wrong = (least + most + 1) // 2
        if _is_ruled_out(population, sample, wrong, limit, alpha):
            least = wrong
        else:
            most = wrong - 1
    return least


def _is_ruled_out(population: int, sample: int, wrong: int, limit: int, alpha: float) -> bool:
    """Whether more than `limit` errors outside of the sample are."""
    errors = limit + wrong + 1
    if errors > population - (sample - wrong):
        return True
    return float(hypergeom.cdf(wrong, population, errors, sample)) <= alpha
