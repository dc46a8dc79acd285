"""The RPCs of LabelsService about audits and those who answer."""

import grpc

from hundredfold.api.labels.v1 import labels_pb2, labels_pb2_grpc
from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.paging import decode_token, encode_token, page_size
from hundredfold.chassis.requests import check_request_id
from hundredfold.labels.auditing import Auditor
from hundredfold.labels.audits import Audits
from hundredfold.labels.domain import rules
from hundredfold.labels.domain.sampling import MOST_SAMPLE
from hundredfold.labels.drawing import Wanted
from hundredfold.labels.leasing import Leasing
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.servicer import messages
from hundredfold.labels.servicer.asking import asker


class AuditsServicer(labels_pb2_grpc.LabelsServiceServicer):
    """See labels.proto for what each call means."""

    _ledger: Ledger
    _leasing: Leasing
    _audits: Audits
    _auditor: Auditor

    def StartAudit(
        self, request: labels_pb2.StartAuditRequest, context: grpc.ServicerContext
    ) -> labels_pb2.StartAuditResponse:
        """See labels.proto."""
        collection = self._ledger.catalog.require(request.collection)
        request_id = check_request_id(request.request_id)
        audit = self._auditor.start(collection, asker(), request_id, _wanted(request))
        self._leasing.show_audit(collection)
        return labels_pb2.StartAuditResponse(audit=messages.audit_message(collection, audit))

    def GetAudit(
        self, request: labels_pb2.GetAuditRequest, context: grpc.ServicerContext
    ) -> labels_pb2.GetAuditResponse:
        """See labels.proto."""
        collection = self._ledger.catalog.require(request.collection)
        with self._ledger.records.reading(collection) as reading:
            audit = self._audits.find(reading, request.audit_id)
        if audit is None:
            raise NotFound(f"{collection} has no audit {request.audit_id}", field="audit_id")
        return labels_pb2.GetAuditResponse(audit=messages.audit_message(collection, audit))

    def ListAudits(
        self, request: labels_pb2.ListAuditsRequest, context: grpc.ServicerContext
    ) -> labels_pb2.ListAuditsResponse:
        """See labels.proto."""
        collection = self._ledger.catalog.require(request.collection)
        (before,) = decode_token(request.page_token, int) or (0,)
        size = page_size(request.page_size)
        with self._ledger.records.reading(collection) as reading:
            found = self._audits.newest_first(reading, before, size + 1)
        token = encode_token(found[size - 1].seq) if len(found) > size else ""
        sent = [messages.audit_message(collection, each) for each in found[:size]]
        return labels_pb2.ListAuditsResponse(audits=sent, next_page_token=token)

    def Certify(
        self, request: labels_pb2.CertifyRequest, context: grpc.ServicerContext
    ) -> labels_pb2.CertifyResponse:
        """See labels.proto."""
        collection = self._ledger.catalog.require(request.collection)
        written = self._auditor.certify(
            collection,
            asker(),
            check_request_id(request.request_id),
            request.audit_id,
            auto_label=request.auto_label,
        )
        return labels_pb2.CertifyResponse(
            seq=written.seq,
            labelled=written.labelled,
            audit=messages.audit_message(collection, written.audit),
        )

    def ListAnnotators(
        self, request: labels_pb2.ListAnnotatorsRequest, context: grpc.ServicerContext
    ) -> labels_pb2.ListAnnotatorsResponse:
        """See labels.proto."""
        collection = self._ledger.catalog.require(request.collection)
        (after,) = decode_token(request.page_token, str) or ("",)
        size = page_size(request.page_size)
        with self._ledger.fold(collection) as fold:
            people = dict(fold.people)
        names = sorted(name for name in people if name > after)
        sent = [messages.annotator_message(name, people[name]) for name in names[:size]]
        token = encode_token(names[size - 1]) if len(names) > size else ""
        return labels_pb2.ListAnnotatorsResponse(annotators=sent, next_page_token=token)


def _wanted(request: labels_pb2.StartAuditRequest) -> Wanted:
    return Wanted(
        model=request.model,
        cluster=request.cluster,
        class_id=request.class_id,
        allowed_error=rules.share(request.allowed_error, 0.0001, 0.5, 0.05, "allowed_error"),
        confidence=rules.share(request.confidence, 0.5, 0.9999, 0.95, "confidence"),
        sample=rules.between(request.sample, 1, MOST_SAMPLE, 0, "sample"),
        by_class=request.by_class,
        find_threshold=request.find_threshold,
    )
