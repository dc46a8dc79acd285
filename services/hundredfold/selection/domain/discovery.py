"""Finding classes that nobody has named yet.

An image of a class without labels is taken for one class after another and kicked from each. So among
the images that were kicked twice such classes are frequent, and their images stand close together.
From time to time the densest group of them is shown as a cluster page: what are these? The next page
comes when there are twice as many such images; at once, if the last one named a class that had hardly
any labels. Measured (docs/adr/0007-the-loop.md): when the seed has missed a class this saves a fifth
of all human seconds, and it costs next to nothing when it has not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.pool import Labels, Pool

FIRST_AT = 16
_KICKS = 2
_GROUP = 24
_RARE = 8
_SMALLEST = 4
_SAMPLE = 1_000


@dataclass(frozen=True)
class Discovery:
    """Where the search stands.

    Attributes:
        rows: of the page that waits for an answer; empty when none does.
        kicks: how often each had been kicked when the page was made.
        next_at: make the next page once so many images are suspicious.
    """

    rows: tuple[int, ...] = ()
    kicks: tuple[int, ...] = ()
    next_at: int = FIRST_AT


def suspicious(pool: Pool) -> NDArray[np.bool_]:
    """Images kicked twice, or from every class there is: bool [m]."""
    return np.asarray((pool.kicks >= _KICKS) | ((pool.top == 0) & (pool.kicks > 0)), np.bool_)


def look(
    before: Discovery, pool: Pool, labels: Labels, page_size: int
) -> tuple[Discovery, Draft | None]:
    """Go on with the search.

    Args:
        before: where it stood.
        pool: with the guesses of a head.
        labels: what is labelled.
        page_size: most images of the page.

    Returns:
        Where it stands, and the page that waits for an answer.
    """
    waiting = _waiting(before, pool)
    if len(waiting) >= max(_SMALLEST, len(before.rows) / 2):
        return before, Draft(Kind.CLUSTER, waiting, 0.0)
    candidates = pool.only(suspicious(pool))
    if before.rows:
        found = _named_a_rare_class(before.rows, labels)
        before = Discovery(next_at=FIRST_AT if found else max(FIRST_AT, 2 * len(candidates)))
    if len(candidates) < before.next_at:
        return before, None
    group = _densest(candidates, min(_GROUP, page_size))
    after = Discovery(tuple(group.rows.tolist()), tuple(group.kicks.tolist()), before.next_at)
    return after, Draft(Kind.CLUSTER, group.rows, 0.0)


def _waiting(discovery: Discovery, pool: Pool) -> NDArray[np.int64]:
    """The rows of the page of which nobody has said anything since it was made."""
    rows = np.array(discovery.rows, np.int64)
    if not len(rows) or not len(pool):
        return rows[:0]
    place = np.minimum(np.searchsorted(pool.rows, rows), len(pool) - 1)
    there = pool.rows[place] == rows
    unsaid = there & (pool.kicks[place] == np.array(discovery.kicks, np.int32))
    return np.asarray(rows[unsaid], np.int64)


def _named_a_rare_class(rows: tuple[int, ...], labels: Labels) -> bool:
    """Whether most of the page got a class that had hardly any labels before."""
    named = labels.class_ids[np.isin(labels.rows, np.array(rows))]
    if not len(named):
        return False
    classes, counts = np.unique(named, return_counts=True)
    most = counts.argmax()
    return bool((labels.class_ids == classes[most]).sum() - counts[most] < _RARE)


def _densest(candidates: Pool, size: int) -> Pool:
    """The image whose nearest look-alikes are nearest, and they, in order of likeness."""
    some = candidates
    if len(candidates) > _SAMPLE:
        step = len(candidates) / _SAMPLE
        kept = np.zeros(len(candidates), bool)
        kept[(np.arange(_SAMPLE) * step).astype(np.int64)] = True
        some = candidates.only(kept)
    vectors = some.vectors_of(some.rows)
    likeness = vectors @ vectors.T
    near = max(2, min(size, len(some)) * 3 // 4)
    density = -np.sort(-likeness, axis=1)[:, 1:near].mean(1)
    order = np.argsort(-likeness[int(density.argmax())], kind="stable")[:size]
    # Boolean masks keep the order of rows, so the order of likeness is put in by hand.
    return Pool(
        some.rows[order],
        some.top[order],
        some.second[order],
        some.probability[order],
        some.margin[order],
        some.kicks[order],
        some.vectors_of,
        some.model,
    )
