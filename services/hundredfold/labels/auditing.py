"""Drawing audits and writing certificates."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hundredfold.chassis.errors import Aborted, Conflict, InvalidArgument, NotFound
from hundredfold.chassis.holdout import in_stream, sample_share
from hundredfold.chassis.storage.collections import several_classes
from hundredfold.labels.answers import Asker, replayed
from hundredfold.labels.audits import Audits
from hundredfold.labels.domain.audit import Audit, AuditState, Plan
from hundredfold.labels.domain.class_view import NOT, ClassView
from hundredfold.labels.domain.event import Draft, EventKind, Judgement, Verdict, labels_by_class
from hundredfold.labels.domain.fold import Fold
from hundredfold.labels.domain.folds import audited
from hundredfold.labels.domain.page import Ids, Mask, Rows
from hundredfold.labels.domain.proving import people_of
from hundredfold.labels.drawing import Scene, Wanted, draw
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.store.audits import AuditStore, Population
from hundredfold.labels.store.codec import body_digest
from hundredfold.labels.store.reading import Reading
from hundredfold.labels.store.writing import Writing

_TRIES = 3
_SAME_ERROR = 1e-6


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate: its event, how many images it labelled, and the audit with it."""

    seq: int
    labelled: int
    audit: Audit


class Auditor:
    """Starts audits and certifies them. Each write is done once per request_id.

    Args:
        ledger: to write to.
        audits: to read from.
        store: of what is drawn from and drawn.
    """

    def __init__(self, ledger: Ledger, audits: Audits, store: AuditStore) -> None:
        self._ledger = ledger
        self._audits = audits
        self._store = store

    def start(self, collection: str, asker: Asker, request_id: str, wanted: Wanted) -> Audit:
        """Draw a sample; its pages are not in the queue yet.

        Raises:
            AlreadyExists: REQUEST_ID_REUSED.
            InvalidArgument: neither head nor cluster, or both, or a class that is not in the schema.
            NotFound: the head, its predictions or the cluster.
            Conflict: NOTHING_TO_AUDIT; SEVERAL_CLASSES, what takes images of one class is asked for.
            Aborted: others start audits all the time.
        """
        body = body_digest({"kind": "audit", **asdict(wanted)})
        with self._ledger.records.reading(collection) as reading:
            if before := replayed(reading, request_id, body):
                return self._at(reading, before.seq)
        self._check(collection, wanted)
        everything = self._everything(collection, wanted)
        for _ in range(_TRIES):
            scene = self._scene(collection, wanted, everything)
            plan, drawn = draw(collection, request_id, wanted, scene)
            meta = {"model": wanted.model, "cluster": wanted.cluster}
            unlabelled = scene.population.and_also(scene.refused)
            self._store.save(collection, plan.audit_id, unlabelled, drawn, meta)
            details = plan.document()
            draft = Draft(EventKind.AUDIT, asker.name, request_id, body, details=details)
            with self._ledger.writing(collection) as work:
                if before := replayed(work, request_id, body):
                    return self._at(work, before.seq)
                if len(self._audits.plans(work)) == scene.audits:
                    seq = work.append(draft)
                    break
        else:
            raise Aborted("others start audits of this collection; try again")
        with self._ledger.records.reading(collection) as reading:
            return self._at(reading, seq)

    def certify(
        self, collection: str, asker: Asker, request_id: str, audit_id: str, *, auto_label: bool
    ) -> Certified:
        """Write the certificate of an audit.

        Raises:
            AlreadyExists: REQUEST_ID_REUSED.
            NotFound: there is no such audit.
            Conflict: AUDIT_OPEN, BOUND_NOT_MET or AUDIT_ABANDONED.
        """
        asked = {"kind": "certify", "audit_id": audit_id, "auto_label": auto_label}
        body = body_digest(asked)
        with self._ledger.fold(collection):
            pass  # most of the catching up, before others are kept out
        with self._ledger.writing(collection) as work:
            before = replayed(work, request_id, body)
            if not before:
                audit = self._passed(work, audit_id)
                rows, class_ids = self._to_label(work, audit) if auto_label else _nothing()
                details: Mapping[str, Any] = {"audit_id": audit_id, **asdict(audit.proof)}
                said = _said(rows, class_ids, audit.plan.class_id)
                kind = EventKind.CERTIFICATE
                draft = Draft(kind, asker.name, request_id, body, judgements=said, details=details)
                seq, labelled = work.append(draft), len(rows)
        if before:
            seq, labelled = before.seq, sum(len(each.rows) for each in before.judgements)
        with self._ledger.records.reading(collection) as reading:
            found = self._audits.find(reading, audit_id)
        assert found is not None  # noqa: S101  an audit has a certificate, so it is there
        return Certified(seq, labelled, found)

    def _check(self, collection: str, wanted: Wanted) -> None:
        if bool(wanted.model) == bool(wanted.cluster):
            raise InvalidArgument("name either a model or a cluster", field="model")
        several = self._ledger.catalog.schema(collection).several
        if several and (wanted.cluster or wanted.by_class or wanted.find_threshold):
            raise several_classes(collection, "such an audit")
        if wanted.model and not several:
            return
        schema = self._ledger.catalog.schema_with(collection, [wanted.class_id])
        if schema.unknown([wanted.class_id]):
            raise InvalidArgument(f"class {wanted.class_id} is not in the schema", field="class_id")

    def _everything(self, collection: str, wanted: Wanted) -> Population:
        """What is audited, labelled images among it, representatives only, classes as they are by now."""
        schema = self._ledger.catalog.schema(collection)
        if schema.several:
            class_id = schema.in_use(wanted.class_id)
            found = self._store.pair_predictions(collection, wanted.model, class_id)
        elif wanted.model:
            found = self._store.predictions(collection, wanted.model)
        else:
            found = self._store.cluster(collection, wanted.cluster, wanted.class_id)
        if copies := self._ledger.copies(collection):
            found = found.only(copies.of(found.rows) == found.rows)
        if schema.several:
            return found
        found = found.only(found.class_ids > 0)
        return Population(found.rows, schema.resolve(found.class_ids), found.probabilities)

    def _scene(self, collection: str, wanted: Wanted, everything: Population) -> Scene:
        schema = self._ledger.catalog.schema(collection)
        with self._ledger.records.reading(collection) as reading:
            total = reading.total()
            with self._ledger.fold(collection, reading) as whole:
                fold = audited(whole, wanted.class_id, schema)
                people = people_of(fold)
                labelled = fold.labelled_by_people()
                if wanted.cluster:
                    everything = _of_cluster(fold, everything, total)
                population, refused = _unanswered(fold, everything, wanted)
                cleared = fold.standing.cleared
            plans = self._audits.plans(reading)
            newest = self._audits.find(reading, "")
        if not population.rows.size:
            raise Conflict(
                "every image is labelled, set aside or known not to be of the class it would get",
                reason="NOTHING_TO_AUDIT",
            )
        if wanted.cluster:
            total = labelled = len(everything.rows) - len(population.rows)
        class_id = schema.in_use(wanted.class_id) if schema.several else 0
        looks = [seq for seq, plan in plans.items() if _same_claim(plan, wanted, class_id)]
        opened = newest is not None and newest.state is AuditState.OPEN
        return Scene(
            population=population,
            refused=refused,
            total=max(total, labelled + len(population.rows) + len(refused.rows)),
            people=people,
            looks=sum(seq > cleared for seq in looks),
            audits=len(plans),
            before=newest.plan.audit_id if newest and opened else "",
            class_id=class_id,
        )

    def _passed(self, work: Writing, audit_id: str) -> Audit:
        audit = self._audits.find(work, audit_id) if audit_id else None
        if audit is None:
            raise NotFound(f"{work.collection} has no audit {audit_id}", field="audit_id")
        if audit.state is AuditState.OPEN:
            left = audit.proof.sample - audit.proof.answered
            raise Conflict(f"{left} images of the audit wait for an answer", reason="AUDIT_OPEN")
        if audit.state is AuditState.ABANDONED:
            raise Conflict("the audit was abandoned", reason="AUDIT_ABANDONED")
        if audit.state is AuditState.FAILED:
            raise Conflict(
                f"the bound is {audit.proof.bound:.4f}, above {audit.plan.allowed_error:.4f}",
                reason="BOUND_NOT_MET",
                metadata={"bound": f"{audit.proof.bound:.6f}"},
            )
        return audit

    def _to_label(self, work: Writing, audit: Audit) -> tuple[Rows, Ids]:
        """The images of an audit's population that still have no label, and what each would get."""
        population = self._store.population(work.collection, audit.plan.audit_id)
        sure = population.probabilities >= np.float32(audit.proof.threshold)
        schema = self._ledger.catalog.schema(work.collection)
        with self._ledger.fold(work.collection, work) as whole:
            fold = audited(whole, audit.plan.class_id, schema)
            rows, class_ids = population.rows[sure], population.class_ids[sure]
            known = fold.done(rows) | fold.refused(rows, class_ids)
        return rows[~known], class_ids[~known]

    def _at(self, work: Reading, seq: int) -> Audit:
        found = self._audits.find(work, self._audits.plans(work)[seq].audit_id)
        assert found is not None  # noqa: S101  its event is there
        return found


def _said(rows: Rows, class_ids: Ids, audited_class: int) -> tuple[Judgement, ...]:
    """That rows [n] are of classes [n]; of one class audited by itself also that they are not."""
    if not audited_class:
        return labels_by_class(rows, class_ids)
    yes = class_ids != NOT
    return (
        Judgement(audited_class, Verdict.IS, rows[yes]),
        Judgement(audited_class, Verdict.IS_NOT, rows[~yes]),
    )


def _same_claim(plan: Plan, wanted: Wanted, class_id: int) -> bool:
    """Whether an audit was to prove the same; looks at something else have a probability of error of their own."""
    error = abs(plan.allowed_error - wanted.allowed_error)
    same = (plan.cluster, plan.class_id) == (wanted.cluster, class_id)
    return same and error < _SAME_ERROR


def _unanswered(
    fold: Fold | ClassView, everything: Population, wanted: Wanted
) -> tuple[Population, Population]:
    """What people have said nothing of, with what each image would get; and where they refused just that.

    Only an audit of all images has to answer for the latter: they get no label by it.

    An audit of all images answers for those too that a model labelled before, as the cluster they were in:
    each with the label it has.
    """
    rows, class_ids = everything.rows, everything.class_ids
    answered = fold.done(rows)
    if not wanted.find_threshold:
        certified = _certified(fold, rows)
        class_ids = np.where(certified, fold.class_of(rows), class_ids)
        answered &= ~certified
    refused = ~answered & fold.refused(rows, class_ids)
    answers_for = refused & bool(wanted.model and not wanted.find_threshold)
    guessed = Population(rows, class_ids, everything.probabilities)
    return guessed.only(~answered & ~refused), guessed.only(answers_for)


def _certified(fold: Fold | ClassView, rows: Rows) -> Mask:
    """Which of rows [n] have their label from a certificate: bool [n]."""
    certified: Mask = fold.done(rows) & ~fold.by_people(rows)
    return certified


def _of_cluster(fold: Fold | ClassView, everything: Population, total: int) -> Population:
    """What of a cluster is audited: what is measured by stays for people, and another certificate answers for its own."""
    rows = everything.rows
    return everything.only(~in_stream(rows, sample_share(total)) & ~_certified(fold, rows))


def _nothing() -> tuple[Rows, Ids]:
    return np.empty(0, np.int64), np.empty(0, np.int32)
