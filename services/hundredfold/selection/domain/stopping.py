"""When to stop: whether to audit now, and what it would cost.

An audit draws images at random from those that nobody labelled and proves an upper bound on the wrong
labels among all, should the head label the rest. How many guesses are wrong the head's probabilities say;
how far to trust them say the images that were labelled at random (the random stream, former audits): with
a Gamma prior on the wrong guesses for each one expected, the count of wrong ones is negative binomial, and
the posterior mean pulls little evidence towards what the head says.

An audit that does not pass does later: each wrong guess that people put right since is one less
(`mending`). So it costs its pages, and the putting right of what it is expected to be short of. A larger
sample leaves less to put right; early there is much of it, late more was labelled one page after another.
The ledger looks at a large sample in two stages, and stops after the first where that says enough: then it
costs less than is reckoned with here.
`plan` weighs samples and points of the work to come, and the audit is due when no later point is cheaper.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.stages import stages
from hundredfold.selection.domain.hypergeometric import most_errors

OVER = 1.25
"""An audit may be due while so many times the wrong images that are allowed are expected: the rest is put right."""

MENDING_SECONDS = 3.0
"""Human seconds to put right a guess that an audit is short of: at the worst each is asked about alone."""

_STAGED = 0.58  # of the probability of error that a look may spend each of two stages spends, about

MISS_RATE = 0.025
"""Share of odd images that people are taken to overlook before anything is known of them."""

_FALLEN = 2 / 3  # of the wrong images expected at an audit that failed
_PRIOR = 8.0  # wrong guesses that the head's own expectation is worth: a ratio of 1 +- 0.35
_QUANTILES = (-1.2816, -0.5244, 0.0, 0.5244, 1.2816)
_LOOK_SHARES = (3 / 4, 1 / 4)
_POINTS = 10
_NORMAL = NormalDist()
_MARGIN = 1.05  # what a sample costs goes up and down by that much: limits are whole numbers
_GROWTH = 1.25  # from one sample that is weighed to the next
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


def expected_short(
    terms: Terms, population: int, wrong: float, sample: int, belief: Trust
) -> float:
    """How many guesses must be put right, after an audit, so that it passes; infinite when slips are too many.

    What the audit finds is among them. With e errors it bounds the wrong guesses by about
    (e + z sqrt(e)) population / sample, z for the probability of error; for each value of the belief e is
    taken for normally distributed.

    Args:
        terms: to prove.
        population: images that nobody labelled.
        wrong: how many of them the head takes wrongly, as it expects itself.
        sample: images drawn.
        belief: in the head.
    """
    room = math.floor(terms.allowed - terms.slips)
    if room < 0:
        return math.inf
    spent = terms.alpha * (_STAGED if len(stages(sample, terms.classes)) > 1 else 1.0)
    most = most_errors(population, sample, room, spent)
    share = sample / population
    found = []
    for ratio in belief.quantiles():
        rate = min(1.0, ratio * wrong / population)
        mean = sample * rate
        spread = math.sqrt(mean * (1 - rate) * (1 - share))
        steep = 1 + _NORMAL.inv_cdf(1 - spent) * (1 - share) / (2 * math.sqrt(max(mean, 1.0)))
        found.append(_mean_above(mean, spread, most) * steep / share)
    return float(np.mean(found))


def _mean_above(mean: float, spread: float, limit: float) -> float:
    """The mean of how far a normal variable is above a limit, 0 when it is not."""
    if spread < 1e-9:
        return max(0.0, mean - limit)
    z = (mean - limit) / spread
    # Far below the limit the two cancel out, but for rounding.
    return max(0.0, spread * _NORMAL.pdf(z) + (mean - limit) * _NORMAL.cdf(z))


@dataclass(frozen=True)
class Outlay:
    """What an audit is expected to cost, in human seconds.

    Attributes:
        sample: images to draw.
        pages: to answer them.
        mending: to put right what it is then short of.
    """

    sample: int
    pages: float
    mending: float

    @property
    def seconds(self) -> float:
        """All together."""
        return self.pages + self.mending


@dataclass(frozen=True)
class Open:
    """An audit that waits for answers.

    Attributes:
        population: images it was drawn from.
        wrong: how many of them the head takes wrongly, as it expects itself.
        sample: images drawn.
        left: of those, images that wait for an answer.
    """

    population: int
    wrong: float
    sample: int
    left: int


def outlay(
    terms: Terms,
    population: int,
    wrong: float,
    sample: int,
    belief: Trust,
    *,
    page_size: int,
    costs: CostModel,
    left: int = -1,
) -> Outlay:
    """What an audit of a sample is expected to cost, of which `left` images wait for an answer; -1 = all."""
    short = expected_short(terms, population, wrong, sample, belief)
    waiting = sample if left < 0 else left
    pages = audit_seconds(
        terms, population, belief.mean * wrong, waiting, page_size=page_size, costs=costs
    )
    return Outlay(sample, pages, MENDING_SECONDS * short)


def best_outlay(
    terms: Terms,
    population: int,
    wrong: float,
    belief: Trust,
    *,
    page_size: int,
    costs: CostModel,
) -> Outlay | None:
    """The sample, of at least 30 images, that is expected to cost least; None when slips are too many to prove it."""
    best = None
    for sample in _samples(min(population, MOST_SAMPLE)):
        found = outlay(terms, population, wrong, sample, belief, page_size=page_size, costs=costs)
        if best is None or found.seconds < best.seconds:
            best = found
        if best and found.pages >= best.seconds:
            break  # pages alone cost more
    return best if best and math.isfinite(best.seconds) else None


def _samples(most: int) -> Iterator[int]:
    """From 30 on, each by a quarter larger; the last is all there may be."""
    size = float(LEAST_SAMPLE)
    while size < most:
        yield round(size)
        size *= _GROWTH
    if most:
        yield most


def audit_seconds(
    terms: Terms, population: int, wrong: float, sample: int, *, page_size: int, costs: CostModel
) -> float:
    """Expected human seconds to answer a sample on pages of one predicted class each.

    The classes are taken to be alike in size, so that of many some are not in a small sample.
    """
    if not sample:
        return 0.0
    classes = terms.classes * (1 - (1 - 1 / max(terms.classes, 1)) ** sample)
    pages = max(sample / page_size, classes)
    images = sample / pages
    odd = images * min(1.0, wrong / max(population, 1))
    return pages * costs.expected_confirm(images, odd)


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
        auditing: expected human seconds of the audit, and of putting right what it is short of.
        at: place in the course at which to audit; 0 = now; its length - 1 = once all is labelled.
        sample: images to draw; 0 when everything is labelled by then.
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

    Only points where the wrong guesses expected are few enough are looked at, at most `_POINTS` of them,
    the first and the last among them, the nearer the closer together.
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
        audit = (
            Outlay(0, 0.0, 0.0)
            if not there
            else best_outlay(terms, there, wrong, belief, page_size=page_size, costs=costs)
        )
        if audit is None:
            continue
        found = Plan(float(course.seconds[at]), audit.seconds, at, audit.sample)
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
