"""Handing out pages: the queue, leases, their end, and the proof that no image is lost between them."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from hundredfold.chassis.errors import ServiceError, Unavailable
from hundredfold.labels.answers import Asker
from hundredfold.labels.audits import Audits
from hundredfold.labels.domain.asking import knows_classes
from hundredfold.labels.domain.audit_pages import SCORE
from hundredfold.labels.domain.folds import AnyFold, progress, still_open
from hundredfold.labels.domain.page import NO_ROWS, Lease, LeaseState, Page
from hundredfold.labels.domain.progress import Outside, Progress
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.pairing import left_to_judge
from hundredfold.labels.store.catalog import Alike
from hundredfold.labels.store.queue import Queue
from hundredfold.labels.store.reading import Reading

FORGET_SECONDS = 7 * 86_400.0
"""How long after its end a lease is still known, so that a late answer can be taken, or is told what became of it."""

_log = logging.getLogger("hundredfold.labels.leasing")


@dataclass(frozen=True, slots=True)
class Healed:
    """What a reconciliation found.

    Attributes:
        progress: after healing.
        expired: leases that had run out.
        dropped: waiting pages of which nothing was left to label.
    """

    progress: Progress
    expired: int
    dropped: int


class Leasing:
    """Pages from the queue to people and back. Safe for threads and replicas.

    Leases are in the record store, in one transaction with the events: who answers is checked there, and
    there no image can be in two leases. The queue only says what could be leased next.

    The pages of an open audit follow from the ledger: those that are missing are put into the queue
    again, whatever took them out.
    """

    def __init__(self, ledger: Ledger, queue: Queue, audits: Audits) -> None:
        self._ledger = ledger
        self._audits = audits
        self._records = ledger.records
        self._queue = queue

    def offer(self, collection: str, pages: Sequence[Page], *, replace: bool, total: int) -> int:
        """Put pages into the queue; returns how many wait then.

        Args:
            collection: whose.
            pages: checked by `rules.page`.
            replace: take all others out of the queue, but those of an open audit.
            total: the images there are to label; 0 = as told before.

        Raises:
            Unavailable: the queue is away.
            ResourceExhausted: too many would wait.
        """
        waiting = self._queue.offer(collection, pages, replace=replace)
        waiting += self.restore(collection)
        if total and total != self._total(collection):
            with self._ledger.writing(collection) as work:
                work.set_total(total)
        return waiting

    def lease(self, collection: str, annotator: str, limit: int, ttl_seconds: float) -> list[Lease]:
        """Lease at most so many pages, the highest score first.

        Raises:
            Unavailable: the queue is away.
        """
        with self._records.reading(collection) as reading:
            last = reading.given_back(annotator)
            with self._ledger.fold(collection, reading):
                pass  # most of the catching up, before others are kept out
        self.restore(collection)
        leases: list[Lease] = []
        while len(leases) < limit:
            pages = self._queue.take(collection, limit - len(leases), last)
            if not pages:
                break
            leases += self._lease_all(collection, pages, annotator, ttl_seconds)
        return leases

    def show_audit(self, collection: str) -> None:
        """Put the pages of an audit that was just drawn into the queue, or leave it to the next lease."""
        with suppress(Unavailable):
            self.restore(collection)

    def restore(self, collection: str) -> int:
        """Put the pages of an open audit into the queue that are in no lease and do not wait; returns how many.

        Raises:
            Unavailable: the queue is away.
        """
        with self._records.reading(collection) as reading:
            pages = self._audits.pages(reading)
        if not pages:
            return 0
        there = self._queue.waiting_at(collection, SCORE)
        missing = [page for page in pages if page.page_id not in there]
        self._queue.give_back(collection, missing)
        for page in pages:
            # Some of its images were in a lease when it was put in.
            if there.get(page.page_id, len(page.rows)) < len(page.rows):
                self._queue.exchange(collection, page)
        return len(missing)

    def renew(
        self, collection: str, asker: Asker, tokens: Sequence[int], ttl_seconds: float
    ) -> tuple[list[int], float]:
        """Prolong leases of the asker; returns the tokens that hold, and until when (Unix seconds)."""
        with self._ledger.writing(collection) as work:
            held = [each.token for each in work.active_leases(tokens) if asker.owns(each)]
            expires_at = work.now + ttl_seconds
            work.renew(held, expires_at)
        return held, expires_at

    def release(self, collection: str, asker: Asker, tokens: Sequence[int]) -> None:
        """End leases of the asker; their pages go back to the queue, or to the pool while it is away."""
        with self._ledger.writing(collection) as work:
            held = [each for each in work.active_leases(tokens) if asker.owns(each)]
            work.end_leases([each.token for each in held], LeaseState.RELEASED)
        with suppress(Unavailable):
            self._give_back(collection, held)

    def sweep(self) -> int:
        """End the leases that ran out, in all collections; returns how many.

        While the queue is away none is ended: nobody could lease their pages, but who holds one may
        still answer it.
        """
        return sum(self.expire(collection) for collection in self._records.overdue())

    def expire(self, collection: str) -> int:
        """End the leases of a collection that ran out; see `sweep`.

        Raises:
            Unavailable: the queue is away.
        """
        self._queue.ping()
        with self._ledger.writing(collection) as work:
            ended = work.active_leases(expired=True)
            work.end_leases([each.token for each in ended], LeaseState.EXPIRED)
            work.forget_leases(work.now - FORGET_SECONDS)
        self._give_back(collection, ended)
        return len(ended)

    def progress(self, collection: str) -> Progress:
        """How far the work is; nothing is `ready` while the queue is away. Pairs count apart."""
        ready_pages, ready = 0, NO_ROWS
        with suppress(Unavailable):
            ready_pages, ready = self._queue.rows(collection)
        schema = self._ledger.catalog.schema(collection)
        self._use_copies(collection)
        with self._records.reading(collection) as reading:
            leased = reading.leased()
            # Cells of pairs are negative.
            outside = Outside(reading.total(), leased[leased >= 0], ready[ready >= 0], ready_pages)
            alike = self._alike(collection)
            with self._ledger.fold(collection, reading) as fold:
                return replace(
                    progress(fold, outside, schema, reading.now),
                    pairs_judged=len(fold.likeness.table()),
                    pairs_open=int(left_to_judge(alike, fold.likeness).sum()) if alike else 0,
                    pair_seconds=fold.pair_microseconds / 1e6,
                )

    def reconcile(self, collection: str) -> Healed:
        """Heal the queue and the leases, and count every image once.

        Raises:
            Unavailable: the queue is away.
        """
        expired = self.expire(collection)
        with self._ledger.writing(collection) as work:
            freed = work.free_stale_rows()
        if freed:
            _log.warning("%d rows of %s were leased without a lease", freed, collection)
        self._ledger.tell_pairs(collection)
        self._queue.tidy(collection)
        # First, so that its images are left out of other pages.
        self.restore(collection)
        dropped = self._trim_all(collection)
        return Healed(self.progress(collection), expired, dropped)

    def reconcile_all(self) -> None:
        """Reconcile every collection that has a ledger; one that can't be does not stop the others."""
        for collection in self._records.collections():
            try:
                self.reconcile(collection)
            except ServiceError as error:
                _log.warning("%s is not reconciled: %s", collection, error.message)

    def _use_copies(self, collection: str) -> None:
        try:
            self._ledger.copies(collection)
        except ServiceError as error:
            # What another service keeps must not hide how far the labels are.
            _log.warning("copies of %s are not counted: %s", collection, error.message)

    def _alike(self, collection: str) -> Alike | None:
        try:
            return self._ledger.catalog.alike(collection)
        except ServiceError as error:
            # As with copies.
            _log.warning("pairs of %s are not counted: %s", collection, error.message)
            return None

    def _total(self, collection: str) -> int:
        with self._records.reading(collection) as reading:
            return reading.total()

    def _lease_all(
        self, collection: str, pages: Sequence[Page], annotator: str, ttl_seconds: float
    ) -> list[Lease]:
        try:
            with self._ledger.writing(collection) as work:
                return [
                    work.lease(left, annotator, ttl_seconds)
                    for page in pages
                    if (left := self._left(work, page)).rows.size
                ]
        except Exception:
            with suppress(Unavailable):
                self._queue.give_back(collection, pages)
            raise

    def _left(self, work: Reading, page: Page) -> Page:
        """A page with the images that are to be labelled and are in no lease."""
        schema = self._schema(work.collection, page)
        with self._ledger.fold(work.collection, work) as fold:
            return self._asking(work, fold, page.only(~work.taken(page.cells)), schema)

    def _asking(self, work: Reading, fold: AnyFold, page: Page, schema: Schema) -> Page:
        """A page with the images there is still something to ask about."""
        audit_id = self._audits.newest_id(work, fold) if page.audit_id else ""
        return page.only(still_open(fold, page, schema, audit_id))

    def _schema(self, collection: str, page: Page) -> Schema:
        catalog = self._ledger.catalog
        return catalog.schema(collection) if knows_classes(page) else catalog.recent(collection)

    def _give_back(self, collection: str, ended: Sequence[Lease]) -> None:
        queued = [each.page for each in ended if not each.page.own]
        pages = [(page, self._schema(collection, page)) for page in queued]
        with (
            self._records.reading(collection) as reading,
            self._ledger.fold(collection, reading) as fold,
        ):
            left = [self._asking(reading, fold, *each) for each in pages]
        self._queue.give_back(collection, [page for page in left if page.rows.size])

    def _trim_all(self, collection: str) -> int:
        """Take out of waiting pages what is done, leased or on a better page; returns how many had nothing left."""
        seen: set[int] = set()
        dropped = 0
        for page in self._queue.waiting(collection):
            with self._records.reading(collection) as reading:
                left = self._left(reading, page)
            cells = left.cells.tolist()
            left = left.only(np.array([each not in seen for each in cells], np.bool_))
            seen.update(cells)
            if not left.asked.any():
                self._queue.drop(collection, page.page_id)
                dropped += 1
            elif left is not page:
                self._queue.exchange(collection, left)
        return dropped
