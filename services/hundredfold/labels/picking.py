"""Pages of images that a person picked himself."""

from dataclasses import dataclass, replace

import numpy as np

from hundredfold.labels.audits import Audits
from hundredfold.labels.domain.folds import pickable
from hundredfold.labels.domain.page import Lease, Mask, Page, PageKind, Rows, cells
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.store.writing import Writing


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """What a person picked.

    Attributes:
        request_id: a UUID.
        rows: int64 [n], each once, in the order they are shown.
        class_id: what they are thought to be; 0 = nothing.
        relabel: whether labels of `class_id` are to be looked at again.
    """

    request_id: str
    rows: Rows
    class_id: int
    relabel: bool


class Picking:
    """Leases images that a person picked. Safe for threads and replicas; the queue has no part in it.

    Args:
        ledger: of labels and leases.
        audits: what they wait for is left to them.
    """

    def __init__(self, ledger: Ledger, audits: Audits) -> None:
        self._ledger = ledger
        self._audits = audits

    def lease(
        self, collection: str, annotator: str, picked: Picked, ttl_seconds: float
    ) -> Lease | None:
        """Lease what of it is free as one page; None when nothing is.

        The same again while the lease holds or when it was answered, so that an answer can be sent again.
        """
        schema = self._ledger.catalog.schema(collection)
        rows = self._representatives(collection, picked.rows)
        page = _page(replace(picked, rows=rows), schema)
        with self._ledger.fold(collection):
            pass  # most of the catching up, before others are kept out
        audited, audited_class = self._audits.open_rows(collection)
        page = page.only(~asked_by_audit(page, audited, audited_class))
        with self._ledger.writing(collection) as work:
            if before := work.lease_of(page.page_id, annotator):
                return before
            left = self._free(work, page, schema, relabel=picked.relabel)
            return work.lease(left, annotator, ttl_seconds) if left.rows.size else None

    def _free(self, work: Writing, page: Page, schema: Schema, *, relabel: bool) -> Page:
        page = page.only(~work.taken(page.cells))
        with self._ledger.fold(work.collection, work) as fold:
            return page.only(pickable(fold, page, schema, relabel=relabel))

    def _representatives(self, collection: str, rows: Rows) -> Rows:
        """What the labels of rows [n] are kept on: int64 [k], each once, in their order; broken images left out."""
        copies = self._ledger.copies(collection)
        if copies is None:
            return rows
        found = copies.of(rows)
        found = found[found >= 0]
        return found[np.sort(np.unique(found, return_index=True)[1])]


def _page(picked: Picked, schema: Schema) -> Page:
    again = picked.relabel and not schema.several
    return Page(
        page_id=f"picked-{picked.request_id}",
        kind=PageKind.REVIEW if again else PageKind.PICKED,
        rows=picked.rows,
        class_id=picked.class_id,
        several=schema.several,
        own=True,
    )


def asked_by_audit(page: Page, audited: Rows, audited_class: int) -> Mask:
    """Which images of a page wait for an answer of an open audit: bool [n]; pairs wait for none."""
    if page.kind is PageKind.PAIR:
        return np.zeros(len(page.rows), np.bool_)
    if not page.several or not page.class_id:
        return np.isin(page.rows, audited)
    return np.isin(page.cells, cells(audited, audited_class))
