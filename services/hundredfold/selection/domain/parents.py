"""Pages that ask for a parent class first, where that saves more of people's seconds than it takes.

What an image will cost until it has a label, while n classes are possible and the likeliest has the
probability p, is the cheaper of two ways: its part of a page and, with 1 - p, a click and being asked
alone; or being asked alone at once. To be asked alone takes the longer the more there is to choose from:
log2(n + 1) times as long as yes and no (Hick 1952, "On the rate of gain of information"); the cost model
tells what it takes among all classes. Once an image is known to be of a parent, p grows and n shrinks.

docs/adr/0016-several-classes-an-image.md
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain import worth
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked
from hundredfold.selection.domain.pool import Pool

_LEAST = 8
"""Images of a page: fewer don't pay for a look of their own."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Families:
    """The classes that have children.

    Attributes:
        total: classes in use that have none.
        beneath: class with children -> how many of those are beneath it.
        parent_of: class in use -> its parent, of those that have one.
    """

    total: int = 0
    beneath: Mapping[int, int] = field(default_factory=dict)
    parent_of: Mapping[int, int] = field(default_factory=dict)


def families_of(parent_of: Mapping[int, int], in_use: list[int]) -> Families:
    """The families of the classes in use, by their parents."""
    ends = [each for each in in_use if each not in set(parent_of.values())]
    beneath: dict[int, int] = {}
    for end in ends:
        seen = {end}
        while (end := parent_of.get(end, 0)) and end not in seen:
            seen.add(end)
            beneath[end] = beneath.get(end, 0) + 1
    return Families(len(ends), beneath, parent_of)


def parent_pages(pool: Pool, families: Families, asked: Asked) -> tuple[list[Draft], Pool]:
    """The best pages of parents, and the images that are better asked about otherwise."""
    if not len(pool.parent) or not families.beneath:
        return [], pool
    places = np.flatnonzero(np.isin(pool.parent, list(families.beneath)))
    now, saved, price = _seconds(pool, places, families, asked)
    pays = saved > price
    places, settled = places[pays], ((1 - pool.probability[places]) * saved / now)[pays]
    drafts: list[Draft] = []
    taken: list[NDArray[np.int64]] = []
    for parent in np.unique(pool.parent[places]).tolist():
        of_parent = np.flatnonzero(pool.parent[places] == parent)
        order = of_parent[np.argsort(-pool.parent_probability[places[of_parent]], kind="stable")]
        for start in range(0, len(order), asked.page_size):
            some = order[start : start + asked.page_size]
            if len(some) >= min(_LEAST, asked.page_size):
                drafts.append(_page(pool, places[some], float(settled[some].sum()), asked.costs))
                taken.append(places[some])
    drafts.sort(key=lambda page: -page.score)
    left = np.ones(len(pool), np.bool_)
    left[np.concatenate([np.empty(0, np.int64), *taken])] = False
    return drafts[: asked.limit], pool.take(left)


def _seconds(
    pool: Pool, places: NDArray[np.int64], families: Families, asked: Asked
) -> tuple[Numbers, Numbers, Numbers]:
    """What images cost as it is, what of it a page of their parent is expected to save, and its price: [n]."""
    costs, parent = asked.costs, pool.parent[places]
    look = costs.look(asked.page_size) / asked.page_size
    sure = np.clip(pool.parent_probability[places].astype(np.float64), 1e-6, 1)
    likeliest = np.minimum(pool.probability[places], sure)
    inside = _looked_up(parent, families.beneath, 0)
    # What is known of a grandparent is not known here: as if it were, which saves less.
    above = _looked_up(parent, families.parent_of, 0).astype(np.int32)
    before = _looked_up(above, families.beneath, families.total)
    alone = _alone(before, families, costs)
    among_children = _alone(inside, families, costs)
    now = _cheapest(look, likeliest, alone, costs)
    yes = _cheapest(look, likeliest / sure, among_children, costs)
    no = _alone(np.maximum(before - inside, 0), families, costs)
    return now, now - sure * yes - (1 - sure) * no, look + (1 - sure) * costs.click_seconds


def _cheapest(look: float, likeliest: Numbers, alone: Numbers, costs: CostModel) -> Numbers:
    on_a_page = look + (1 - likeliest) * (costs.click_seconds + alone)
    return np.maximum(np.minimum(on_a_page, alone), 1e-9)


def _alone(classes: Numbers, families: Families, costs: CostModel) -> Numbers:
    """Seconds to choose among so many classes."""
    share = np.log2(classes + 1) / np.log2(families.total + 1)
    return np.asarray(costs.single_seconds * share, np.float64)


def _looked_up(class_ids: NDArray[np.int32], table: Mapping[int, int], default: int) -> Numbers:
    kinds, kind = np.unique(class_ids, return_inverse=True)
    values = [table.get(each, default) for each in kinds.tolist()]
    return np.array(values, np.float64)[kind]


def _page(pool: Pool, places: NDArray[np.int64], settled: float, costs: CostModel) -> Draft:
    """A page of a parent: it settles a part of what puts so many wrong guesses right."""
    sure = pool.parent_probability[places]
    odd = float((1 - sure.astype(np.float64)).sum())
    seconds = np.array(costs.expected_confirm(len(places), odd))
    return Draft(
        Kind.VERIFY,
        pool.rows[places],
        float(worth.rate(np.array(settled), seconds)),
        int(pool.parent[places[0]]),
        pool.top[places],
        sure,
    )
