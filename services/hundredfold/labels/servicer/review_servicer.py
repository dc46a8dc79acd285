"""The RPCs of LabelsService about what people look at again: events, picked images, undoing much, flags."""

import grpc

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.paging import decode_token, encode_token, page_size
from hundredfold.chassis.requests import check_request_id
from hundredfold.labels.domain import rules
from hundredfold.labels.flagging import Flags
from hundredfold.labels.picking import Picked, Picking
from hundredfold.labels.servicer import messages, review_messages
from hundredfold.labels.servicer.asking import asker, may_know_planted, undoer
from hundredfold.labels.servicer.audits_servicer import AuditsServicer
from hundredfold.labels.undoing import Undoing


class ReviewServicer(AuditsServicer):
    """See labels.proto for what each call means."""

    _picking: Picking
    _undoing: Undoing
    _flags: Flags

    def LeaseRows(
        self, request: labels_pb2.LeaseRowsRequest, context: grpc.ServicerContext
    ) -> labels_pb2.LeaseRowsResponse:
        """See labels.proto."""
        collection = self._ledger.catalog.require(request.collection)
        schema = self._ledger.catalog.schema_with(collection, {request.class_id} - {0})
        rows = messages.rows(request.rows, "rows")
        picked = Picked(
            check_request_id(request.request_id),
            rules.picked(
                rows, self._ledger.catalog.rows(collection, int(rows.max(initial=-1)) + 1)
            ),
            rules.thought_to_be(request.class_id, schema, needed=request.relabel),
            request.relabel,
        )
        seconds = rules.between(request.ttl_seconds, 5, 3600, 300, "ttl_seconds")
        lease = self._picking.lease(collection, asker(request.annotator).name, picked, seconds)
        return labels_pb2.LeaseRowsResponse(lease=messages.lease_message(lease) if lease else None)

    def UndoMany(
        self, request: labels_pb2.UndoManyRequest, context: grpc.ServicerContext
    ) -> labels_pb2.UndoManyResponse:
        """See labels.proto."""
        undone = self._undoing.undo(
            self._ledger.catalog.require(request.collection),
            undoer(request.annotator, only_own=request.only_own),
            check_request_id(request.request_id),
            review_messages.selection(request.selection),
        )
        return labels_pb2.UndoManyResponse(
            seq=undone.seq, events=undone.events, replayed=undone.replayed
        )

    def PreviewUndo(
        self, request: labels_pb2.PreviewUndoRequest, context: grpc.ServicerContext
    ) -> labels_pb2.PreviewUndoResponse:
        """See labels.proto."""
        collection = self._ledger.catalog.require(request.collection)
        preview = self._undoing.preview(collection, review_messages.selection(request.selection))
        return review_messages.preview_message(preview)

    def FlagImages(
        self, request: labels_pb2.FlagImagesRequest, context: grpc.ServicerContext
    ) -> labels_pb2.FlagImagesResponse:
        """See labels.proto."""
        collection = self._ledger.catalog.require(request.collection)
        rows = messages.rows(request.rows, "rows")
        seq = self._flags.flag(
            collection,
            asker(request.annotator),
            check_request_id(request.request_id),
            rules.picked(
                rows, self._ledger.catalog.rows(collection, int(rows.max(initial=-1)) + 1)
            ),
            rules.comment(request.comment),
        )
        return labels_pb2.FlagImagesResponse(seq=seq)

    def ResolveFlags(
        self, request: labels_pb2.ResolveFlagsRequest, context: grpc.ServicerContext
    ) -> labels_pb2.ResolveFlagsResponse:
        """See labels.proto."""
        collection = self._ledger.catalog.require(request.collection)
        seq = self._flags.resolve(
            collection,
            asker(request.annotator),
            check_request_id(request.request_id),
            rules.flag_seqs(request.seqs),
            rules.comment(request.comment),
        )
        return labels_pb2.ResolveFlagsResponse(seq=seq)

    def ListFlags(
        self, request: labels_pb2.ListFlagsRequest, context: grpc.ServicerContext
    ) -> labels_pb2.ListFlagsResponse:
        """See labels.proto."""
        collection = self._ledger.catalog.require(request.collection)
        (before,) = decode_token(request.page_token, int) or (0,)
        size = page_size(request.page_size)
        known = self._flags.newest_first(collection)
        left = [
            flag
            for flag in known
            if (not before or flag.seq < before) and not (request.open_only and flag.resolved_seq)
        ]
        return labels_pb2.ListFlagsResponse(
            flags=map(review_messages.flag_message, left[:size]),
            next_page_token=encode_token(left[size - 1].seq) if len(left) > size else "",
            open=sum(not flag.resolved_seq for flag in known),
        )

    def ListDecisions(
        self, request: labels_pb2.ListDecisionsRequest, context: grpc.ServicerContext
    ) -> labels_pb2.ListDecisionsResponse:
        """See labels.proto."""
        collection = self._ledger.catalog.require(request.collection)
        wanted = review_messages.wanted(request)
        after = rules.not_negative(request.after_seq, "after_seq")
        (at,) = decode_token(request.page_token, int) or (0,)
        at = rules.not_negative(at, "page_token")
        size = page_size(request.page_size)
        newest_first = request.newest_first
        with self._ledger.records.reading(collection) as reading:
            with self._ledger.fold(collection, reading) as fold:
                stands = fold.standing
            if newest_first or wanted.chooses:
                first, before = (after, at) if newest_first else (max(after, at), 0)
                found = reading.listed(
                    wanted, size + 1, after=first, before=before, newest_first=newest_first
                )
            else:
                found = reading.events(max(after, at), size + 1)
        # Less than asked for when the message would become too large.
        batches = messages.batches(found[:size], planted=may_know_planted(), stands=stands)
        sent = next(batches, [])
        token = encode_token(sent[-1].seq) if len(sent) < len(found) else ""
        return labels_pb2.ListDecisionsResponse(events=sent, next_page_token=token)
