"""What of the labels service is for looking again: events, picked images, undoing much, flags."""

import uuid
from collections.abc import Iterator, Sequence

import grpc
import numpy as np
from numpy.typing import NDArray

from hundredfold.api.labels.v1 import labels_pb2, labels_pb2_grpc
from hundredfold.chassis.tensors import pack
from hundredfold.client import page_wire, review_wire, wire
from hundredfold.client.types import Event, Flag, Lease, Selection, UndoneMany, UndoPreview

_PAGE = 500
_REFOLD_SECONDS = 120.0
"""To take back what is old the ledger is folded again."""


class ReviewingClient:
    """Those calls of the labels service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = labels_pb2_grpc.LabelsServiceStub(channel)

    def lease_rows(
        self,
        collection: str,
        annotator: str,
        rows: Sequence[int] | NDArray[np.int64],
        class_id: int = 0,
        *,
        relabel: bool = False,
        ttl_seconds: int = 0,
        request_id: str = "",
    ) -> Lease | None:
        """Lease images that a person picked as one page of kind PICKED, at most 1024; answer with `submit`.

        What people labelled, what is in a lease or waits in an open audit is left out; None when nothing is
        left. Copies stand for their representatives. With `relabel` it is the other way round: those that have
        the label `class_id` are leased, as a page of kind REVIEW.
        """
        request = labels_pb2.LeaseRowsRequest(
            collection=collection,
            annotator=annotator,
            request_id=request_id or str(uuid.uuid4()),
            rows=pack(np.asarray(rows, np.int64)),
            class_id=class_id,
            relabel=relabel,
            ttl_seconds=ttl_seconds,
        )
        answer = self._stub.LeaseRows(request)
        return page_wire.lease(answer.lease) if answer.HasField("lease") else None

    def undo_many(
        self,
        collection: str,
        annotator: str,
        selection: Selection,
        request_id: str = "",
        *,
        only_own: bool = False,
    ) -> UndoneMany:
        """Take many events back by one.

        Raises:
            NotFound: nothing of them counts.
            PermissionDenied: one is another's, and the caller is no reviewer or asked for `only_own`.
        """
        request = labels_pb2.UndoManyRequest(
            collection=collection,
            annotator=annotator,
            selection=review_wire.selection_message(selection),
            request_id=request_id or str(uuid.uuid4()),
            only_own=only_own,
        )
        answer = self._stub.UndoMany(request, timeout=_REFOLD_SECONDS)
        return UndoneMany(answer.seq, answer.events, answer.replayed)

    def preview_undo(self, collection: str, selection: Selection) -> UndoPreview:
        """What `undo_many` would do; put its `head_seq` into the selection and just that is undone.

        Raises:
            NotFound: nothing of them counts.
        """
        request = labels_pb2.PreviewUndoRequest(
            collection=collection, selection=review_wire.selection_message(selection)
        )
        return review_wire.preview(self._stub.PreviewUndo(request, timeout=_REFOLD_SECONDS))

    def flag(
        self,
        collection: str,
        annotator: str,
        rows: Sequence[int] | NDArray[np.int64],
        comment: str = "",
        request_id: str = "",
    ) -> int:
        """Write a note for a reviewer on images; returns its seq."""
        request = labels_pb2.FlagImagesRequest(
            collection=collection,
            annotator=annotator,
            request_id=request_id or str(uuid.uuid4()),
            rows=pack(np.asarray(rows, np.int64)),
            comment=comment,
        )
        return self._stub.FlagImages(request).seq

    def unflag(
        self,
        collection: str,
        annotator: str,
        seqs: Sequence[int],
        comment: str = "",
        request_id: str = "",
    ) -> int:
        """Say that flags are done with; returns the seq of that.

        Raises:
            NotFound: a seq is no flag.
            PermissionDenied: one is another's and the caller is no reviewer.
        """
        request = labels_pb2.ResolveFlagsRequest(
            collection=collection,
            annotator=annotator,
            request_id=request_id or str(uuid.uuid4()),
            seqs=seqs,
            comment=comment,
        )
        return self._stub.ResolveFlags(request).seq

    def flags(self, collection: str, *, open_only: bool = False) -> Iterator[Flag]:
        """Flags, newest first, fetched as they are asked for."""
        token = ""
        while True:
            request = labels_pb2.ListFlagsRequest(
                collection=collection, open_only=open_only, page_size=_PAGE, page_token=token
            )
            answer = self._stub.ListFlags(request)
            yield from map(review_wire.flag, answer.flags)
            token = answer.next_page_token
            if not token:
                return

    def open_flags(self, collection: str) -> int:
        """How many flags are not done with."""
        request = labels_pb2.ListFlagsRequest(collection=collection, open_only=True, page_size=1)
        return self._stub.ListFlags(request).open

    def decisions(
        self,
        collection: str,
        *,
        after: int = 0,
        actor: str = "",
        kinds: Sequence[str] = (),
        since: float = 0.0,
        until: float = 0.0,
        newest_first: bool = False,
        page_size: int = _PAGE,
    ) -> Iterator[Event]:
        """Events that meet every filter, fetched as they are asked for, `page_size` at a time.

        Args:
            collection: of which.
            after: only those after this seq.
            actor: only of this one.
            kinds: only of these, such as DECISION.
            since: from this moment on, Unix seconds.
            until: before this moment, Unix seconds.
            newest_first: in this order instead of by seq.
            page_size: at a time, at most 1000.
        """
        token = ""
        while True:
            found, token = self.some_decisions(
                collection,
                after=after,
                actor=actor,
                kinds=kinds,
                since=since,
                until=until,
                newest_first=newest_first,
                page_size=page_size,
                page_token=token,
            )
            yield from found
            if not token:
                return

    def some_decisions(
        self,
        collection: str,
        *,
        after: int = 0,
        actor: str = "",
        kinds: Sequence[str] = (),
        since: float = 0.0,
        until: float = 0.0,
        newest_first: bool = False,
        page_size: int = _PAGE,
        page_token: str = "",
    ) -> tuple[list[Event], str]:
        """One page of `decisions`, and the token of the next; "" at the end."""
        request = labels_pb2.ListDecisionsRequest(
            collection=collection,
            after_seq=after,
            actor=actor,
            kinds=map(review_wire.event_kind, kinds),
            since=since,
            until=until,
            newest_first=newest_first,
            page_size=page_size,
            page_token=page_token,
        )
        answer = self._stub.ListDecisions(request)
        return list(map(wire.event, answer.events)), answer.next_page_token
