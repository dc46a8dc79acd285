"""Drawing audits and writing certificates."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hundredfold.chassis.errors import Aborted, Conflict, InvalidArgument, NotFound
from hundredfold.chassis.stages import stages
from hundredfold.chassis.storage.collections import several_classes
from hundredfold.labels.answers import Asker, replayed
from hundredfold.labels.audits import Audits
from hundredfold.labels.domain import sampling, sequential, thresholds
from hundredfold.labels.domain.audit import (
    Audit,
    AuditState,
    Drawn,
    People,
    Plan,
    errors_to_leave,
    groups_of,
    people_of,
)
from hundredfold.labels.domain.bounds import Stratum, look_alpha
from hundredfold.labels.domain.class_view import NOT
from hundredfold.labels.domain.event import Draft, EventKind, Judgement, Verdict, labels_by_class
from hundredfold.labels.domain.folds import audited
from hundredfold.labels.domain.page import Ids, Rows
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.store.audits import AuditStore, Population
from hundredfold.labels.store.codec import body_digest
from hundredfold.labels.store.reading import Reading
from hundredfold.labels.store.writing import Writing

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """An audit that is asked for; see StartAuditRequest."""

    model: str
    cluster: str
    class_id: int
    allowed_error: float
    confidence: float
    sample: int
    by_class: bool
    find_threshold: bool


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate: its event, how many images it labelled, and the audit with it."""

    seq: int
    labelled: int
    audit: Audit


@dataclass(frozen=True, slots=True)
class _Scene:
    """What an audit is drawn from: images nobody labelled, and what is known of the others."""

    population: Population
    total: int
    people: People
    looks: int
    audits: int
    before: str
    class_id: int


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
            plan, drawn = _draw(collection, request_id, wanted, scene)
            meta = {"model": wanted.model, "cluster": wanted.cluster}
            self._store.save(collection, plan.audit_id, scene.population, drawn, meta)
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

    def _scene(self, collection: str, wanted: Wanted, everything: Population) -> _Scene:
        schema = self._ledger.catalog.schema(collection)
        with self._ledger.records.reading(collection) as reading:
            with self._ledger.fold(collection, reading) as whole:
                fold = audited(whole, wanted.class_id, schema)
                # What is known to be wrong would not be labelled.
                known = fold.refused(everything.rows, everything.class_ids)
                population = everything.only(~fold.done(everything.rows) & ~known)
                people, labelled = people_of(fold), fold.labelled
                cleared = fold.standing.cleared
            plans = self._audits.plans(reading)
            newest = self._audits.find(reading, "")
            total = reading.total()
        if not population.rows.size:
            raise Conflict(
                "every image is labelled, set aside or known not to be of the class it would get",
                reason="NOTHING_TO_AUDIT",
            )
        if wanted.cluster:
            total = labelled = len(everything.rows) - len(population.rows)
        class_id = schema.in_use(wanted.class_id) if schema.several else 0
        looks = [
            seq
            for seq, plan in plans.items()
            if (plan.cluster, plan.class_id) == (wanted.cluster, class_id)
        ]
        opened = newest is not None and newest.state is AuditState.OPEN
        return _Scene(
            population=population,
            total=max(total, labelled + len(population.rows)),
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


def _nothing() -> tuple[Rows, Ids]:
    return np.empty(0, np.int64), np.empty(0, np.int32)


def _draw(collection: str, request_id: str, wanted: Wanted, scene: _Scene) -> tuple[Plan, Drawn]:
    """Draw a sample. The same request draws the same from the same population."""
    population, count = scene.population, len(scene.population.rows)
    alpha = look_alpha(wanted.confidence, scene.looks + 1)
    classes = len(np.unique(population.class_ids))
    size = min(count, wanted.sample or _size(wanted, scene, alpha, classes))
    sizes, level = _stages(wanted, scene, size, alpha, classes)
    random = sampling.generator(f"{collection} {request_id}")
    strata = [Stratum(count, size)]
    if wanted.find_threshold:
        places = sampling.simple(count, size, random)
    elif wanted.by_class:
        places, strata = sampling.stratified(population.class_ids, size, random)
    else:
        places = sampling.in_order(count, size, random)
    drawn = population.at(places)
    steps: tuple[thresholds.Step, ...] = ()
    if wanted.find_threshold:
        found = thresholds.steps(
            population.probabilities,
            drawn.probabilities,
            wanted.allowed_error,
            alpha,
            scene.people.miss_rate,
        )
        steps = tuple(found)
    plan = Plan(
        audit_id=_audit_id(request_id, scene, drawn),
        model=wanted.model,
        cluster=wanted.cluster,
        allowed_error=wanted.allowed_error,
        confidence=wanted.confidence,
        look=scene.looks + 1,
        alpha=alpha,
        total=scene.total,
        population=count,
        sample=size,
        by_class=wanted.by_class,
        find_threshold=wanted.find_threshold,
        groups=groups_of(population.class_ids, drawn.class_ids),
        strata=tuple(strata),
        steps=steps,
        abandons=scene.before,
        stages=sizes,
        level=level,
        class_id=scene.class_id,
    )
    return plan, drawn


def _audit_id(request_id: str, scene: _Scene, drawn: Drawn) -> str:
    """Another one where another sample is drawn: a request repeated while it is at work replaces nothing."""
    population = scene.population
    digest = hashlib.sha256(f"{scene.audits} {request_id}".encode())
    for array in (population.rows, population.class_ids, population.probabilities, drawn.rows):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:20]


def _stages(
    wanted: Wanted, scene: _Scene, size: int, alpha: float, classes: int
) -> tuple[tuple[int, ...], float]:
    """The stages of a sample of all images together, and their nominal level."""
    if wanted.by_class or wanted.find_threshold:
        return (), 0.0
    sizes = stages(size, classes)
    # However few slips people turn out to have made: no more than these may be claimed to be left.
    limit = math.floor(wanted.allowed_error * scene.total + 1e-9)
    return sizes, sequential.level(len(scene.population.rows), sizes, limit, alpha)


def _size(wanted: Wanted, scene: _Scene, alpha: float, classes: int) -> int:
    """As many images as likely prove the bound, if the head is right about its errors."""
    sure, people = scene.population.probabilities, scene.people
    if wanted.find_threshold:
        return thresholds.sample_for_threshold(sure, wanted.allowed_error, alpha, people.miss_rate)
    count = len(sure)
    expected = float(np.sum(1 - sure.astype(np.float64)))
    limit = errors_to_leave(scene.total, wanted.allowed_error, scene.total - count, people)
    if wanted.by_class:
        return sampling.smallest_sample(count, expected, limit, alpha, people.miss_rate)
    level, size = alpha, 0
    # The level follows from the stages and they from the size, which it hardly moves.
    for _ in range(2):
        size = sampling.smallest_sample(
            count,
            expected,
            limit,
            level,
            people.miss_rate,
            margin=sampling.STAGED_MARGIN,
            chance=sampling.STAGED_SURE_ENOUGH,
        )
        _, level = _stages(wanted, scene, size, alpha, classes)
    return size
