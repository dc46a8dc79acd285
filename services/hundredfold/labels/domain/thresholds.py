"""From which probability on a head's predictions are good enough to be labels.

The head's probabilities order the images; that they are true is not assumed. Candidates are fixed before
anything of the sample is known, and tested one after the other from the surest set of images downwards,
each with the full alpha, up to the first that fails: the chance that any set passes that should
not is at most alpha (fixed-sequence testing, Maurer et al. 1995; as a way to choose a threshold: Angelopoulos
et al., "Learn then test", 2021).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hundredfold.labels.domain.bounds import (
    Stratum,
    as_found_by_all,
    errors_allowed,
    most_wrong,
)
from hundredfold.labels.domain.sampling import MARGIN, smallest_sample, success

STEPS = 24
_STARTS = 24
_SURE = 0.95
_GOOD_PART = 0.9
Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Step:
    """A candidate: the images with at least this probability, and how many of them were drawn."""

    threshold: float
    drawn: Stratum


def steps(
    population: Probabilities,
    sample: Probabilities,
    allowed: float,
    alpha: float,
    miss_rate: float,
) -> list[Step]:
    """The candidates in the order they are tested.

    The first is the smallest set that will very likely pass if the head is right about its errors: of
    smaller ones too few are drawn to prove anything, and a head that is not right fails at larger ones.

    Args:
        population: of all images, float32 [m].
        sample: of those drawn, float32 [s]; only how many there are in each set is used.
        allowed: share of errors in a set.
        alpha: of each test.
        miss_rate: share of errors that is overlooked.
    """
    surest = np.sort(population)[::-1]
    begin = _first(surest, len(sample) / len(surest), allowed, alpha, miss_rate)
    ends = np.unique(np.ceil(np.linspace(begin, len(surest), STEPS)).astype(np.int64))
    # All images with the same probability are in or out together.
    thresholds = np.unique(surest[ends - 1])[::-1]
    return [
        Step(
            float(each) if np.any(population < each) else 0.0,
            Stratum(int(np.sum(population >= each)), int(np.sum(sample >= each))),
        )
        for each in thresholds
    ]


def passed(
    candidates: Sequence[Step], wrong: Sequence[int], allowed: float, alpha: float, miss_rate: float
) -> tuple[int, float]:
    """How many candidates pass, and the bound on the share of errors in the last of them.

    Args:
        candidates: in the order they are tested.
        wrong: errors found in the sample of each.
        allowed: share of errors among images of a set that were not drawn.
        alpha: of each test.
        miss_rate: share of errors that is overlooked.

    Returns:
        When none passes, the bound of the first.
    """
    last = 1.0
    for number, (step, found) in enumerate(zip(candidates, wrong, strict=True)):
        bound = rest_share(step.drawn, found, alpha, miss_rate)
        if bound > allowed:
            return number, last if number else bound
        last = bound
    return len(candidates), last


def rest_share(drawn: Stratum, wrong: int, alpha: float, miss_rate: float) -> float:
    """Upper bound on the share of errors among the images that were not drawn; 0 when all were."""
    if drawn.population == drawn.sample:
        return 0.0
    if not drawn.sample:
        return 1.0
    found = as_found_by_all(wrong, drawn.sample, miss_rate)
    left = most_wrong(drawn.population, drawn.sample, found, alpha) - found
    return left / (drawn.population - drawn.sample)


def sample_for_threshold(
    population: Probabilities, allowed: float, alpha: float, miss_rate: float
) -> int:
    """A sample that likely proves most of the images that could be proved if the head is right."""
    surest = np.sort(population)[::-1]
    expected = np.cumsum(1 - surest.astype(np.float64))
    counts = np.arange(1, len(surest) + 1)
    good = int(np.count_nonzero(expected * MARGIN <= allowed * counts))
    part = max(1, round(good * _GOOD_PART))
    limit = math.floor(allowed * part)
    inside = smallest_sample(part, float(expected[part - 1]), limit, alpha, miss_rate)
    return min(len(surest), math.ceil(inside * len(surest) / part))


def _first(
    surest: Probabilities, share: float, allowed: float, alpha: float, miss_rate: float
) -> int:
    """How many of the surest images the first candidate has."""
    expected = np.cumsum(1 - surest.astype(np.float64)) * MARGIN
    sizes = np.unique(np.ceil(np.linspace(0, len(surest), _STARTS + 1)[1:]).astype(np.int64))

    def chance(size: int) -> float:
        """The probability that the surest so many pass."""
        drawn = math.floor(size * share)
        limit = math.floor(allowed * (size - drawn))
        errors = errors_allowed(size, drawn, limit, alpha) * (1 - miss_rate)
        wrong = min(size, math.ceil(expected[size - 1]))
        return success(size, wrong, drawn, math.floor(errors)) if errors >= 0 else 0.0

    chances = [chance(size) for size in sizes.tolist()]
    sure = [size for size, each in zip(sizes, chances, strict=True) if each >= _SURE]
    return int(sure[0] if sure else sizes[int(np.argmax(chances))])
