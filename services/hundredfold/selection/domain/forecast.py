"""How much work is left, by the head's own calibrated probabilities."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.policies.predicted import Cuts, cut
from hundredfold.selection.domain.pool import Pool

_LEAST_ACCEPTED = 0.05
_SLOWEST = 10.0
_PACE = (0.2, 5.0)


@dataclass(frozen=True)
class Forecast:
    """The work until a target.

    Attributes:
        expected_accuracy: share of all images expected to be right now, the head labelling the rest.
        seconds: human seconds still needed.
        pages: still needed.
        images: that people look at until then, each counted once.
    """

    expected_accuracy: float
    seconds: float
    pages: int
    images: int


def expected_accuracy(pool: Pool, labelled: int, total: int) -> float:
    """The share of all images expected to be right if the head labelled the rest now."""
    return (labelled + float(pool.probability.sum())) / total if total else 0.0


def forecast(
    pool: Pool, labelled: int, total: int, *, target: float, page_size: int, costs: CostModel
) -> Forecast:
    """Walk through today's pages, those that right most errors in a second first, until the target.

    An image that is kicked from its page is taken to come back on pages of its next guesses, each time
    with the chance that the head gives the second one now, until it is accepted or asked about alone.
    The head is not taken to learn from the answers, so that this errs on the side of too much work.

    Args:
        pool: with the guesses of a head.
        labelled: images.
        total: images, more than 0.
        target: the share that must be right.
        page_size: most images a page.
        costs: of a person's actions.
    """
    now = expected_accuracy(pool, labelled, total)
    missing = target * total - now * total
    if missing <= 0 or not len(pool):
        return Forecast(now, 0.0, 0, 0)
    cuts = cut(pool, page_size)
    seconds, visits = _work(pool, cuts, page_size, costs)
    order = np.argsort(-cuts.odd / np.maximum(seconds, 1e-9), kind="stable")
    righted = np.cumsum(cuts.odd[order])
    # Of the page that reaches the target only the part that is needed counts.
    shares = np.clip(1 - (righted - missing) / np.maximum(cuts.odd[order], 1e-9), 0, 1)
    return Forecast(
        now,
        float((seconds[order] * shares).sum()),
        int(np.ceil(((1 + visits[order] / page_size) * shares).sum())),
        int(np.ceil((cuts.sizes[order] * shares).sum())),
    )


def _work(
    pool: Pool, cuts: Cuts, page_size: int, costs: CostModel
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each page the seconds until all its images are labelled, and the later visits of those kicked."""
    first = pool.probability[cuts.places].astype(np.float64)
    second = np.maximum(first - pool.margin[cuts.places], 0)
    accepted = np.add.reduceat(second, cuts.starts) / np.maximum(cuts.odd, 1e-9)
    accepted = np.clip(accepted, _LEAST_ACCEPTED, 1.0)
    seconds, visits = np.empty(len(cuts.starts)), np.empty(len(cuts.starts))
    for number, (size, odd, again) in enumerate(zip(cuts.sizes, cuts.odd, accepted, strict=True)):
        visit = costs.expected_confirm(page_size, page_size * (1 - again)) / page_size
        resolve = min(visit / again, costs.single_seconds)
        page = costs.expected_confirm(int(size), float(odd)) + odd * resolve
        seconds[number] = min(page, size * costs.single_seconds)
        visits[number] = odd / again
    return seconds, visits


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
