"""Pages of pairs of images that look alike, where they are worth a person's seconds.

Who says that two images are the same picture saves one of them: it gets the label of the other. The worth of such
a page is that of any page (`worth`), wrong labels that need nobody any more in a second: of a pair of images that
both wait the one whose guess is likelier right, of one that waits beside a labelled one that one, times the
probability that the two are the same picture. A page of pairs is offered when the pages that would be shown
anyway are worth less, the least of them at least; so with a head that is mostly right there are none, and the
images that are left in the end, of which each costs a look of its own, get them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.alike import likely_same
from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.page import NO_PROBABILITY, NO_ROWS, Draft, Kind
from hundredfold.selection.domain.pool import Labels, Pool, places

PAGE_PAIRS = 12
"""Pairs on a page."""

MOST_PAGES = 2
"""Pages of pairs in a round: what is said of them shows in the groups of copies only when those are made anew."""

_SHIFT = 31


@dataclass(frozen=True)
class JudgedPairs:
    """What people say of pairs: rows and others int64 [n], whether they are sure, and said "same": bool [n]."""

    rows: NDArray[np.int64]
    others: NDArray[np.int64]
    sure: NDArray[np.bool_]
    same: NDArray[np.bool_]


@dataclass(frozen=True)
class Alike:
    """Pairs that wait to be judged: rows and others int64 [p], probability of the same picture float32 [p]."""

    rows: NDArray[np.int64] = field(default_factory=lambda: NO_ROWS)
    others: NDArray[np.int64] = field(default_factory=lambda: NO_ROWS)
    probability: NDArray[np.float32] = field(default_factory=lambda: NO_PROBABILITY)

    def __len__(self) -> int:
        return len(self.rows)


def waiting(pairs: NDArray[np.int64], distances: NDArray[np.uint8], judged: JudgedPairs) -> Alike:
    """The pairs of which nobody has said anything, and how likely they are the same picture.

    Args:
        pairs: int64 [p, 2], of a FindDuplicates run.
        distances: uint8 [p], bits between their hashes.
        judged: what people say.
    """
    keys, said = _keys(pairs[:, 0], pairs[:, 1]), _keys(judged.rows, judged.others)
    order = np.argsort(said)
    at = places(said[order], keys)
    known = at >= 0
    verdicts = order[at[known]]
    sure = judged.sure[verdicts]
    probability = likely_same(
        distances[~known], distances[known][sure], judged.same[verdicts][sure]
    )
    left = pairs[~known]
    return Alike(left[:, 0].copy(), left[:, 1].copy(), probability)


def with_pairs(
    pages: Sequence[Draft],
    alike: Alike,
    pool: Pool,
    labels: Labels,
    costs: CostModel,
    *,
    below: float,
) -> list[Draft]:
    """The pages of a round, best first, and those of pairs among them that are worth it.

    Args:
        pages: highest score first.
        alike: pairs that wait.
        pool: images that need an answer, with the guesses of a head.
        labels: what is labelled.
        costs: of a person's actions.
        below: scores from here on say something else than worth.
    """
    if not len(alike):
        return list(pages)
    usual = [page.score for page in pages if page.score < below]
    found = pair_pages(alike, pool, labels, costs)
    worth_it = [page for page in found if page.score > min(usual, default=0.0)]
    return sorted([*pages, *worth_it], key=lambda page: -page.score)


def pair_pages(alike: Alike, pool: Pool, labels: Labels, costs: CostModel) -> list[Draft]:
    """At most `MOST_PAGES` pages of the pairs that save most, with their worth as score."""
    saved = _saved(alike, pool, labels)
    order = np.argsort(-saved, kind="stable")
    order = order[saved[order] > 0][: MOST_PAGES * PAGE_PAIRS]
    return [
        _page(alike, saved, order[begin : begin + PAGE_PAIRS], costs)
        for begin in range(0, len(order), PAGE_PAIRS)
    ]


def _page(
    alike: Alike, saved: NDArray[np.float64], at: NDArray[np.int64], costs: CostModel
) -> Draft:
    # The surest first: alike beside alike is what the eye is quick with.
    at = at[np.argsort(-alike.probability[at], kind="stable")]
    probability = alike.probability[at]
    wrong = float(np.minimum(probability, 1 - probability).sum())
    seconds = costs.look(0) + len(at) * costs.compare_seconds + costs.expected_pick(len(at), wrong)
    page = Draft(Kind.PAIR, alike.rows[at], float(saved[at].sum()) / seconds)
    return replace(page, others=alike.others[at], probability=probability)


def _saved(alike: Alike, pool: Pool, labels: Labels) -> NDArray[np.float64]:
    """Wrong labels that need nobody any more if a pair is judged: float64 [p]."""
    left, left_waits, left_known = _standing(alike.rows, pool, labels)
    right, right_waits, right_known = _standing(alike.others, pool, labels)
    both = np.where(left_waits & right_waits, np.minimum(left, right), 0.0)
    one = np.where(left_waits & right_known, left, 0.0) + np.where(
        right_waits & left_known, right, 0.0
    )
    return np.asarray(alike.probability * (both + one))


def _standing(
    rows: NDArray[np.int64], pool: Pool, labels: Labels
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Of images [n] how likely their guess is wrong, whether they wait, and whether they are labelled."""
    at = places(pool.rows, rows)
    waits = at >= 0
    wrong = np.zeros(len(rows))
    wrong[waits] = 1 - pool.probability[at[waits]].astype(np.float64)
    return wrong, waits, places(labels.rows, rows) >= 0


def _keys(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each pair, whichever image is the left one."""
    return np.asarray((np.minimum(left, right) << _SHIFT) | np.maximum(left, right))
