"""Which images of a page there is still something to ask about, where an image may be of several classes."""

import numpy as np

from hundredfold.labels.domain.class_view import ClassView
from hundredfold.labels.domain.event import CERTIFIED, Verdict
from hundredfold.labels.domain.page import Mask, Page
from hundredfold.labels.domain.pair_fold import PairFold
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.domain.state import key_array


def still_open(fold: PairFold, page: Page, schema: Schema, audit_id: str) -> Mask:
    """Which images of a page are still to be shown: bool [n].

    On a page of a class those of which it is not known whether they are of it; on the page of a cluster
    those of which nothing was said.

    Args:
        fold: the labels.
        page: which.
        schema: for merged classes.
        audit_id: the audit that may still be answered; pages of others are over.
    """
    if page.audit_id not in ("", audit_id):
        return np.zeros(len(page.rows), np.bool_)
    if not page.class_id:
        nothing: Mask = fold.given_by_any(page.rows)[:, 1] == 0
        return nothing
    class_id = schema.in_use(page.class_id)
    if page.audit_id:
        # What a certificate says answers no audit.
        return ~ClassView(fold, class_id).by_people(page.rows)
    unknown: Mask = fold.known(key_array(page.rows, class_id)) == 0
    return unknown


def pickable(fold: PairFold, page: Page, schema: Schema, *, relabel: bool) -> Mask:
    """Which images of a page somebody may pick: bool [n].

    With a class those of which people have not said whether they are of it, or with `relabel` all; without one
    those of which nothing was said.
    """
    if not page.class_id:
        return still_open(fold, page, schema, "")
    known, origins = fold.about(page.rows, schema.in_use(page.class_id))
    open_: Mask = ~np.isin(known, (Verdict.IS, Verdict.IS_NOT)) | (origins == CERTIFIED)
    return open_ | relabel


def open_again(fold: PairFold, page: Page, schema: Schema, seq: int) -> Mask:
    """Which images of a page can be shown again when its event is taken back: bool [n]."""
    if not page.class_id:
        given = fold.given_by_any(page.rows)
        only_by_it: Mask = ((given == 0) | (given == seq)).all(1)
        return only_by_it
    by_it: Mask = fold.given_by(page.cells) == seq
    return by_it | still_open(fold, page, schema, page.audit_id)
