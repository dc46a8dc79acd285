"""Answers that come when their lease has run out: what of them still counts."""

from dataclasses import replace

import numpy as np

from hundredfold.labels.audits import Audits
from hundredfold.labels.domain.event import Judgement
from hundredfold.labels.domain.folds import AnyFold, pickable, still_open
from hundredfold.labels.domain.page import Lease, LeaseState, Mask, Page, PageKind
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.picking import asked_by_audit
from hundredfold.labels.store.writing import Writing


class Late:
    """Finds the images of an ended lease that nobody else has, or has answered. Safe for threads and replicas.

    A verdict is about one image: that somebody else answered for a few must not cost a person, whom the
    network kept away, the whole page.

    Args:
        ledger: of labels and leases.
        audits: what they wait for is left to them.
    """

    def __init__(self, ledger: Ledger, audits: Audits) -> None:
        self._ledger = ledger
        self._audits = audits

    def left(self, work: Writing, lease: Lease) -> Page | None:
        """The page of a lease with the images that are free; None when none is, or it did not run out."""
        if lease.state is not LeaseState.EXPIRED:
            return None
        page = lease.page.only(~work.taken(lease.page.cells))
        schema = self._ledger.catalog.schema(work.collection)
        with self._ledger.fold(work.collection, work) as fold:
            audit_id = self._audits.newest_id(work, fold)
            page = page.only(_open(fold, page, schema, audit_id))
        if not page.audit_id:
            page = page.only(~asked_by_audit(page, *self._audits.waiting_rows(work)))
        return page if page.asked.any() else None


def only(said: tuple[Judgement, ...], page: Page) -> tuple[Judgement, ...]:
    """What is said of the images, or the pairs, of a page."""
    asked = page.pairs if page.kind is PageKind.PAIR else page.rows
    kept = (each.only(np.isin(each.about, asked)) for each in said)
    return tuple(each for each in kept if each.rows.size)


def _open(fold: AnyFold, page: Page, schema: Schema, audit_id: str) -> Mask:
    """Which images of a page could be put before somebody now: bool [n]."""
    if page.own:
        return pickable(fold, page, schema, relabel=page.kind is PageKind.REVIEW)
    # Of a cluster half of which is answered the rest is not shown as one any more; here it was looked at already.
    return still_open(fold, replace(page, cluster=""), schema, audit_id)
