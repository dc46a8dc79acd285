"""LabelsService: translates between the messages and what serves them."""

from collections.abc import Callable, Iterator, Sequence

import grpc

from hundredfold.api.labels.v1 import labels_pb2, labels_pb2_grpc
from hundredfold.chassis.context import stopping
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.requests import check_request_id
from hundredfold.chassis.runs_servicer import run_message
from hundredfold.chassis.server import Mount
from hundredfold.chassis.tensors import pack
from hundredfold.labels.answers import Answers, Decision
from hundredfold.labels.auditing import Auditor
from hundredfold.labels.audits import Audits
from hundredfold.labels.domain import rules
from hundredfold.labels.domain.copies import Projection, inherited_pairs
from hundredfold.labels.flagging import Flags
from hundredfold.labels.late import Late
from hundredfold.labels.leasing import Leasing
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.pairing import Pairing
from hundredfold.labels.picking import Picking
from hundredfold.labels.servicer import messages
from hundredfold.labels.servicer.asking import asker, holder, may_know_planted, undoer
from hundredfold.labels.servicer.pairs_servicer import PairsServicer
from hundredfold.labels.transfer import Transfer
from hundredfold.labels.undoing import Undoing

MOST_TOKENS = 64
MOST_PAGES = 256


class LabelsServicer(PairsServicer):
    """See labels.proto for what each call means."""

    def __init__(
        self,
        ledger: Ledger,
        leasing: Leasing,
        transfer: Transfer,
        audits: Audits,
        auditor: Auditor,
    ) -> None:
        self._ledger = ledger
        self._leasing = leasing
        self._transfer = transfer
        self._audits = audits
        self._auditor = auditor
        self._answers = Answers(ledger, Late(ledger, audits))
        self._picking = Picking(ledger, audits)
        self._undoing = Undoing(ledger)
        self._flags = Flags(ledger)
        self._pairing = Pairing(ledger)

    def LeasePages(
        self, request: labels_pb2.LeasePagesRequest, context: grpc.ServicerContext
    ) -> labels_pb2.LeasePagesResponse:
        """See labels.proto."""
        leases = self._leasing.lease(
            self._collection(request.collection),
            asker(request.annotator).name,
            rules.between(request.limit, 1, 16, 1, "limit"),
            rules.between(request.ttl_seconds, 5, 3600, 300, "ttl_seconds"),
        )
        return labels_pb2.LeasePagesResponse(leases=map(messages.lease_message, leases))

    def RenewLeases(
        self, request: labels_pb2.RenewLeasesRequest, context: grpc.ServicerContext
    ) -> labels_pb2.RenewLeasesResponse:
        """See labels.proto."""
        tokens, expires_at = self._leasing.renew(
            self._collection(request.collection),
            holder(request.annotator),
            _tokens(request.tokens),
            rules.between(request.ttl_seconds, 5, 3600, 300, "ttl_seconds"),
        )
        return labels_pb2.RenewLeasesResponse(tokens=tokens, expires_at=expires_at)

    def ReleaseLeases(
        self, request: labels_pb2.ReleaseLeasesRequest, context: grpc.ServicerContext
    ) -> labels_pb2.ReleaseLeasesResponse:
        """See labels.proto."""
        collection = self._collection(request.collection)
        self._leasing.release(collection, holder(request.annotator), _tokens(request.tokens))
        return labels_pb2.ReleaseLeasesResponse()

    def SubmitDecision(
        self, request: labels_pb2.SubmitDecisionRequest, context: grpc.ServicerContext
    ) -> labels_pb2.SubmitDecisionResponse:
        """See labels.proto."""
        decision = Decision(
            check_request_id(request.request_id),
            request.token,
            messages.judgements(request.judgements),
            rules.seconds(request.seconds),
        )
        collection = self._collection(request.collection)
        taken = self._answers.submit(collection, holder(request.annotator), decision)
        return labels_pb2.SubmitDecisionResponse(
            seq=taken.seq, replayed=taken.replayed, left_out=pack(taken.left_out)
        )

    def Undo(
        self, request: labels_pb2.UndoRequest, context: grpc.ServicerContext
    ) -> labels_pb2.UndoResponse:
        """See labels.proto."""
        undone = self._answers.undo(
            self._collection(request.collection),
            undoer(request.annotator, only_own=request.only_own),
            check_request_id(request.request_id),
            rules.not_negative(request.seq, "seq"),
            lease_again=request.lease_again,
        )
        return labels_pb2.UndoResponse(
            seq=undone.seq,
            undone=messages.event_message(undone.event, planted=may_know_planted()),
            lease=messages.lease_message(undone.lease) if undone.lease else None,
        )

    def WatchDecisions(
        self, request: labels_pb2.WatchDecisionsRequest, context: grpc.ServicerContext
    ) -> Iterator[labels_pb2.WatchDecisionsResponse]:
        """See labels.proto."""
        collection = self._collection(request.collection)
        after = rules.not_negative(request.after_seq, "after_seq")
        planted = may_know_planted()
        # Whoever goes away leaves no thread behind that waits.
        context.add_callback(self._ledger.wake)
        for events, head in self._ledger.watch(collection, after, _ended(context)):
            for batch in messages.batches(events, planted=planted) if events else ([],):
                yield labels_pb2.WatchDecisionsResponse(events=batch, head_seq=head)

    def GetLabels(
        self, request: labels_pb2.GetLabelsRequest, context: grpc.ServicerContext
    ) -> Iterator[labels_pb2.GetLabelsResponse]:
        """See labels.proto."""
        collection = self._collection(request.collection)
        labels = self._ledger.labels(collection)
        audited, audited_class = self._audits.open_rows(collection)
        copies = self._ledger.copies(collection) if request.include_copies else None
        if self._ledger.catalog.recent(collection).several:
            pieces = messages.label_pieces(inherited_pairs(labels, copies), audited)
            for piece in pieces:
                piece.audit_class_id = audited_class
                yield piece
        elif request.include_copies:
            yield from messages.copy_pieces(Projection(labels, copies), audited)
        else:
            yield from messages.label_pieces(labels, audited)

    def GetProgress(
        self, request: labels_pb2.GetProgressRequest, context: grpc.ServicerContext
    ) -> labels_pb2.GetProgressResponse:
        """See labels.proto."""
        progress = self._leasing.progress(self._collection(request.collection))
        return messages.progress_message(progress)

    def OfferPages(
        self, request: labels_pb2.OfferPagesRequest, context: grpc.ServicerContext
    ) -> labels_pb2.OfferPagesResponse:
        """See labels.proto."""
        collection = self._collection(request.collection)
        if len(request.pages) > MOST_PAGES:
            raise InvalidArgument(f"at most {MOST_PAGES} pages", field="pages")
        pages = [messages.page(each) for each in request.pages]
        every = [rows for each in pages for rows in (each.rows, each.others)]
        most = max((int(rows.max(initial=-1)) for rows in every), default=-1) + 1
        rows = self._ledger.catalog.rows(collection, most)
        checked = rules.pages(pages, rows)
        schema = self._ledger.catalog.recent(collection)
        if schema.several:
            schema = self._ledger.catalog.schema_with(collection, {p.class_id for p in pages} - {0})
            checked = rules.pages_of_pairs(checked, schema)
        ready = self._leasing.offer(
            collection,
            checked,
            replace=request.replace,
            total=rules.not_negative(request.total, "total"),
        )
        return labels_pb2.OfferPagesResponse(ready_pages=ready)

    def ClearLabels(
        self, request: labels_pb2.ClearLabelsRequest, context: grpc.ServicerContext
    ) -> labels_pb2.ClearLabelsResponse:
        """See labels.proto."""
        seq = self._answers.clear(
            self._collection(request.collection),
            asker(),
            check_request_id(request.request_id),
            request.only_actors_with_prefix,
        )
        return labels_pb2.ClearLabelsResponse(seq=seq)

    def Reconcile(
        self, request: labels_pb2.ReconcileRequest, context: grpc.ServicerContext
    ) -> labels_pb2.ReconcileResponse:
        """See labels.proto."""
        healed = self._leasing.reconcile(self._collection(request.collection))
        return labels_pb2.ReconcileResponse(
            progress=messages.progress_message(healed.progress),
            expired_leases=healed.expired,
            dropped_pages=healed.dropped,
        )

    def Export(
        self, request: labels_pb2.ExportRequest, context: grpc.ServicerContext
    ) -> labels_pb2.ExportResponse:
        """See labels.proto."""
        run = self._transfer.start_export(
            self._collection(request.collection),
            messages.format_name(request.format),
            request.destination,
            check_request_id(request.request_id),
            include_unlabelled=request.include_unlabelled,
        )
        return labels_pb2.ExportResponse(run=run_message(run))

    def Import(
        self, request: labels_pb2.ImportRequest, context: grpc.ServicerContext
    ) -> labels_pb2.ImportResponse:
        """See labels.proto."""
        run = self._transfer.start_import(
            self._collection(request.collection),
            messages.format_name(request.format),
            request.source,
            check_request_id(request.request_id),
            actor=asker().name,
            preview=request.preview,
        )
        return labels_pb2.ImportResponse(run=run_message(run))

    def _collection(self, name: str) -> str:
        return self._ledger.catalog.require(name)


def _tokens(tokens: Sequence[int]) -> list[int]:
    if len(tokens) > MOST_TOKENS:
        raise InvalidArgument(f"at most {MOST_TOKENS} tokens", field="tokens")
    return sorted(set(tokens))


def _ended(context: grpc.ServicerContext) -> Callable[[], bool]:
    drains = stopping()
    return lambda: drains.is_set() or not context.is_active()


def labels_mount(servicer: LabelsServicer) -> Mount:
    """What to mount so that a server has a LabelsService."""
    return Mount(
        labels_pb2.DESCRIPTOR.services_by_name["LabelsService"],
        labels_pb2_grpc.add_LabelsServiceServicer_to_server,
        servicer,
    )
