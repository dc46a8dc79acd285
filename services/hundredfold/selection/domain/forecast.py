"""How much work is left: today's pages walked through, put right by how such forecasts did before.

The walk takes the head as it is now: while the head still learns it finds too much work, later a little
too little. How far off it is depends on how much of the work is done, which `_DRIFT` puts right
(docs/adr/0015-backbone-rounds-and-stopping.md). How far off it was earlier in the same run says nothing
more: tried, and left out.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.policies.predicted import Cuts, cut
from hundredfold.selection.domain.pool import Pool
from hundredfold.selection.domain.stopping import (
    NO_EVIDENCE,
    Begun,
    Course,
    Plan,
    Terms,
    Trust,
    plan,
    rest_seconds,
)

_LEAST_ACCEPTED = 0.05
# The log of true over walked seconds: at the begin, and how much more it is at the end.
_DRIFT = (-0.6, 0.8)
_DRIFT_TO_PROOF = (-0.45, 0.8)
_SPREAD = 1.2816 * 0.4  # of that log, 80 %
_WALKED = 0.6  # of the seconds walked, where only the order of costs counts
_SLOWEST = 10.0
_PACE = (0.2, 5.0)


@dataclass(frozen=True)
class Walk:
    """Today's pages, those that right most errors in a second first.

    Attributes:
        seconds: float64 [p + 1], human seconds until so many pages are done, from 0.
        righted: float64 [p + 1], wrong guesses that are right by then.
        images: float64 [p + 1], labelled by then.
        pages: float64 [p + 1], answered by then, with those on which kicked images come back.
    """

    seconds: NDArray[np.float64]
    righted: NDArray[np.float64]
    images: NDArray[np.float64]
    pages: NDArray[np.float64]

    def until(self, missing: float) -> tuple[float, float, float]:
        """Seconds, pages and images until so many wrong guesses are right: a part of a page counts so."""
        found = [np.interp(missing, self.righted, each) for each in self._counts()]
        return float(found[0]), float(found[1]), float(found[2])

    def _counts(self) -> tuple[NDArray[np.float64], ...]:
        return self.seconds, self.pages, self.images


def walk(pool: Pool, page_size: int, costs: CostModel) -> Walk:
    """Walk through today's pages.

    An image that is kicked from its page is taken to come back on pages of its next guesses, each time
    with the chance that the head gives the second one now, until it is accepted or asked about alone.
    The head is not taken to learn from the answers, so that this errs on the side of too much work.

    Args:
        pool: with the guesses of a head.
        page_size: most images a page.
        costs: of a person's actions.
    """
    cuts = cut(pool, page_size)
    if not len(pool):
        return Walk(*np.zeros((4, 1)))
    seconds, visits = _work(pool, cuts, page_size, costs)
    order = np.argsort(-cuts.odd / np.maximum(seconds, 1e-9), kind="stable")
    each = (seconds, cuts.odd, cuts.sizes, 1 + visits / page_size)
    return Walk(*(np.concatenate([[0.0], np.cumsum(one[order])]) for one in each))


@dataclass(frozen=True)
class Forecast:
    """The work until a target.

    Attributes:
        expected_accuracy: share of all images expected to be right now, the head labelling the rest.
        seconds: human seconds still needed, those of audits among them.
        seconds_low: of their 80 % interval.
        seconds_high: of their 80 % interval.
        pages: still needed, those of audits not counted.
        pages_low: of their 80 % interval.
        pages_high: of their 80 % interval.
        images: that people look at until then, each counted once.
        audit_seconds: of the audit, the chance that it must be repeated counted in.
        ready: whether an audit is expected to prove the target now.
        sample: images to draw then.
    """

    expected_accuracy: float
    seconds: float = 0.0
    seconds_low: float = 0.0
    seconds_high: float = 0.0
    pages: int = 0
    pages_low: int = 0
    pages_high: int = 0
    images: int = 0
    audit_seconds: float = 0.0
    ready: bool = False
    sample: int = 0


@dataclass(frozen=True)
class Far:
    """How far the work is.

    Attributes:
        labelled: images.
        total: images, more than 0.
        seconds: of people so far.
        pace: how many times the seconds of the cost model they take.
        wrong: labels, those of models, that are expected to be wrong.
    """

    labelled: int
    total: int
    seconds: float = 0.0
    pace: float = 1.0
    wrong: float = 0.0


def forecast(pool: Pool, far: Far, *, target: float, page_size: int, costs: CostModel) -> Forecast:
    """The work until a share `target` of all images is expected to be right, without a proof."""
    now = accuracy(pool, far)
    missing = (target - now) * far.total
    if missing <= 0 or not len(pool):
        return Forecast(now)
    seconds, pages, images = walk(pool, page_size, costs).until(missing)
    return _put_right(Forecast(now, images=math.ceil(images)), far, seconds, pages, _DRIFT)


def proving(
    pool: Pool, far: Far, terms: Terms, belief: Trust, *, page_size: int, costs: CostModel
) -> Forecast:
    """The work until an audit has proved what it must, by the cheapest way to it."""
    now = accuracy(pool, far, belief)
    if not len(pool):
        return Forecast(now)
    walked = walk(pool, page_size, costs)
    found = cheapest(pool, walked, terms, belief, page_size=page_size, costs=costs)
    seconds = found.labelling / _WALKED + found.auditing
    outlook = Forecast(
        now,
        images=math.ceil(walked.images[found.at] + found.sample),
        ready=found.ready,
        sample=found.sample if found.ready else 0,
    )
    pages = float(walked.pages[found.at])
    outlook = _put_right(outlook, far, seconds, pages, _DRIFT_TO_PROOF)
    # What is audited is known; what has to be labelled before is not.
    audit = min(found.auditing * far.pace, outlook.seconds)
    return replace(outlook, audit_seconds=audit)


def answering(
    pool: Pool,
    far: Far,
    terms: Terms,
    belief: Trust,
    begun: Begun,
    *,
    page_size: int,
    costs: CostModel,
) -> Forecast:
    """The work until an open audit has ended: its present stage, and later ones as likely as they come.

    Args:
        pool: the images that need an answer.
        far: how far the work is.
        terms: of the audit.
        belief: in the head.
        begun: where the audit is.
        page_size: most images a page.
        costs: of a person's actions.
    """
    rest = rest_seconds(terms, begun, belief, page_size=page_size, costs=costs)
    # At best the present stage is the last; where all of them fail more work comes than can be said now.
    seconds, least = far.pace * rest.seconds, far.pace * rest.stage_seconds
    return Forecast(
        accuracy(pool, far, belief),
        seconds,
        math.exp(-_SPREAD) * min(seconds, least),
        math.exp(_SPREAD) * seconds,
        images=math.ceil(rest.images),
        audit_seconds=seconds,
        ready=True,
    )


def mending(outlook: Forecast, far: Far, short: int, *, costs: CostModel) -> Forecast:
    """The same, or the work until so many images are put right of which an audit that did not pass is short.

    Each takes at most the seconds of a single image.
    """
    seconds = far.pace * short * costs.single_seconds
    if not 0 < seconds < outlook.seconds:
        return outlook
    return replace(
        outlook,
        seconds=seconds,
        seconds_low=math.exp(-_SPREAD) * seconds,
        seconds_high=math.exp(_SPREAD) * seconds,
        pages=short,
        pages_low=math.ceil(math.exp(-_SPREAD) * short),
        pages_high=math.ceil(math.exp(_SPREAD) * short),
        images=short,
        audit_seconds=0.0,
        ready=False,
        sample=0,
    )


def cheapest(
    pool: Pool, walked: Walk, terms: Terms, belief: Trust, *, page_size: int, costs: CostModel
) -> Plan:
    """When to audit, by the course that today's pages make."""
    wrong = expected_wrong(pool)
    course = Course(
        walked.seconds * _WALKED,
        (len(pool) - walked.images).astype(np.int64),
        np.maximum(wrong - walked.righted, 0),
    )
    return plan(course, terms, belief, page_size=page_size, costs=costs)


def accuracy(pool: Pool, far: Far, belief: Trust = NO_EVIDENCE) -> float:
    """The share of all images expected to be right if the head labelled the rest now."""
    if not far.total:
        return 0.0
    wrong = min(belief.mean * expected_wrong(pool), len(pool))
    return (far.labelled - far.wrong + len(pool) - wrong) / far.total


def expected_wrong(pool: Pool) -> float:
    """How many guesses the head expects to be wrong."""
    return float((1 - pool.probability.astype(np.float64)).sum())


def _put_right(
    outlook: Forecast, far: Far, walked: float, pages: float, drifts: tuple[float, float]
) -> Forecast:
    """With the seconds and pages that such a walk came to in truth, at people's pace."""
    if walked <= 0:
        return outlook
    done = far.seconds / far.pace
    drift = math.exp(drifts[0] + drifts[1] * done / (done + walked))
    low, high = math.exp(-_SPREAD), math.exp(_SPREAD)
    seconds, pages = walked * drift * far.pace, pages * drift
    return replace(
        outlook,
        seconds=seconds,
        seconds_low=seconds * low,
        seconds_high=seconds * high,
        pages=math.ceil(pages),
        pages_low=math.floor(pages * low),
        pages_high=math.ceil(pages * high),
    )


def _work(
    pool: Pool, cuts: Cuts, page_size: int, costs: CostModel
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each page the seconds until all its images are labelled, and the later visits of those kicked."""
    first = pool.probability[cuts.places].astype(np.float64)
    second = np.maximum(first - pool.margin[cuts.places], 0)
    accepted = np.add.reduceat(second, cuts.starts) / np.maximum(cuts.odd, 1e-9)
    accepted = np.clip(accepted, _LEAST_ACCEPTED, 1.0)
    refused = page_size * (1 - accepted)
    visit = costs.expected_confirms(np.full(len(accepted), page_size), refused) / page_size
    resolve = np.minimum(visit / accepted, costs.single_seconds)
    together = costs.expected_confirms(cuts.sizes, cuts.odd) + cuts.odd * resolve
    return np.minimum(together, cuts.sizes * costs.single_seconds), cuts.odd / accepted


@dataclass(frozen=True)
class Answered:
    """A page that somebody answered.

    Attributes:
        seconds: it took.
        odd: bool [n], what was kicked, in the order shown.
        named: whether a class had to be named.
        single: whether each image was asked about alone.
    """

    seconds: float
    odd: NDArray[np.bool_]
    named: bool
    single: bool


def pace(answered: list[Answered], costs: CostModel) -> float:
    """How many times the seconds of the cost model people take; 1 while nobody has answered.

    A page left open over lunch counts as ten times as long as expected, not more.
    """
    expected = [_expected(each, costs) for each in answered]
    taken = [
        min(each.seconds, _SLOWEST * usual) for each, usual in zip(answered, expected, strict=True)
    ]
    if not sum(expected) or not sum(taken):
        return 1.0
    return float(np.clip(sum(taken) / sum(expected), *_PACE))


def _expected(answered: Answered, costs: CostModel) -> float:
    if answered.single:
        return len(answered.odd) * costs.single_seconds
    return costs.confirm(answered.odd) + (costs.naming_seconds if answered.named else 0.0)
