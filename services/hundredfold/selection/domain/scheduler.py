"""Where the next human minute goes: every page that could be shown has a worth, and the best come first.

The worth of a page is how many wrong labels of the complete labelling it is expected to put right in a
second of a person's time (`worth`). Pages of predicted classes, single images and reviews of labels that
look wrong are ordered by it, whatever made them. What worth can't say is said by rules, all of them here,
the strongest first:

1. Pages of an audit come before everything; labels queues those itself.
2. Seed pages, while the head does not know the classes: its probabilities mean nothing then.
3. The page that looks for classes nobody has named: its images are wrong under every class there is.
4. The random stream keeps pace with the rest (`stream`), so that there is always something to measure by;
   its few images of a class ride along on a page of that class.
5. Pages that put right what an audit is short of that did not pass (`mending`).
6. One page of sixteen, at random places of the queue, is of a class that has hardly any labels.
7. No region of the space has more than its part of the first pages (`regions`).
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain import worth
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked
from hundredfold.selection.domain.policies.predicted import verify_page
from hundredfold.selection.domain.pool import Labels, Pool

SEED_SCORE = 1e9
DISCOVERY_SCORE = 1e8
STREAM_SCORE = 1e7
MENDING_SCORE = 1e6
RARE = 8
"""A class with fewer labels is rare."""
_PLAUSIBLE = 0.25
RARE_EVERY = 16
"""Of so many pages one is of a rare class, if there is one."""


def lifted(pages: Sequence[Draft], score: float) -> list[Draft]:
    """The same pages in the same order, above all that is scored by worth and below the next rule."""
    return [replace(page, score=score + len(pages) - rank) for rank, page in enumerate(pages)]


def worths(pages: Sequence[Draft], pool: Pool, costs: CostModel) -> list[Draft]:
    """Pages of a policy with their worth as score, in the policy's order.

    A policy that does not order by worth keeps its order: its best page gets the highest worth that one of its
    pages has, and so on. So its pages and those of other origin can be ordered together.
    """
    values = sorted((worth.of_page(page, pool, costs) for page in pages), reverse=True)
    return [replace(page, score=value) for page, value in zip(pages, values, strict=True)]


def merged(first: Sequence[Draft], second: Sequence[Draft]) -> list[Draft]:
    """Two lists, each the best first, in one."""
    return sorted([*first, *second], key=lambda page: -page.score)


def rare_pages(pool: Pool, labels: Labels, asked: Asked) -> list[Draft]:
    """For each rare class the images that may well be of it, the surest, the rarest class first.

    At most one page of `RARE_EVERY` that are asked for.
    """
    classes, counts = np.unique(labels.class_ids, return_counts=True)
    rare = classes[counts < RARE][np.argsort(counts[counts < RARE], kind="stable")]
    pages: list[Draft] = []
    for class_id in rare:
        if len(pages) == -(-asked.limit // RARE_EVERY):
            break
        places = np.flatnonzero((pool.top == class_id) & (pool.probability >= _PLAUSIBLE))
        order = np.argsort(-pool.probability[places], kind="stable")[: asked.page_size]
        if len(places):
            pages.append(verify_page(pool, places[order], 0.0))
    return pages


def interspersed(
    pages: Sequence[Draft], rare: Sequence[Draft], random: np.random.Generator
) -> list[Draft]:
    """Put a page of a rare class at a random place of every `RARE_EVERY`."""
    mixed = list(pages)
    for number, page in enumerate(rare):
        mixed.insert(number * RARE_EVERY + int(random.integers(RARE_EVERY)), page)
    return mixed


def falling(pages: Sequence[Draft]) -> list[Draft]:
    """The same order, told by scores: one as high as a page's before it is lowered to just below that."""
    scores = accumulate(
        (page.score for page in pages),
        lambda before, score: min(score, math.nextafter(before, -math.inf)),
    )
    return [replace(page, score=score) for page, score in zip(pages, scores, strict=True)]


def is_alone(pages: Sequence[Draft]) -> bool:
    """Whether nothing but single images is left."""
    return all(page.kind is Kind.SINGLE for page in pages)
