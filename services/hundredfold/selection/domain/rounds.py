"""One round: from what is known to the pages that wait in the queue."""

import enum
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain import clusters as cluster_pages
from hundredfold.selection.domain import discovery as discovering
from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.discovery import Discovery
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies import Asked, Policy
from hundredfold.selection.domain.pool import Labels, Pool

# Scores of policies are below these by orders of magnitude.
_SEED_SCORE = 1e6
_DISCOVERY_SCORE = 1e5
_MOST_SEEDS = 128
_SEEDS_ENOUGH = 16


class Phase(enum.StrEnum):
    """Where a loop stands."""

    PREPARING = "PREPARING"
    SEED = "SEED"
    VERIFY = "VERIFY"
    LEFTOVERS = "LEFTOVERS"
    DONE = "DONE"


@dataclass(frozen=True)
class Standing:
    """What a round starts from.

    Attributes:
        pool: the images that need an answer.
        labels: what is labelled.
        clusters: for seed pages.
        discovery: where the search for new classes stands.
    """

    pool: Pool
    labels: Labels
    clusters: Clusters
    discovery: Discovery


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
    """Make the pages of a round.

    First the seed: a page for each cluster nobody has answered. While many of those wait nothing else
    is offered. Then, below them, so that nobody waits for the last of them, what the policy chooses,
    and now and then a page that looks for classes nobody has named.
    """
    pool, discovery = standing.pool, standing.discovery
    if not len(pool):
        return Round(Phase.DONE, [], discovery)
    seeds = cluster_pages.seed_pages(standing.clusters, pool, asked.page_size)[:_MOST_SEEDS]
    pages = [replace(page, score=_SEED_SCORE + page.score) for page in seeds]
    if not pool.model:
        rest = pool.without(_rows(pages))
        more = cluster_pages.remaining_pages(standing.clusters, rest, asked.page_size, asked.limit)
        return Round(Phase.SEED, pages + (more if len(pages) < _SEEDS_ENOUGH else []), discovery)
    if len(pages) < _SEEDS_ENOUGH:
        pool = pool.without(_rows(pages))
        discovery, page = discovering.look(discovery, pool, standing.labels, asked.page_size)
        chosen = [replace(page, score=_DISCOVERY_SCORE)] if page else []
        pages += chosen + policy(pool.without(_rows(chosen)), asked)
    return Round(_phase(seeds, pages), pages, discovery)


def _rows(pages: list[Draft]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *(page.rows for page in pages)])


def _phase(seeds: list[Draft], pages: list[Draft]) -> Phase:
    if seeds:
        return Phase.SEED
    alone = all(page.kind is Kind.SINGLE for page in pages)
    return Phase.LEFTOVERS if alone else Phase.VERIFY
