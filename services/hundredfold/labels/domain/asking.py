"""Which images of a page there is still something to ask about."""

import numpy as np

from hundredfold.labels.domain.event import CERTIFIED
from hundredfold.labels.domain.fold import Fold
from hundredfold.labels.domain.page import Mask, Page, PageKind, Rows
from hundredfold.labels.domain.schema import Schema


def knows_classes(page: Page) -> bool:
    """Whether it depends on merged classes what of a page is open."""
    return page.kind is PageKind.REVIEW or page.planted.size > 0


def still_open(fold: Fold, page: Page, schema: Schema, audit_id: str) -> Mask:
    """Which images of a page are still to be shown: bool [n].

    Planted images stay while they have another label than the page's class, and something beside them
    is asked.

    Args:
        fold: the labels.
        page: which.
        schema: for merged classes and their parents.
        audit_id: the audit that may still be answered; pages of others are over.
    """
    asked = page.asked
    left = np.where(asked, _open(fold, page, schema, audit_id), _odd(fold, page, schema))
    return left & bool((left & asked).any())


def open_again(fold: Fold, page: Page, schema: Schema, seq: int) -> Mask:
    """Which images of a page can be shown again when its event is taken back: bool [n]."""
    given = fold.given_by(page.rows) == seq
    free = given | ~fold.done(page.rows)
    if page.kind in (PageKind.AUDIT, PageKind.PICKED):
        free |= ~fold.by_people(page.rows)
    if page.kind is PageKind.REVIEW:
        free |= _to_review(fold, page, schema)
    asked = page.asked
    left = np.where(asked, free, _odd(fold, page, schema))
    return left & bool((left & asked).any())


def pickable(fold: Fold, page: Page, schema: Schema, *, relabel: bool) -> Mask:
    """Which images of a page somebody may pick: bool [n].

    Those that people have not labelled: who picks an image that was set aside knows it. Or, to look at them again,
    those that people labelled as the class of the page.
    """
    rows = page.rows
    if not relabel:
        return ~((fold.class_of(rows) > 0) & fold.by_people(rows))
    named = labels_named(fold, rows, page.class_id, schema)
    found: Mask = np.isin(rows, np.concatenate([np.empty(0, np.int64), *named.values()]))
    return found & fold.by_people(rows)


def labels_named(fold: Fold, rows: Rows, class_id: int, schema: Schema) -> dict[int, Rows]:
    """Rows that have a label that is `class_id` by now, by the class they were given then."""
    given = fold.class_of(rows)
    meant = schema.in_use(class_id)
    classes = [
        each for each in np.unique(given[given > 0]).tolist() if schema.in_use(each) == meant
    ]
    return {each: rows[given == each] for each in classes}


def _open(fold: Fold, page: Page, schema: Schema, audit_id: str) -> Mask:
    rows = page.rows
    if page.kind is PageKind.REVIEW:
        return _to_review(fold, page, schema)
    if page.audit_id:
        # What a certificate labelled meanwhile still answers no audit.
        unknown: Mask = ~fold.by_people(rows) & ~fold.refused(rows, page.class_id)
        over: Mask = np.zeros(len(rows), np.bool_)
        return unknown if page.audit_id == audit_id else over
    left = ~fold.done(rows)
    if page.kind in (PageKind.VERIFY, PageKind.AUDIT):
        left &= _may_be(fold, rows, page.class_id, schema)
    if page.cluster and page.kind is PageKind.CLUSTER and _was_answered(fold, rows, left):
        return np.zeros(len(rows), np.bool_)
    return left


def _was_answered(fold: Fold, rows: Rows, left: Mask) -> bool:
    """Whether people have said something of half of a cluster's images: what they kicked is no cluster any more.

    The queue may hold the page of a cluster that somebody is about to answer a second time, from a round that
    did not know it.
    """
    said = ~left | fold.kicked(rows)
    return 2 * int(said.sum()) >= len(rows)


def _may_be(fold: Fold, rows: Rows, class_id: int, schema: Schema) -> Mask:
    """Which rows may be of a class, as far as is known, and are not known to be of it already."""
    above = schema.above(class_id)
    refused: Mask = np.zeros(len(rows), np.bool_)
    for each in (class_id, *above):
        refused |= fold.refused(rows, each)
    within = schema.resolve(fold.within(rows))
    return ~refused & np.isin(within, [0, *above])


def _to_review(fold: Fold, page: Page, schema: Schema) -> Mask:
    """Which images have the label that is in doubt, from people, and nobody has confirmed it."""
    named = labels_named(fold, page.rows, page.class_id, schema)
    origin = fold.origin_of(page.rows)
    found: Mask = np.isin(page.rows, np.concatenate([np.empty(0, np.int64), *named.values()]))
    return found & ~np.isin(origin, (PageKind.REVIEW, CERTIFIED))


def _odd(fold: Fold, page: Page, schema: Schema) -> Mask:
    """Which images are known, from people, to be of another class than the page's."""
    named = labels_named(fold, page.rows, page.class_id, schema)
    same = np.isin(page.rows, np.concatenate([np.empty(0, np.int64), *named.values()]))
    other: Mask = (fold.class_of(page.rows) > 0) & ~same
    return other & fold.by_people(page.rows)
