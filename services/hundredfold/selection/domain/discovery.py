"""Finding classes that nobody has named yet.

An image of a class without labels is taken for one class after another and kicked from each. So among
the images that were kicked twice such classes are frequent; their images look like each other and
unlike anything labelled. From time to time the strangest group of them is shown as a cluster page:
what are these? The next page comes when there are 1.3 times as many such images; at once, if the last
one named a class that had hardly any labels. Measured (docs/adr/0007-the-loop.md): where the seed
missed a class this saved 12 to 45 % of all human seconds, and where it did not it cost nothing.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.pool import Labels, Pool

FIRST_AT = 16
_KICKS = 2
_GROWTH = 1.3
_GROUP = 20
_RARE = 8
_SMALLEST = 4
_SAMPLE = 1_000
_KNOWN_NEAR = 8
_APART_GROUP = 12
_APART = 2.0  # robust standard deviations, of the mean of a group
_MAD = 1.4826  # standard deviations of a normal variable in its median absolute deviation
_LABELS_GROWTH = 1.25


@dataclass(frozen=True)
class Discovery:
    """Where the search stands.

    Attributes:
        rows: of the page that waits for an answer; empty when none does.
        kicks: how often each had been kicked when the page was made.
        next_at: make the next page once so many images are suspicious.
        labels_at: look for images unlike all labels once there are so many of those.
    """

    rows: tuple[int, ...] = ()
    kicks: tuple[int, ...] = ()
    next_at: int = FIRST_AT
    labels_at: int = 0


def suspicious(pool: Pool) -> NDArray[np.bool_]:
    """Images kicked twice, or from every class there is: bool [m]."""
    return np.asarray((pool.kicks >= _KICKS) | ((pool.top == 0) & (pool.kicks > 0)), np.bool_)


def look(
    before: Discovery, pool: Pool, labels: Labels, page_size: int, missing: int = 0
) -> tuple[Discovery, Draft | None]:
    """Go on with the search.

    Args:
        before: where it stood.
        pool: with the guesses of a head.
        labels: what is labelled.
        page_size: most images of the page.
        missing: classes of the schema that have no label.

    Returns:
        Where it stands, and the page that waits for an answer.
    """
    waiting = _waiting(before, pool)
    if len(waiting) >= max(_SMALLEST, len(before.rows) / 2):
        return before, Draft(Kind.CLUSTER, waiting, 0.0)
    candidates = pool.take(suspicious(pool))
    if before.rows:
        before = _answered(before, labels, len(candidates))
    if missing and len(labels) >= before.labels_at:
        apart = _apart(pool, labels, min(_APART_GROUP, page_size))
        if len(apart):
            return _asking(before, apart)
        before = replace(before, labels_at=_later(len(labels)))
    if len(candidates) < before.next_at:
        return before, None
    return _asking(before, _strangest(candidates, labels, min(_GROUP, page_size)))


def _asking(before: Discovery, group: Pool) -> tuple[Discovery, Draft]:
    after = replace(before, rows=tuple(group.rows.tolist()), kicks=tuple(group.kicks.tolist()))
    return after, Draft(Kind.CLUSTER, group.rows, 0.0)


def _answered(before: Discovery, labels: Labels, candidates: int) -> Discovery:
    """When to look again, now that the page was answered: soon if it was worth it."""
    if _named_a_rare_class(before.rows, labels):
        return Discovery()
    return Discovery(
        next_at=max(FIRST_AT, round(_GROWTH * candidates)), labels_at=_later(len(labels))
    )


def _later(labels: int) -> int:
    return math.ceil(_LABELS_GROWTH * labels)


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


def _strangest(candidates: Pool, labels: Labels, size: int) -> Pool:
    """The image nearer to its look-alikes than to anything labelled, and they, in order of likeness."""
    some = candidates.take(_spread(len(candidates)))
    vectors = some.vectors_of(some.rows)
    known = some.vectors_of(labels.rows[_spread(len(labels.rows))])
    likeness = vectors @ vectors.T
    near = max(2, min(size, len(some)) * 3 // 4)
    strangeness = _nearest(likeness, near) - _nearest(vectors @ known.T, _KNOWN_NEAR)
    order = np.argsort(-likeness[int(strangeness.argmax())], kind="stable")[:size]
    return some.take(order)


def _apart(pool: Pool, labels: Labels, size: int) -> Pool:
    """Images nearer to one another than to any label, by more than is usual, in order of likeness; or none.

    As many of the pool as of the labels are compared with: what is more numerous is nearer.
    """
    some = pool.take(_spread(len(pool)))
    if min(len(some), len(labels)) <= size:
        return some.take(np.empty(0, np.int64))
    vectors = some.vectors_of(some.rows)
    known = some.vectors_of(labels.rows[_spread(len(labels), most=len(some))])
    others = _spread(len(some), most=len(known))
    likeness = vectors @ vectors.T
    near = likeness[:, others].copy()
    near[others, np.arange(len(others))] = -1  # none is near to itself
    apart = _nearest(near, _KNOWN_NEAR) - _nearest(vectors @ known.T, _KNOWN_NEAR)
    usual = float(np.median(apart))
    spread = _MAD * float(np.median(np.abs(apart - usual)))
    group = np.argsort(-likeness[int(apart.argmax())], kind="stable")[:size]
    if apart[group].mean() <= max(0.0, usual + _APART * spread):
        group = group[:0]
    return some.take(group)


def _nearest(likeness: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The mean likeness of each image to those that are nearest to it, 0 without any: float32 [n]."""
    if not likeness.shape[1]:
        return np.zeros(len(likeness), np.float32)
    return np.asarray(-np.sort(-likeness, axis=1)[:, :count].mean(1), np.float32)


def _spread(count: int, most: int = _SAMPLE) -> NDArray[np.int64]:
    """Places of at most so many, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)
