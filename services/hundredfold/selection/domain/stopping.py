"""When to stop: whether an audit would prove the target now, and what it would cost.

An audit draws images at random from those that nobody labelled and proves an upper bound on the wrong
labels among all, should the head label the rest. It passes when that is at most what is allowed. How
many guesses are wrong the head's probabilities say; how far to trust them say the images that were
labelled at random (the random stream, former audits): with a Gamma prior on the wrong guesses for each
one expected, the count of wrong ones is negative binomial, and the posterior mean pulls little evidence
towards what the head says.

Looking early takes a large sample, for the proof has little room; looking late takes more labelling.
A sample is looked at in stages, and the first that proves the bound ends the audit, so that a large one is
paid for only with bad luck. `least_sample` says how large a sample makes it likely enough to pass; `plan`
weighs what its stages are expected to cost at every point of the work to come, and the audit is due when
no later point is cheaper.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.stages import stages
from hundredfold.selection.domain.hypergeometric import at_most, most_errors

ENOUGH = 0.75
"""How likely the last stage of an audit must be to pass."""

OVER = 1.25
"""An audit may be due while so many times the wrong images that are allowed are expected: found ones are put right."""

MISS_RATE = 0.025
"""Share of odd images that people are taken to overlook before anything is known of them."""

_FALLEN = 2 / 3  # of the wrong images expected at an audit that failed
_PRIOR = 8.0  # wrong guesses that the head's own expectation is worth: a ratio of 1 +- 0.35
_QUANTILES = (-1.2816, -0.5244, 0.0, 0.5244, 1.2816)
_LOOK_SHARES = (3 / 4, 1 / 4)
_POINTS = 10
_MARGIN = 1.05  # what a sample costs goes up and down by that much: limits are whole numbers
# The nominal level of the stages, for 1 or 2 of them, as a share of the look's: the ledger finds it anew for each audit.
_LEVELS = (1.0, 0.58)
LEAST_SAMPLE, MOST_SAMPLE = 30, 100_000


@dataclass(frozen=True)
class Trust:
    """How many guesses are wrong for each one that the head expects to be: Gamma distributed.

    Attributes:
        mean: of the ratio.
        shape: of the distribution; the higher, the surer.
    """

    mean: float = 1.0
    shape: float = _PRIOR

    def quantiles(self) -> list[float]:
        """The ratio at 10, 30, 50, 70 and 90 % (Wilson and Hilferty 1931)."""
        ninth = 1 / (9 * self.shape)
        return [self.mean * max(1 - ninth + z * math.sqrt(ninth), 0.0) ** 3 for z in _QUANTILES]


NO_EVIDENCE = Trust()


def trust(evidence: Iterable[tuple[float, float]]) -> Trust:
    """What random samples say of a head.

    Args:
        evidence: of each sample the wrong guesses that were found and how many the head expected.
    """
    wrong, expected = (sum(each) for each in zip((_PRIOR, _PRIOR), *evidence, strict=True))
    return Trust(wrong / expected, wrong)


@dataclass(frozen=True)
class Terms:
    """What an audit must prove.

    Attributes:
        total: images of the collection.
        allowed: wrong labels there may be among all.
        slips: wrong labels that people are taken to have given.
        alpha: the probability of error that this look may spend.
        classes: that are predicted: audit pages are of one class each.
        beside: images that nobody is asked about before the audit, and that it answers for: set aside
            as unsure, or labelled by a model before.
        beside_wrong: how many of them are expected to be wrong.
    """

    total: int
    allowed: float
    slips: float
    alpha: float
    classes: int = 1
    beside: int = 0
    beside_wrong: float = 0.0


def slips(labelled: int, odd: int, shown: int, miss_rate: float) -> float:
    """About how many wrong labels people gave.

    Args:
        labelled: images, by people.
        odd: images that they kicked of late.
        shown: of so many on pages of theirs.
        miss_rate: the share of odd images that they overlook: m / (1 - m) for each they kick.
    """
    return labelled * odd / max(shown, 1) * miss_rate / max(1 - miss_rate, 1e-9)


def alpha(confidence: float, look: int) -> float:
    """What look number `look`, from 1, spends: three quarters of what the looks before have left."""
    most, rest = _LOOK_SHARES
    return float((1 - confidence) * most * rest ** (look - 1))


def passing(
    terms: Terms, population: int, wrong: float, sample: int, belief: Trust, *, level: float = 1.0
) -> float:
    """The probability that an audit passes.

    Args:
        terms: to prove.
        population: images that nobody labelled.
        wrong: how many of them the head takes wrongly, as it expects itself.
        sample: images drawn.
        belief: in the head.
        level: share of alpha that a test of this sample may spend.
    """
    room = math.floor(terms.allowed - terms.slips)
    errors = most_errors(population, sample, room, level * terms.alpha)
    if errors < 0:
        return 0.0
    chances = [
        at_most(errors, population, min(population, round(ratio * wrong)), sample)
        for ratio in belief.quantiles()
    ]
    return float(np.mean(chances))


def least_sample(terms: Terms, population: int, wrong: float, belief: Trust) -> int:
    """The smallest sample with whose last stage an audit is likely enough to pass; 0 when none is.

    At least 30, found to within 5 %; a sample of all images passes unless people's slips are too many.
    """

    def enough(sample: int) -> bool:
        level = _level(stages(sample, terms.classes))
        return passing(terms, population, wrong, sample, belief, level=level) >= ENOUGH

    most = min(population, MOST_SAMPLE)
    low, high = 0, min(LEAST_SAMPLE, most)
    while high and not enough(high):
        if high == most:
            return 0
        low, high = high, min(2 * high, most)
    while high - low > max(1, high // 20) and high > LEAST_SAMPLE:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high


def audit_seconds(
    terms: Terms, population: int, wrong: float, sample: int, *, page_size: int, costs: CostModel
) -> float:
    """Expected human seconds to answer a sample on pages of one predicted class each.

    What is kicked is asked about again, alone in the end: a certificate takes found errors for put right.
    """
    if not sample:
        return 0.0
    pages = max(math.ceil(sample / page_size), min(sample, terms.classes))
    images = round(sample / pages)
    odd = images * min(1.0, wrong / max(population, 1))
    return pages * (costs.expected_confirm(images, odd) + odd * costs.single_seconds)


def staged_seconds(
    terms: Terms,
    population: int,
    wrong: float,
    sample: int,
    belief: Trust,
    *,
    page_size: int,
    costs: CostModel,
) -> float:
    """Expected human seconds until an audit has passed: each stage counts as often as it is reached.

    A stage is taken to be reached when the sample before does not pass by itself, which is a little too
    often. An audit that fails has cost its seconds in vain, so that all count once for each that passes.
    """
    begun = Begun(population, wrong, stages(sample, terms.classes))
    return rest_seconds(terms, begun, belief, page_size=page_size, costs=costs).seconds


@dataclass(frozen=True)
class Begun:
    """An audit on its way.

    Attributes:
        population: images it was drawn from.
        wrong: how many of them the head takes wrongly, as it expects itself.
        sizes: images looked at after each of its stages.
        stage: the one that it is at, from 0.
        left: images of that stage that wait for an answer; -1 = all of it.
    """

    population: int
    wrong: float
    sizes: tuple[int, ...]
    stage: int = 0
    left: int = -1


@dataclass(frozen=True)
class Rest:
    """What is left of an audit: expected human seconds and images, and the seconds of its present stage alone."""

    seconds: float
    images: float
    stage_seconds: float


def rest_seconds(
    terms: Terms, begun: Begun, belief: Trust, *, page_size: int, costs: CostModel
) -> Rest:
    """What is left of an audit; see `staged_seconds`. A later stage is reached when those before did not pass."""
    population, wrong = begun.population, begun.wrong
    level = _level(begun.sizes)
    reached = [1.0]
    for size in begun.sizes:
        chance = passing(terms, population, wrong, size, belief, level=level)
        reached.append(min(reached[-1], 1 - chance))
    sizes = np.diff((0, *begun.sizes))
    if begun.left >= 0:
        sizes[begun.stage] = begun.left
    sizes = sizes[begun.stage :]
    *chances, failed = np.array(reached[begun.stage :]) / max(reached[begun.stage], 1e-9)
    odd = belief.mean * wrong
    seconds = [
        audit_seconds(terms, population, odd, int(size), page_size=page_size, costs=costs)
        for size in sizes
    ]
    # An audit that fails has cost its seconds in vain.
    expected = float(np.dot(chances, seconds)) / max(1 - failed, 0.5)
    return Rest(expected, float(np.dot(chances, sizes)), seconds[0])


def _level(sizes: tuple[int, ...]) -> float:
    return _LEVELS[min(len(sizes), len(_LEVELS)) - 1]


@dataclass(frozen=True)
class Course:
    """The work to come, as far as it is walked through: after how many human seconds how much is done.

    Attributes:
        seconds: float64 [p], of labelling, ascending from 0.
        open: int64 [p], images that nobody has labelled by then.
        wrong: float64 [p], guesses among them that the head expects to be wrong.
    """

    seconds: NDArray[np.float64]
    open: NDArray[np.int64]
    wrong: NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """The cheapest way to a proof.

    Attributes:
        labelling: human seconds of labelling before the audit.
        auditing: expected human seconds of the audit.
        at: place in the course at which to audit; 0 = now; its length - 1 = once all is labelled.
        sample: images to draw, all stages together; 0 when everything is labelled by then.
    """

    labelling: float
    auditing: float
    at: int
    sample: int

    @property
    def ready(self) -> bool:
        """Whether to audit now."""
        return self.at == 0 and self.sample > 0


def plan(course: Course, terms: Terms, belief: Trust, *, page_size: int, costs: CostModel) -> Plan:
    """Weigh an audit now against one after more labelling.

    Only points where the wrong guesses expected are few enough to be proved are looked at, at most
    `_POINTS` of them, the first and the last among them, the nearer the closer together.
    """
    room = max(terms.allowed - terms.slips, 0.0)
    able = np.flatnonzero(belief.mean * course.wrong + terms.beside_wrong <= OVER * room)
    first = int(able[0]) if len(able) else len(course.seconds) - 1
    # Where the room is too small even at the end only a sample of all that is left can pass.
    last = len(course.seconds) - 1
    points = np.unique((first + (last - first) * np.linspace(0, 1, _POINTS) ** 2).astype(int))
    best: Plan | None = None
    for at in points.tolist():
        if best is not None and course.seconds[at] >= _cost(best):
            break  # dearer without any audit
        there = int(course.open[at]) + terms.beside
        wrong = float(course.wrong[at]) + terms.beside_wrong / belief.mean
        sample = least_sample(terms, there, wrong, belief) if there else 0
        if there and not sample:
            continue
        seconds = (
            staged_seconds(terms, there, wrong, sample, belief, page_size=page_size, costs=costs)
            if sample
            else 0.0
        )
        found = Plan(float(course.seconds[at]), seconds, at, sample)
        # The first of two that are as good: what is still to come is less certain.
        if best is None or _cost(found) * _MARGIN < _cost(best):
            best = found
    return best or Plan(float(course.seconds[-1]), 0.0, len(course.seconds) - 1, 0)


def may_look_again(wrong: float, wrong_then: float) -> bool:
    """Whether enough has changed since an audit that failed: a third fewer wrong images are expected.

    Args:
        wrong: images expected to be wrong now.
        wrong_then: when the audit was drawn; 0 when there was none.
    """
    return not wrong_then or wrong <= _FALLEN * wrong_then


def _cost(plan: Plan) -> float:
    return plan.labelling + plan.auditing
