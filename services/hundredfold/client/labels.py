"""Pages, leases, decisions, labels, export and import."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import grpc
import numpy as np
from numpy.typing import NDArray

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.tensors import unpack
from hundredfold.client import page_wire, wire
from hundredfold.client.pairing import PairingClient
from hundredfold.client.runs import RunsClient
from hundredfold.client.types import (
    Annotator,
    Audit,
    Certificate,
    Judgement,
    Labels,
    Lease,
    Progress,
    Run,
    Taken,
    Undone,
)

FORMATS = ("csv", "jsonl", "parquet", "imagenet")


class LabelsClient(PairingClient):
    """The labels service."""

    def __init__(self, channel: grpc.Channel) -> None:
        super().__init__(channel)
        self.runs = RunsClient("labels", channel)

    def lease(
        self, collection: str, annotator: str = "", *, limit: int = 1, ttl_seconds: int = 0
    ) -> list[Lease]:
        """Lease pages, highest score first; empty when nothing is ready."""
        request = labels_pb2.LeasePagesRequest(
            collection=collection, annotator=annotator, limit=limit, ttl_seconds=ttl_seconds
        )
        return list(map(page_wire.lease, self._stub.LeasePages(request).leases))

    def renew(
        self, collection: str, tokens: Sequence[int], *, annotator: str = "", ttl_seconds: int = 0
    ) -> set[int]:
        """Prolong leases; returns those that still hold, and are the annotator's if one is named."""
        request = labels_pb2.RenewLeasesRequest(
            collection=collection, tokens=tokens, ttl_seconds=ttl_seconds, annotator=annotator
        )
        return set(self._stub.RenewLeases(request).tokens)

    def release(self, collection: str, tokens: Sequence[int], *, annotator: str = "") -> None:
        """Give pages back unanswered: the annotator's only, if one is named."""
        self._stub.ReleaseLeases(
            labels_pb2.ReleaseLeasesRequest(
                collection=collection, tokens=tokens, annotator=annotator
            )
        )

    def submit(
        self,
        collection: str,
        token: int,
        judgements: Sequence[Judgement],
        *,
        seconds: float = 0.0,
        request_id: str = "",
        annotator: str = "",
    ) -> int:
        """Answer a page and return the seq of the decision: it is on disk then. See `answer`."""
        taken = self.answer(
            collection,
            token,
            judgements,
            seconds=seconds,
            request_id=request_id,
            annotator=annotator,
        )
        return taken.seq

    def answer(
        self,
        collection: str,
        token: int,
        judgements: Sequence[Judgement],
        *,
        seconds: float = 0.0,
        request_id: str = "",
        annotator: str = "",
    ) -> Taken:
        """Answer a page: what is taken is on disk then.

        Where the lease ran out the images are left out that others have or have answered.
        Give a `request_id` of your own to be able to send the same answer again.

        Raises:
            PermissionDenied: an `annotator` is named, and the lease is another's.
            Conflict: the lease was lost to another, with all its images (LEASE_FENCED).
            AlreadyExists: the request_id was used for another answer.
            InvalidArgument: an image that is not on the page, a class that is not in the schema.
        """
        request = labels_pb2.SubmitDecisionRequest(
            collection=collection,
            token=token,
            judgements=map(page_wire.judgement_message, judgements),
            seconds=seconds,
            request_id=request_id or str(uuid.uuid4()),
            annotator=annotator,
        )
        found = self._stub.SubmitDecision(request)
        if not found.HasField("left_out"):  # a service of an earlier version takes all or nothing
            return Taken(found.seq)
        return Taken(found.seq, unpack(found.left_out, dtype=np.int64, ndim=1, field="left_out"))

    def undo(
        self,
        collection: str,
        annotator: str = "",
        *,
        seq: int = 0,
        lease_again: bool = False,
        only_own: bool = False,
        request_id: str = "",
    ) -> Undone:
        """Take back an event (0 = the annotator's last decision that still counts).

        Raises:
            PermissionDenied: it must be the annotator's own, and is not.
        """
        request = labels_pb2.UndoRequest(
            collection=collection,
            annotator=annotator,
            seq=seq,
            lease_again=lease_again,
            only_own=only_own,
            request_id=request_id or str(uuid.uuid4()),
        )
        answer = self._stub.Undo(request)
        lease = page_wire.lease(answer.lease) if answer.HasField("lease") else None
        return Undone(answer.seq, wire.event(answer.undone), lease)

    def labels(self, collection: str, *, include_copies: bool = False) -> Labels:
        """The labels that count."""
        request = labels_pb2.GetLabelsRequest(collection=collection, include_copies=include_copies)
        answers = list(self._stub.GetLabels(request, timeout=120))
        return Labels(
            seq=answers[-1].seq if answers else 0,
            rows=_joined(answers, "rows", np.int64),
            class_ids=_joined(answers, "class_ids", np.int32),
            seqs=_joined(answers, "seqs", np.int64),
            origins=_joined(answers, "origins", np.uint8),
            audit_rows=_joined(answers, "audit_rows", np.int64),
            negative_rows=_joined(answers, "negative_rows", np.int64),
            negative_class_ids=_joined(answers, "negative_class_ids", np.int32),
            negative_origins=_joined(answers, "negative_origins", np.uint8),
        )

    def start_audit(
        self,
        collection: str,
        *,
        model: str = "",
        cluster: str = "",
        class_id: int = 0,
        allowed_error: float = 0.0,
        confidence: float = 0.0,
        sample: int = 0,
        by_class: bool = False,
        find_threshold: bool = False,
        request_id: str = "",
    ) -> Audit:
        """Draw a random audit of what `model` would label, or of a `cluster` taken for `class_id`.

        0 means the defaults: an error of 0.05, a confidence of 0.95, as many images as seem right.

        Raises:
            NotFound: the head, its predictions or the cluster.
            Conflict: every image is labelled (NOTHING_TO_AUDIT).
        """
        request = labels_pb2.StartAuditRequest(
            collection=collection,
            model=model,
            cluster=cluster,
            class_id=class_id,
            allowed_error=allowed_error,
            confidence=confidence,
            sample=sample,
            by_class=by_class,
            find_threshold=find_threshold,
            request_id=request_id or str(uuid.uuid4()),
        )
        return wire.audit(self._stub.StartAudit(request, timeout=60).audit)

    def label_cluster(
        self,
        collection: str,
        cluster: str,
        class_id: int,
        *,
        allowed_error: float = 0.0,
        confidence: float = 0.0,
        tokens: Sequence[int] = (),
        request_id: str = "",
    ) -> Audit:
        """Let all of a cluster `run/number` be of one class, if a random sample of it proves that so.

        The sample's pages come before all others. Once they have proved that no larger share than
        `allowed_error` is wrong, the collection's loop labels the rest as one event. Leases of `tokens`
        are given back before, so that their images can be in the sample's pages.

        Raises:
            NotFound: the cluster.
            Conflict: another random check is under way (AUDIT_UNDER_WAY), or every image of it is
                labelled (NOTHING_TO_AUDIT).
        """
        newest = next(self.audits(collection, limit=1), None)
        if newest is not None and newest.state == "OPEN":
            left = newest.sample - newest.answered
            raise Conflict(
                f"another random check is under way: answer its {left:,} images first",
                reason="AUDIT_UNDER_WAY",
            )
        self.release(collection, tokens)
        return self.start_audit(
            collection,
            cluster=cluster,
            class_id=class_id,
            allowed_error=allowed_error,
            confidence=confidence,
            request_id=request_id,
        )

    def audit(self, collection: str, audit_id: str = "") -> Audit:
        """Read an audit, the newest when none is named; NotFound."""
        request = labels_pb2.GetAuditRequest(collection=collection, audit_id=audit_id)
        return wire.audit(self._stub.GetAudit(request).audit)

    def audits(self, collection: str, *, limit: int = 0) -> Iterator[Audit]:
        """The audits, newest first, fetched as they are asked for; at most `limit`, 0 = all."""
        token = ""
        while True:
            request = labels_pb2.ListAuditsRequest(
                collection=collection, page_size=limit, page_token=token
            )
            answer = self._stub.ListAudits(request)
            yield from map(wire.audit, answer.audits)
            token = answer.next_page_token
            if not token or limit:
                return

    def certify(
        self, collection: str, audit_id: str, *, auto_label: bool = False, request_id: str = ""
    ) -> Certificate:
        """Make the proof of an audit count; with `auto_label` the model labels the rest.

        Raises:
            Conflict: the audit is open (AUDIT_OPEN), abandoned (AUDIT_ABANDONED), or its bound is
                above what it allows (BOUND_NOT_MET).
        """
        request = labels_pb2.CertifyRequest(
            collection=collection,
            audit_id=audit_id,
            auto_label=auto_label,
            request_id=request_id or str(uuid.uuid4()),
        )
        answer = self._stub.Certify(request, timeout=120)
        return Certificate(answer.seq, answer.labelled, wire.audit(answer.audit))

    def annotators(self, collection: str) -> Iterator[Annotator]:
        """Those who answer, by name; takes the role reviewer."""
        token = ""
        while True:
            request = labels_pb2.ListAnnotatorsRequest(collection=collection, page_token=token)
            answer = self._stub.ListAnnotators(request)
            yield from map(wire.annotator, answer.annotators)
            token = answer.next_page_token
            if not token:
                return

    def progress(self, collection: str) -> Progress:
        """How far the work is."""
        request = labels_pb2.GetProgressRequest(collection=collection)
        return wire.progress(self._stub.GetProgress(request))

    def clear(self, collection: str, *, only_actors_with_prefix: str = "") -> int:
        """Write an event after which nothing before counts."""
        request = labels_pb2.ClearLabelsRequest(
            collection=collection,
            only_actors_with_prefix=only_actors_with_prefix,
            request_id=str(uuid.uuid4()),
        )
        return self._stub.ClearLabels(request).seq

    def reconcile(self, collection: str) -> Progress:
        """Heal the queue and return how far the work is."""
        request = labels_pb2.ReconcileRequest(collection=collection)
        return wire.progress(self._stub.Reconcile(request).progress)

    def export(
        self,
        collection: str,
        format: str,  # noqa: A002 - the word of the command line
        destination: str = "",
        *,
        include_unlabelled: bool = False,
        request_id: str = "",
    ) -> Run:
        """Start to write the labels to files; `format` is one of FORMATS."""
        request = labels_pb2.ExportRequest(
            collection=collection,
            format=labels_pb2.Format.Value(f"FORMAT_{format.upper()}"),
            destination=destination,
            include_unlabelled=include_unlabelled,
            request_id=request_id or str(uuid.uuid4()),
        )
        return wire.run("labels", self._stub.Export(request).run)

    def import_(
        self,
        collection: str,
        source: str,
        format: str,  # noqa: A002 - the word of the command line
        *,
        preview: bool = False,
        request_id: str = "",
    ) -> Run:
        """Start to read labels from a file as one event, or with `preview` only to count them; `format` is csv, jsonl or parquet."""
        request = labels_pb2.ImportRequest(
            collection=collection,
            source=source,
            format=labels_pb2.Format.Value(f"FORMAT_{format.upper()}"),
            preview=preview,
            request_id=request_id or str(uuid.uuid4()),
        )
        return wire.run("labels", self._stub.Import(request).run)


def _joined(
    answers: Sequence[labels_pb2.GetLabelsResponse],
    name: Literal[
        "rows",
        "class_ids",
        "seqs",
        "origins",
        "audit_rows",
        "negative_rows",
        "negative_class_ids",
        "negative_origins",
    ],
    dtype: type[np.generic],
) -> NDArray[Any]:
    """One array of all pieces; a piece may leave it out."""
    pieces = [
        unpack(getattr(each, name), dtype=dtype, ndim=1, field=name)
        for each in answers
        if each.HasField(name)
    ]
    return np.concatenate([np.empty(0, dtype), *pieces])
