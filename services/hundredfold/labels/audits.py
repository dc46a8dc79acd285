"""The audits of each collection, as ledger and labels have them now."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace

import numpy as np

from hundredfold.labels.domain.audit import Audit, AuditState, Drawn, Mended, Plan, Proof, certified
from hundredfold.labels.domain.audit_pages import pages
from hundredfold.labels.domain.event import EventKind
from hundredfold.labels.domain.folding import Folding
from hundredfold.labels.domain.folds import AnyFold, audited
from hundredfold.labels.domain.page import NO_ROWS, Mask, Page, Rows, cells
from hundredfold.labels.domain.proving import mended, outcome, people_of, prove, state_of
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.store.audits import AuditStore, Population
from hundredfold.labels.store.reading import Reading

_MOST_DRAWN = 16


@dataclass
class _Known:
    """The AUDIT and CERTIFICATE events of one collection up to `seq`, without their labels."""

    seq: int = 0
    plans: dict[int, Plan] = field(default_factory=dict)
    proofs: dict[int, tuple[str, Proof]] = field(default_factory=dict)

    def newest(self, class_id: int) -> int:
        """The newest audit of a class by itself, or of all with 0: more is not kept in mind."""
        return max(seq for seq, plan in self.plans.items() if plan.class_id == class_id)


class Audits:
    """Reads audits. Safe for threads.

    What a person said of a sample is read off the labels, so that undo, imports and a restart need no
    code of their own.

    Args:
        ledger: events and labels.
        store: what was drawn.
    """

    def __init__(self, ledger: Ledger, store: AuditStore) -> None:
        self._ledger = ledger
        self._store = store
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._drawn: OrderedDict[tuple[str, str], Drawn] = OrderedDict()
        self._populations: dict[tuple[str, int], tuple[str, Population]] = {}

    def plans(self, work: Reading) -> dict[int, Plan]:
        """All audits there ever were, by the seq of their events, ascending."""
        return dict(self._read(work).plans)

    def newest_id(self, work: Reading, fold: Folding) -> str:
        """The audit that may still be answered; "" when there is none."""
        known = self._read(work)
        seq = max(known.plans, default=0)
        if not seq or not fold.standing.counts(seq, EventKind.AUDIT):
            return ""
        audit_id = known.plans[seq].audit_id
        return "" if self._certificate(known, fold, audit_id) else audit_id

    def newest_first(self, work: Reading, before: int, limit: int) -> list[Audit]:
        """At most so many audits, the newest first, with 0 from the newest, else those before a seq."""
        known, schema = self._read(work), self._ledger.catalog.schema(work.collection)
        seqs = sorted((s for s in known.plans if not before or s < before), reverse=True)[:limit]
        if not seqs:
            return []
        with self._ledger.fold(work.collection, work) as fold:
            return [self._audit(work, fold, schema, known, seq) for seq in seqs]

    def find(self, work: Reading, audit_id: str) -> Audit | None:
        """One audit, with an empty id the newest; None when there is none."""
        known = self._read(work)
        seqs = [s for s, plan in known.plans.items() if audit_id in ("", plan.audit_id)]
        if not seqs:
            return None
        schema = self._ledger.catalog.schema(work.collection)
        with self._ledger.fold(work.collection, work) as fold:
            return self._audit(work, fold, schema, known, max(seqs))

    def open_rows(self, collection: str) -> tuple[Rows, int]:
        """Images of the sample of an open audit that wait for an answer, int64 [n], ascending, and its class, or 0."""
        with self._ledger.records.reading(collection) as reading:
            return self.waiting_rows(reading)

    def waiting_rows(self, work: Reading) -> tuple[Rows, int]:
        """The same within a transaction."""
        found = self._waiting(work)
        if found is None:
            return NO_ROWS, 0
        plan, drawn, waiting = found
        return drawn.rows[waiting], plan.class_id

    def pages(self, work: Reading) -> list[Page]:
        """The pages of an open audit, with the images that wait for an answer and are in no lease."""
        found = self._waiting(work)
        if found is None:
            return []
        plan, drawn, waiting = found
        free = waiting & ~np.isin(cells(drawn.rows, plan.class_id), work.leased())
        return pages(plan, drawn, free, self._ledger.catalog.schema(work.collection))

    def _waiting(self, work: Reading) -> tuple[Plan, Drawn, Mask] | None:
        """The audit that may still be answered, its sample, and which of it wait for an answer."""
        known = self._read(work)
        if not known.plans:
            return None
        plan = known.plans[max(known.plans)]
        schema = self._ledger.catalog.schema(work.collection)
        with self._ledger.fold(work.collection, work) as fold:
            if self.newest_id(work, fold) != plan.audit_id:
                return None
            drawn = self._sample(work.collection, plan.audit_id)
            seen = audited(fold, plan.class_id, schema)
            found = outcome(seen, schema, drawn)
            # A later stage is asked about when those before are answered and have not decided.
            begun = drawn.first(prove(plan, drawn, found, people_of(seen), Mended()).sample)
            return plan, drawn, begun & ~found.answered

    def _audit(
        self, work: Reading, fold: AnyFold, schema: Schema, known: _Known, seq: int
    ) -> Audit:
        plan = known.plans[seq]
        at = self._certificate(known, fold, plan.audit_id)
        drawn = self._sample(work.collection, plan.audit_id)
        seen, since = audited(fold, plan.class_id, schema), Mended()
        if not at and seq == known.newest(plan.class_id):
            population = self._population(work.collection, plan)
            since = mended(seen, schema, population.rows, population.class_ids)
        proof = prove(plan, drawn, outcome(seen, schema, drawn), people_of(seen), since)
        audit = Audit(plan, state_of(plan, proof), proof, seq)
        if at:
            return certified(audit, known.proofs[at][1], at)
        left = any(plan.audit_id == other.abandons for other in known.plans.values())
        replaced = audit.state is AuditState.OPEN and seq != max(known.plans)
        if left or replaced or not fold.standing.counts(seq, EventKind.AUDIT):
            return replace(audit, state=AuditState.ABANDONED)
        return audit

    def _certificate(self, known: _Known, fold: Folding, audit_id: str) -> int:
        """The newest certificate of an audit that counts; 0 for none."""
        stands = fold.standing
        return max(
            (
                seq
                for seq, (of, _) in known.proofs.items()
                if of == audit_id and stands.counts(seq, EventKind.CERTIFICATE)
            ),
            default=0,
        )

    def _read(self, work: Reading) -> _Known:
        with self._lock:
            known = self._known.setdefault(work.collection, _Known())
            for event in work.audits(known.seq):
                known.seq = event.seq
                if event.kind is EventKind.AUDIT:
                    known.plans[event.seq] = Plan.of(event.details)
                else:
                    details = dict(event.details)
                    known.proofs[event.seq] = str(details.pop("audit_id")), Proof.of(details)
            return known

    def _population(self, collection: str, plan: Plan) -> Population:
        """What the newest audit of a collection, or of a class of it, was drawn from."""
        of = collection, plan.class_id
        with self._lock:
            kept = self._populations.get(of)
        if kept is None or kept[0] != plan.audit_id:
            kept = plan.audit_id, self._store.population(collection, plan.audit_id)
            with self._lock:
                self._populations[of] = kept
        return kept[1]

    def _sample(self, collection: str, audit_id: str) -> Drawn:
        with self._lock:
            drawn = self._drawn.pop((collection, audit_id), None)
        if drawn is None:
            drawn = self._store.drawn(collection, audit_id)
        with self._lock:
            self._drawn[collection, audit_id] = drawn
            while len(self._drawn) > _MOST_DRAWN:
                self._drawn.popitem(last=False)
        return drawn
