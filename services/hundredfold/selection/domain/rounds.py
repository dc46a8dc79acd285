"""One round: from what is known to the pages that wait in the queue."""

import enum
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.holdout import in_stream, sample_share
from hundredfold.selection.domain import clusters as cluster_pages
from hundredfold.selection.domain import discovery as discovering
from hundredfold.selection.domain import refining, regions, scheduler
from hundredfold.selection.domain.alike import Alike, with_pairs
from hundredfold.selection.domain.arranging import arrange
from hundredfold.selection.domain.cleaning import Suspicious, doubtful, review_pages
from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.discovery import Discovery
from hundredfold.selection.domain.mending import Audited, mending_pages
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.parents import Families, parent_pages
from hundredfold.selection.domain.planting import plant
from hundredfold.selection.domain.policies import Asked, Known, Policy
from hundredfold.selection.domain.policies.predicted import single_pages
from hundredfold.selection.domain.pool import Labels, Pool
from hundredfold.selection.domain.stream import Early, due, early, is_few, riding, stream_pages

PARTS = frozenset({"fine-tuning", "discovery", "planting", "cleaning", "stream"})
"""What a round can be made without, to measure what it is worth."""

_MOST_SEEDS = 128
_SEEDS_ENOUGH = 16
_STREAM_PART = 4  # of so many pages at most one is of the stream, so that others wait below it
_SPARE = 3  # times as many pages are asked of a policy, for regions to choose from


class Phase(enum.StrEnum):
    """Where a loop stands."""

    PREPARING = "PREPARING"
    SEED = "SEED"
    VERIFY = "VERIFY"
    LEFTOVERS = "LEFTOVERS"
    AUDIT = "AUDIT"
    DONE = "DONE"


@dataclass(frozen=True)
class Standing:
    """What a round starts from.

    Attributes:
        pool: the images that need an answer, those of the random stream among them.
        labels: what is labelled.
        clusters: for seed pages, and the regions of the space.
        discovery: where the search for new classes stands.
        suspicious: labels to ask about again.
        without: parts of `PARTS` to leave out.
        families: the classes that have children.
        seeded: whether people are past the seed: the clusters only divide the space.
        alike: pairs of images that wait to be judged.
    """

    pool: Pool
    labels: Labels
    clusters: Clusters
    discovery: Discovery
    suspicious: Suspicious = field(default_factory=Suspicious)
    without: frozenset[str] = frozenset()
    seeded: bool = False
    families: Families = field(default_factory=Families)
    audited: Audited = field(default_factory=Audited)
    tried: bool = False
    alike: Alike = field(default_factory=Alike)

    @property
    def total(self) -> int:
        """Images of the collection, but those set aside."""
        return len(self.pool) + len(self.labels)

    @property
    def early(self) -> Early:
        """The part of the random stream that comes at once."""
        if "stream" in self.without:
            return Early()
        return early(np.concatenate([self.pool.rows, self.labels.rows]), tried=self.tried)


@dataclass(frozen=True)
class Round:
    """What a round came to.

    Attributes:
        phase: where the loop stands.
        pages: for the queue, highest score first.
        discovery: where the search for new classes stands.
    """

    phase: Phase
    pages: list[Draft]
    discovery: Discovery


def compose(standing: Standing, policy: Policy, asked: Asked) -> Round:
    """Make the pages of a round; what comes before what is decided in `scheduler`.

    First the seed: a page for each cluster nobody has answered. While many of those wait nothing else
    is offered. Then, below them, so that nobody waits for the last of them, everything else.
    """
    pool, stream = _apart(standing)
    seeds = []
    if not (standing.seeded and pool.model):
        seeds = cluster_pages.seed_pages(standing.clusters, pool, asked.page_size)[:_MOST_SEEDS]
    pages = scheduler.lifted(seeds, scheduler.SEED_SCORE)
    discovery = standing.discovery
    if not pool.model:
        if len(seeds) < _SEEDS_ENOUGH:
            pages += _without_a_head(standing.clusters, pool.without(_rows(pages)), stream, asked)
    elif len(seeds) < _SEEDS_ENOUGH:
        discovery, more = _below_seeds(standing, pool.without(_rows(pages)), stream, policy, asked)
        pages += more
    return Round(_phase(pages, bool(seeds) or not pool.model), pages, discovery)


def _apart(standing: Standing) -> tuple[Pool, Pool]:
    """The images that may be chosen, and those of the stream."""
    pool = standing.pool
    if "stream" in standing.without:
        return pool, pool.take(np.empty(0, np.int64))
    apart = in_stream(pool.rows, sample_share(standing.total))
    return pool.take(~apart), pool.take(apart)


def _without_a_head(clusters: Clusters, pool: Pool, stream: Pool, asked: Asked) -> list[Draft]:
    """Clusters; once there are none images of the stream, since those alone never give a head."""
    pages = cluster_pages.remaining_pages(clusters, pool, asked.page_size, asked.limit)
    if pages:
        return pages
    order = np.arange(len(stream))
    return single_pages(stream, order, np.zeros(len(order)), asked.page_size, asked.limit)


def _below_seeds(
    standing: Standing, pool: Pool, stream: Pool, policy: Policy, asked: Asked
) -> tuple[Discovery, list[Draft]]:
    """Where the search stands, and all pages but those of the seed, highest score first."""
    discovery, found, rare = standing.discovery, [], []
    if "discovery" not in standing.without:
        people = standing.labels.of_people()
        missing = max(0, standing.families.total - len(np.unique(people.class_ids)))
        discovery, page = discovering.look(discovery, pool, people, asked.page_size, missing)
        found = [page] if page else []
        rare = scheduler.rare_pages(pool.without(_rows(found)), people, asked)
    haste = _short_of_sample(standing)
    measured = _stream_pages(standing, stream, asked, haste)
    mending = mending_pages(pool.without(_rows([*found, *rare])), standing.audited, asked)
    left = pool.without(_rows([*found, *rare, *mending]))
    valued = _valued(standing, left, policy, asked)
    if valued and not haste:
        valued = riding(valued, [page for page in measured if is_few(page)], asked.page_size)
        measured = [page for page in measured if not is_few(page)]
    valued = scheduler.interspersed(valued, scheduler.worths(rare, pool, asked.costs), asked.random)
    pages = [
        *scheduler.lifted(found, scheduler.DISCOVERY_SCORE),
        *scheduler.lifted(measured, scheduler.STREAM_SCORE),
        *scheduler.lifted(mending, scheduler.MENDING_SCORE),
        *scheduler.falling(valued),
    ]
    shown = _shown(standing, pages, asked)
    return discovery, with_pairs(
        shown,
        standing.alike,
        standing.pool,
        standing.labels,
        asked.costs,
        below=scheduler.MENDING_SCORE,
    )


def _valued(standing: Standing, pool: Pool, policy: Policy, asked: Asked) -> list[Draft]:
    """What the policy chooses, pages of parents and labels that look wrong, by worth."""
    parents: list[Draft] = []
    left, spare = pool, 1
    if policy.kind is Kind.VERIFY:
        spare = _SPARE
        parents, left = parent_pages(pool, standing.families, asked)
    known = Known(left, standing.labels.of_people(), standing.clusters)
    chosen = policy.choose(known, replace(asked, limit=spare * asked.limit))
    chosen = scheduler.worths(chosen, pool, asked.costs)
    if parents:
        chosen = scheduler.merged(scheduler.falling(chosen), parents)
    chosen = regions.spread(chosen, pool, standing.clusters, asked.limit)
    if "cleaning" in standing.without:
        return chosen
    reviews = review_pages(standing.suspicious, asked.page_size, asked.costs)
    return scheduler.merged(scheduler.falling(chosen), reviews)[: asked.limit]


def _short_of_sample(standing: Standing) -> int:
    """How many images of the random sample must get a label before a backbone can be measured."""
    people = len(standing.labels.of_people())
    if "fine-tuning" in standing.without or not refining.worth_trying(people, standing.total):
        return 0
    at_once = standing.early
    return max(0, at_once.needed - int(at_once.within(standing.labels.rows).sum()))


def _stream_pages(standing: Standing, stream: Pool, asked: Asked, haste: int) -> list[Draft]:
    share = sample_share(standing.total)
    labelled = in_stream(standing.labels.rows, share)
    chosen = len(standing.pool) - len(stream)
    settled = len(labelled) - int(labelled.sum())
    done = settled / (settled + chosen) if settled + chosen else 1.0
    total = len(stream) + int(labelled.sum())
    wanted = due(stream.rows, total, done, standing.early, share)
    pages = stream_pages(stream.take(wanted), asked.page_size, asked.costs, haste=haste)
    return pages[: max(1, asked.limit // _STREAM_PART)]


def _shown(standing: Standing, pages: list[Draft], asked: Asked) -> list[Draft]:
    """The pages as people see them: alike beside alike, and some odd images planted."""
    arranged = [
        arrange(page, standing.pool) if page.kind in (Kind.VERIFY, Kind.AUDIT) else page
        for page in pages
    ]
    if "planting" in standing.without:
        return arranged
    return plant(
        arranged,
        standing.labels,
        doubtful(standing.suspicious, len(standing.labels)),
        standing.pool.vectors_of,
        asked.random,
        share=asked.planted_share,
        never=standing.families.beneath,
    )


def _rows(pages: list[Draft]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *(page.rows for page in pages)])


def _phase(made: list[Draft], seeding: bool) -> Phase:
    pages = [page for page in made if page.kind is not Kind.PAIR]
    if not pages:
        return Phase.DONE
    if seeding:
        return Phase.SEED
    return Phase.LEFTOVERS if scheduler.is_alone(pages) else Phase.VERIFY
