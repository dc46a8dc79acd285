"""The labels service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2, labels_pb2_grpc
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.selection.domain.alike import JudgedPairs
from hundredfold.selection.domain.forecast import Answered
from hundredfold.selection.domain.page import Draft
from hundredfold.selection.domain.pair_pool import Pairs, PairsSaid, joined
from hundredfold.selection.domain.pool import MODEL_ORIGIN, Labels, Said
from hundredfold.selection.domain.stopping import MISS_RATE
from hundredfold.selection.peers.naming import named

_STREAM_SECONDS = 60.0
_AUDIT_SECONDS = 120.0
_NEWEST = 5


@dataclass(frozen=True)
class Heard:
    """What the ledger holds: the newest event, and what counts up to it."""

    seq: int
    said: Said


@dataclass(frozen=True)
class PairsHeard:
    """The same where an image may be of several classes."""

    seq: int
    said: PairsSaid


@dataclass(frozen=True)
class Audit:
    """An audit; names as in the message. `state` is the name of its AuditState without the prefix."""

    audit_id: str
    state: str
    bound: float
    sample: int
    errors: int
    total: int
    look: int
    people_error: float
    class_id: int = 0
    population: int = 0
    answered: int = 0
    most_sample: int = 0


@dataclass(frozen=True)
class Progress:
    """How far the work is: `ready_pages`, the newest event, and seconds people have spent."""

    ready_pages: int
    head_seq: int
    human_seconds: float


class Ledger:
    """The labels service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = labels_pb2_grpc.LabelsServiceStub(channel)

    def heard(self, collection: str) -> Heard:
        """What counts, up to the newest event."""
        answers = self._labels(collection)
        rows = _joined(answers, "rows", np.int64)
        order = np.argsort(rows)
        origins = _joined(answers, "origins", np.uint8)
        labels = Labels(
            rows[order],
            _joined(answers, "class_ids", np.int32)[order],
            origins[order] if len(origins) else origins,
        )
        said = Said(
            labels,
            _joined(answers, "negative_rows", np.int64),
            _joined(answers, "unsure_rows", np.int64),
            _joined(answers, "audit_rows", np.int64),
            _joined(answers, "possible_rows", np.int64),
        )
        return Heard(answers[-1].seq if answers else 0, said)

    def pairs_heard(self, collection: str) -> PairsHeard:
        """What counts, up to the newest event, where an image may be of several classes."""
        answers = self._labels(collection)

        def pairs(rows: str, class_ids: str) -> Pairs:
            return Pairs(_joined(answers, rows, np.int64), _joined(answers, class_ids, np.int32))

        yes, no = pairs("rows", "class_ids"), pairs("negative_rows", "negative_class_ids")
        certified = joined(
            yes.only(_joined(answers, "origins", np.uint8) == MODEL_ORIGIN),
            no.only(_joined(answers, "negative_origins", np.uint8) == MODEL_ORIGIN),
        )
        said = PairsSaid(yes, no, pairs("unsure_rows", "unsure_class_ids"), certified)
        return PairsHeard(answers[-1].seq if answers else 0, said)

    def judged_pairs(self, collection: str) -> JudgedPairs:
        """What people say of pairs of images: the newest word on each."""
        request = labels_pb2.GetPairsRequest(collection=collection)
        with named("labels"):
            answers = list(self._stub.GetPairs(request, timeout=_STREAM_SECONDS))
        verdicts = _joined(answers, "verdicts", np.uint8)
        return JudgedPairs(
            _joined(answers, "rows", np.int64),
            _joined(answers, "others", np.int64),
            sure=np.isin(verdicts, (labels_pb2.VERDICT_IS, labels_pb2.VERDICT_IS_NOT)),
            same=verdicts == labels_pb2.VERDICT_IS,
        )

    def _labels(self, collection: str) -> list[labels_pb2.GetLabelsResponse]:
        with named("labels"):
            request = labels_pb2.GetLabelsRequest(collection=collection)
            return list(self._stub.GetLabels(request, timeout=_STREAM_SECONDS))

    def watch(self, collection: str, after_seq: int) -> Any:
        """A running call: iterate over it for messages with `head_seq`, `cancel()` it from outside."""
        request = labels_pb2.WatchDecisionsRequest(collection=collection, after_seq=after_seq)
        return self._stub.WatchDecisions(request)

    def progress(self, collection: str) -> Progress:
        """How far the work is."""
        with named("labels"):
            request = labels_pb2.GetProgressRequest(collection=collection)
            answer = self._stub.GetProgress(request)
        return Progress(answer.ready_pages, answer.head_seq, answer.human_seconds)

    def offer(
        self, collection: str, pages: Sequence[tuple[str, Draft]], model: str, total: int
    ) -> None:
        """Let the queue hold these pages and no others.

        Args:
            collection: whose.
            pages: each with its id.
            model: the head that arranged those that are not of clusters.
            total: images there are to label.
        """
        request = labels_pb2.OfferPagesRequest(
            collection=collection,
            pages=[page_message(page_id, draft, model) for page_id, draft in pages],
            replace=True,
            total=total,
        )
        with named("labels"):
            self._stub.OfferPages(request)

    def answered(self, collection: str, after_seq: int) -> list[Answered]:
        """The pages of the queue answered since an event, at most a thousand: what people pick is none."""
        request = labels_pb2.ListDecisionsRequest(
            collection=collection, after_seq=after_seq, page_size=1000
        )
        with named("labels"):
            events = self._stub.ListDecisions(request).events
        decisions = [each for each in events if each.kind == labels_pb2.EVENT_KIND_DECISION]
        picked = page_pb2.PAGE_KIND_PICKED
        return [_answered(each) for each in decisions if each.page.kind != picked]

    def miss_rate(self, collection: str) -> float:
        """The share of odd images that people overlook, by what they did."""
        request = labels_pb2.ListAnnotatorsRequest(collection=collection, page_size=1000)
        with named("labels"):
            people = self._stub.ListAnnotators(request).annotators
        images = sum(each.images for each in people)
        if not images:
            return MISS_RATE
        return sum(each.images * each.miss_rate for each in people) / images

    # --- audits ---------------------------------------------------------------------------------

    def start_audit(
        self,
        collection: str,
        *,
        request_id: str,
        model: str,
        allowed_error: float,
        confidence: float,
        sample: int,
        class_id: int = 0,
    ) -> Audit:
        """Draw an audit; NotFound without the head, Conflict without an image to audit.

        Args:
            collection: of which.
            request_id: the same again draws no other.
            model: the head.
            allowed_error: share of wrong labels.
            confidence: of the proof.
            sample: images to draw; 0 = as many as seem right.
            class_id: where an image may be of several classes the one to audit.
        """
        request = labels_pb2.StartAuditRequest(
            collection=collection,
            request_id=request_id,
            model=model,
            allowed_error=allowed_error,
            confidence=confidence,
            sample=sample,
            class_id=class_id,
        )
        with named("labels"):
            return _audit(self._stub.StartAudit(request, timeout=_AUDIT_SECONDS).audit)

    def passed_clusters(self, collection: str) -> list[str]:
        """The newest audits of clusters that passed and have no certificate."""
        request = labels_pb2.ListAuditsRequest(collection=collection, page_size=_NEWEST)
        with named("labels"):
            audits = self._stub.ListAudits(request, timeout=_AUDIT_SECONDS).audits
        passed = labels_pb2.AUDIT_STATE_PASSED
        return [each.audit_id for each in audits if each.cluster and each.state == passed]

    def audit(self, collection: str, audit_id: str) -> Audit:
        """An audit; NotFound."""
        request = labels_pb2.GetAuditRequest(collection=collection, audit_id=audit_id)
        with named("labels"):
            return _audit(self._stub.GetAudit(request).audit)

    def audits(self, collection: str) -> list[Audit]:
        """All audits, newest first."""
        found: list[Audit] = []
        token = ""
        while True:
            request = labels_pb2.ListAuditsRequest(
                collection=collection, page_size=1000, page_token=token
            )
            with named("labels"):
                answer = self._stub.ListAudits(request, timeout=_AUDIT_SECONDS)
            found += map(_audit, answer.audits)
            token = answer.next_page_token
            if not token:
                return found

    def certify(self, collection: str, *, request_id: str, audit_id: str, auto_label: bool) -> None:
        """Write the certificate of an audit; NotFound, Conflict."""
        request = labels_pb2.CertifyRequest(
            collection=collection, request_id=request_id, audit_id=audit_id, auto_label=auto_label
        )
        with named("labels"):
            self._stub.Certify(request, timeout=_AUDIT_SECONDS)


def page_message(page_id: str, draft: Draft, model: str) -> page_pb2.Page:
    """A page as a message."""
    return page_pb2.Page(
        page_id=page_id,
        kind=page_pb2.PageKind.Value(f"PAGE_KIND_{draft.kind}"),
        rows=pack(draft.rows),
        class_id=draft.class_id,
        second=pack(draft.second) if len(draft.second) else None,
        probability=pack(draft.probability) if len(draft.probability) else None,
        model=model if len(draft.probability) and not len(draft.others) else "",
        cluster=draft.cluster,
        score=draft.score,
        planted=pack(draft.planted) if len(draft.planted) else None,
        audit_id=draft.audit_id,
        others=pack(draft.others) if len(draft.others) else None,
    )


def _audit(audit: labels_pb2.Audit) -> Audit:
    return Audit(
        audit.audit_id,
        labels_pb2.AuditState.Name(audit.state).removeprefix("AUDIT_STATE_"),
        audit.bound,
        audit.sample,
        audit.errors,
        audit.total,
        audit.look,
        audit.people_error,
        audit.class_id,
        audit.population,
        audit.answered,
        max(audit.sample, audit.most_sample),
    )


def _joined(
    answers: Sequence[labels_pb2.GetLabelsResponse | labels_pb2.GetPairsResponse],
    field: Any,
    dtype: type[np.generic],
) -> NDArray[Any]:
    pieces = [
        unpack(getattr(answer, field), dtype=dtype, ndim=1, field=field)
        for answer in answers
        if answer.HasField(field)
    ]
    return np.concatenate([np.empty(0, dtype), *pieces])


def _answered(event: labels_pb2.Event) -> Answered:
    rows = unpack(event.page.rows, dtype=np.int64, ndim=1, field="rows")
    odd = np.zeros(len(rows), np.bool_)
    for each in event.judgements:
        if each.verdict == labels_pb2.VERDICT_IS_NOT:
            odd |= np.isin(rows, unpack(each.rows, dtype=np.int64, ndim=1, field="rows"))
    kind = event.page.kind
    return Answered(
        event.seconds,
        odd,
        named=kind == page_pb2.PAGE_KIND_CLUSTER and _was_named(event),
        single=kind == page_pb2.PAGE_KIND_SINGLE,
    )


def _was_named(event: labels_pb2.Event) -> bool:
    """Whether the class of a cluster page was chosen by the person, not confirmed as suggested."""
    said = {each.class_id for each in event.judgements if each.verdict == labels_pb2.VERDICT_IS}
    return said != {event.page.class_id}
