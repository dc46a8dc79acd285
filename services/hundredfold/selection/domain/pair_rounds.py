"""One round where an image may be of several classes: the pages that are to wait in the queue.

Every page asks about one class. First, where classes are still to be found, pages of clusters: what are
these? Then for each class that people have said little of a page of images that are as different as can be:
which of these are of it? It shows what is yes and what is no, and how frequent the class is, and comes again
with others until there is a yes. From then on a head says how likely the class is for each image, and pages
are cut by that. They end where it is hardly likely (`LEAST`): a page there would cost a look and find next to
nothing. What is left is a no as far as the head is right: nothing proves it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain import clusters as cluster_pages
from hundredfold.selection.domain import scheduler, worth
from hundredfold.selection.domain.arranging import arrange
from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.pair_pool import ClassStanding, PairsSaid, pool_of
from hundredfold.selection.domain.policies import Asked
from hundredfold.selection.domain.policies.predicted import Cuts, cut, verify_page
from hundredfold.selection.domain.pool import Pool, VectorsOf
from hundredfold.selection.domain.rounds import Phase

LEAST = 0.05
"""A pair is asked about while its class is at least so likely."""

START = 48
"""Images of which people say of each class whether they are of it, before a head is trusted."""

START_MOST = 192
"""Images that are looked at for the first yes of a class."""

RUN = 4
"""Pages of one class that come one after the other: another question takes a moment to take in."""

_MOST_SEEDS = 128
_MOST_STARTS = 64
_STAY = 1.1  # another class must be worth so much more before the question changes


@dataclass(frozen=True)
class PairStanding:
    """What a round starts from.

    Attributes:
        rows: int64 [N], ascending: the images that have a vector.
        said: of them.
        classes: where each class in use stands.
        clusters: of the space.
        vectors_of: reads vectors.
        model: the head; empty before there is one.
        naming: whether clusters are shown, to find classes.
        current: the class that people were asked about first in the last round; 0 = none.
        closed: classes that are not asked about: proved, or being audited.
    """

    rows: NDArray[np.int64]
    said: PairsSaid
    classes: Sequence[ClassStanding]
    clusters: Clusters
    vectors_of: VectorsOf
    model: str = ""
    naming: bool = False
    current: int = 0
    closed: frozenset[int] = frozenset()

    @property
    def total(self) -> int:
        """Pairs of an image and a class in use."""
        return len(self.rows) * len(self.classes)

    @property
    def labelled(self) -> int:
        """Those of which it is known whether the one is of the other."""
        return sum(each.yes + each.no for each in self.classes)

    @property
    def expected_accuracy(self) -> float:
        """The share of all pairs expected to be right if the head said the rest; 0 without a pair."""
        if not self.total:
            return 0.0
        aside = sum(each.aside for each in self.classes)
        wrong = sum(each.expected_wrong for each in self.classes)
        return 1 - (wrong + aside) / self.total


@dataclass(frozen=True)
class PairRound:
    """What a round came to: where the loop stands, and the pages for the queue, highest score first."""

    phase: Phase
    pages: list[Draft]

    @property
    def current(self) -> int:
        """The class of the first page that asks about one; 0 = none."""
        return next((page.class_id for page in self.pages if page.class_id), 0)


def compose(standing: PairStanding, asked: Asked) -> PairRound:
    """Make the pages of a round."""
    seeds = _cluster_pages(standing, asked.page_size) if standing.naming else []
    starts = _start_pages(standing, asked.page_size)
    pages = [
        *scheduler.lifted(seeds, scheduler.SEED_SCORE),
        *scheduler.lifted(starts, scheduler.DISCOVERY_SCORE),
        *scheduler.falling(_verify_pages(standing, asked)),
    ]
    if not pages:
        return PairRound(Phase.DONE, pages)
    return PairRound(Phase.SEED if seeds or starts else Phase.VERIFY, pages)


def _cluster_pages(standing: PairStanding, page_size: int) -> list[Draft]:
    """A page for each cluster of which nobody has said anything."""
    rows = np.setdiff1d(standing.rows, standing.said.touched, assume_unique=True)
    pool = _bare(rows, standing.vectors_of)
    return cluster_pages.seed_pages(standing.clusters, pool, page_size)[:_MOST_SEEDS]


def _start_pages(standing: PairStanding, page_size: int) -> list[Draft]:
    """A page of images that differ for each class of which too little is known, in the order of the classes."""
    if not standing.classes:
        return []
    spread = _spread(standing)
    pages = []
    for place, each in enumerate(standing.classes):
        known = standing.said.answered(each.class_id)
        if each.class_id in standing.closed:
            continue
        enough = START_MOST if not each.yes else START
        if len(known) >= min(enough, len(standing.rows)):
            continue
        # Each class begins elsewhere, so that all together see more of the space.
        turned = np.roll(spread, -place * page_size)
        unknown = turned[~np.isin(turned, known)]
        rows = unknown[: min(page_size, enough - len(known))]
        if len(rows):
            pages.append(_page_of(rows, each.class_id))
    return pages[:_MOST_STARTS]


def _spread(standing: PairStanding) -> NDArray[np.int64]:
    """All images, the nearest to the centre of each cluster first, then the next of each."""
    starts = standing.clusters.starts
    rank = np.arange(len(standing.clusters.rows)) - np.repeat(starts[:-1], np.diff(starts))
    ordered = standing.clusters.rows[np.argsort(rank, kind="stable")]
    ordered = ordered[np.isin(ordered, standing.rows)]
    return np.concatenate([ordered, np.setdiff1d(standing.rows, ordered)])


def _page_of(rows: NDArray[np.int64], class_id: int) -> Draft:
    return Draft(Kind.VERIFY, rows, 0.0, class_id)


@dataclass(frozen=True)
class _Offer:
    """The pages that one class could have, and what each is worth, float64 [p]."""

    pool: Pool
    cuts: Cuts
    worths: NDArray[np.float64]


def _verify_pages(standing: PairStanding, asked: Asked) -> list[Draft]:
    """Pages of one class each, those that right most in a second first, in runs of one class."""
    offers = {
        each.class_id: _offer(each.pool, asked)
        for each in standing.classes
        if each.class_id not in standing.closed
    }
    ranked = sorted(
        (
            (float(value), class_id, number)
            for class_id, offer in offers.items()
            for number, value in enumerate(offer.worths)
        ),
        key=lambda each: (-each[0], each[1:]),
    )[: asked.limit]
    pages = []
    for value, class_id, number in _in_runs(ranked, standing.current):
        offer = offers[class_id]
        page = verify_page(offer.pool, offer.cuts.page(number), value)
        pages.append(arrange(page, offer.pool))
    return pages


def _offer(pool: Pool, asked: Asked) -> _Offer:
    pool = pool.take(pool.probability >= LEAST)
    cuts = cut(pool, asked.page_size)
    return _Offer(pool, cuts, _worths(pool, cuts, asked.costs))


def _worths(pool: Pool, cuts: Cuts, costs: CostModel) -> NDArray[np.float64]:
    """Wrong yes or no put right in a second, of each page: float64 [p]."""
    if not len(cuts.starts):
        return np.empty(0)
    likely = pool.probability[cuts.places].astype(np.float64)
    wrong = np.add.reduceat(np.minimum(likely, 1 - likely), cuts.starts)
    return worth.rate(wrong, costs.expected_confirms(cuts.sizes, cuts.odd))


def _in_runs(
    ranked: Sequence[tuple[float, int, int]], current: int
) -> list[tuple[float, int, int]]:
    """The same, at most `RUN` of a class together where others wait; that of the last round stays a little."""
    waiting = list(ranked)
    ordered: list[tuple[float, int, int]] = []
    while waiting:
        first = waiting[0]
        staying = next((each for each in waiting if each[1] == current), first)
        chosen = staying[1] if staying[0] * _STAY >= first[0] else first[1]
        run = [each for each in waiting if each[1] == chosen][:RUN]
        ordered += run
        waiting = [each for each in waiting if each not in run]
        current = 0
    return ordered


def _bare(rows: NDArray[np.int64], vectors_of: VectorsOf) -> Pool:
    """Images of which no head says anything."""
    return pool_of(rows, np.zeros(len(rows), np.float32), 0, vectors_of, "")
