"""Messages <-> what they mean."""

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from hundredfold.api.common.v1 import page_pb2, tensor_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.storage.layout import PART_ROWS
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.labels.domain import rules
from hundredfold.labels.domain.audit import Audit
from hundredfold.labels.domain.copies import Projection
from hundredfold.labels.domain.event import Event, EventKind, Judgement, Standing, Verdict
from hundredfold.labels.domain.likeness import pairs_judged
from hundredfold.labels.domain.page import (
    NO_IDS,
    NO_NUMBERS,
    NO_ROWS,
    Lease,
    Page,
    PageKind,
    Rows,
    pair_rows,
)
from hundredfold.labels.domain.people import Counts
from hundredfold.labels.domain.progress import Progress
from hundredfold.labels.domain.state import Labels

# More rows than this in one event are not sent with it.
MOST_EVENT_ROWS = 65_536
_MESSAGE_BYTES = 1 << 20
_PIECE_ROWS = 32_768
_Enum = TypeVar("_Enum", bound=enum.IntEnum)
_Array = TypeVar("_Array", bound=np.ndarray[Any, Any])


def page(message: page_pb2.Page) -> Page:
    """Read a page."""
    return Page(
        page_id=message.page_id,
        kind=_enum(PageKind, message.kind, "pages.kind"),
        rows=rows(message.rows, "pages.rows"),
        class_id=message.class_id,
        second=_optional(message.second, NO_IDS, "pages.second"),
        probability=_optional(message.probability, NO_NUMBERS, "pages.probability"),
        model=message.model,
        cluster=message.cluster,
        score=message.score,
        planted=_optional(message.planted, NO_ROWS, "pages.planted"),
        audit_id=message.audit_id,
        others=_optional(message.others, NO_ROWS, "pages.others"),
    )


def page_message(page: Page, *, planted: bool) -> page_pb2.Page:
    """Write a page; who answers it must not learn which images are planted."""
    return page_pb2.Page(
        page_id=page.page_id,
        kind=page_pb2.PageKind.ValueType(page.kind),
        rows=pack(page.rows),
        class_id=page.class_id,
        second=pack(page.second),
        probability=pack(page.probability),
        model=page.model,
        cluster=page.cluster,
        score=page.score,
        planted=pack(page.planted) if planted and page.planted.size else None,
        audit_id=page.audit_id,
        others=pack(page.others) if page.others.size else None,
    )


def judgements(
    messages: Sequence[labels_pb2.Judgement], most_rows: int = rules.MOST_PAGE_ROWS
) -> tuple[Judgement, ...]:
    """Read what is said of a page, or of at most so many pairs in one judgement."""
    if len(messages) > rules.MOST_JUDGEMENTS:
        raise InvalidArgument(f"at most {rules.MOST_JUDGEMENTS} judgements", field="judgements")
    return rules.judgements([_judgement(each, most_rows) for each in messages])


def lease_message(lease: Lease) -> labels_pb2.Lease:
    """Write a lease."""
    return labels_pb2.Lease(
        token=lease.token,
        page=page_message(lease.page, planted=False),
        annotator=lease.annotator,
        expires_at=lease.expires_at,
    )


def event_message(
    event: Event, *, planted: bool, stands: Standing | None = None
) -> labels_pb2.Event:
    """Write an event, without its judgements when they are too many for a message.

    Args:
        event: which.
        planted: whether to say which images were planted.
        stands: which events count, to say whether this one does.
    """
    asked = event.details.get("selection")
    pairs = event.kind is EventKind.PAIRS
    images = 0 if pairs else sum(len(each.rows) for each in event.judgements)
    whole = event.kind is EventKind.DECISION or images <= MOST_EVENT_ROWS
    return labels_pb2.Event(
        seq=event.seq,
        kind=labels_pb2.EventKind.ValueType(event.kind),
        actor=event.actor,
        created_at=event.created_at,
        page=page_message(event.page, planted=planted) if event.page else None,
        judgements=map(_judgement_message, event.judgements if whole else ()),
        seconds=event.seconds,
        undone_seq=event.undone_seq,
        request_id=event.request_id,
        images=images,
        audit_id=str(event.details.get("audit_id", "")),
        counts=bool(stands and stands.counts(event.seq, event.kind)),
        undone_events=len(event.rows) if event.kind is EventKind.UNDO_MANY else 0,
        selection=labels_pb2.Selection(**asked) if asked else None,
        comment=str(event.details.get("comment", "")),
        flagged_rows=pack(event.rows) if event.kind is EventKind.FLAG else None,
        flag_seqs=event.rows.tolist() if event.kind is EventKind.UNFLAG else (),
        pairs=pairs_judged(event) if pairs else 0,
        kept_rows=pack(event.rows) if pairs and event.rows.size else None,
    )


def batches(
    events: Iterable[Event], *, planted: bool, stands: Standing | None = None
) -> Iterator[list[labels_pb2.Event]]:
    """Write events, as many together as a message may well hold."""
    batch: list[labels_pb2.Event] = []
    size = 0
    for event in events:
        message = event_message(event, planted=planted, stands=stands)
        if batch and size + message.ByteSize() > _MESSAGE_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += message.ByteSize()
    if batch:
        yield batch


def label_pieces(labels: Labels, audited: Rows) -> Iterator[labels_pb2.GetLabelsResponse]:
    """Write labels, and the images that an audit waits for; at least one message."""
    others = labels.negative_rows, labels.unsure_rows, labels.possible_rows, audited
    most = max(len(labels.rows), *map(len, others), 1)
    for begin in range(0, most, _PIECE_ROWS):
        piece = slice(begin, begin + _PIECE_ROWS)
        yield labels_pb2.GetLabelsResponse(
            seq=labels.seq,
            rows=pack(labels.rows[piece]),
            class_ids=pack(labels.class_ids[piece]),
            seqs=pack(labels.seqs[piece]),
            origins=pack(labels.origins[piece]),
            negative_rows=pack(labels.negative_rows[piece]),
            negative_class_ids=pack(labels.negative_class_ids[piece]),
            unsure_rows=pack(labels.unsure_rows[piece]),
            audit_rows=pack(audited[piece]),
            possible_rows=pack(labels.possible_rows[piece]),
            possible_class_ids=pack(labels.possible_class_ids[piece]),
            unsure_class_ids=pack(labels.unsure_class_ids[piece]),
            negative_origins=pack(labels.negative_origins[piece]),
        )


def copy_pieces(projection: Projection, audited: Rows) -> Iterator[labels_pb2.GetLabelsResponse]:
    """Write labels, copies included, and the images that an audit waits for; at least one message."""
    for begin in range(0, max(projection.rows, 1), PART_ROWS):
        rows = np.arange(begin, min(begin + PART_ROWS, projection.rows), dtype=np.int64)
        class_ids, seqs, origins, _ = projection.at(rows)
        named = class_ids > 0
        yield labels_pb2.GetLabelsResponse(
            seq=projection.labels.seq,
            rows=pack(rows[named]),
            class_ids=pack(class_ids[named]),
            seqs=pack(seqs[named]),
            origins=pack(origins[named]),
        )
    labels = projection.labels
    most = max(map(len, (labels.negative_rows, labels.unsure_rows, audited)))
    for begin in range(0, most, _PIECE_ROWS):
        piece = slice(begin, begin + _PIECE_ROWS)
        yield labels_pb2.GetLabelsResponse(
            seq=labels.seq,
            negative_rows=pack(labels.negative_rows[piece]),
            negative_class_ids=pack(labels.negative_class_ids[piece]),
            unsure_rows=pack(labels.unsure_rows[piece]),
            audit_rows=pack(audited[piece]),
        )


def pair_pieces(
    table: npt.NDArray[np.int64], kept: Rows, seq: int
) -> Iterator[labels_pb2.GetPairsResponse]:
    """Write what is said of pairs (`Likeness.table`), and what is to stand for others; at least one message."""
    left, right = pair_rows(table[:, 0])
    for begin in range(0, max(len(table), len(kept), 1), _PIECE_ROWS):
        piece = slice(begin, begin + _PIECE_ROWS)
        yield labels_pb2.GetPairsResponse(
            seq=seq,
            rows=pack(left[piece]),
            others=pack(right[piece]),
            verdicts=pack(table[piece, 1].astype(np.uint8)),
            seqs=pack(np.ascontiguousarray(table[piece, 2])),
            kept_rows=pack(kept[piece]),
        )


def progress_message(progress: Progress) -> labels_pb2.GetProgressResponse:
    """Write how far the work is."""
    return labels_pb2.GetProgressResponse(
        total=progress.total,
        labelled=progress.labelled,
        unsure=progress.unsure,
        leased=progress.leased,
        ready=progress.ready,
        pool=progress.pool,
        ready_pages=progress.ready_pages,
        head_seq=progress.head_seq,
        decisions=progress.decisions,
        labels_per_minute=progress.labels_per_minute,
        labels_by_class=dict(progress.labels_by_class),
        labelled_with_copies=progress.labelled_with_copies,
        human_seconds=progress.human_seconds,
        images=progress.images,
        images_labelled=progress.images_labelled,
        pairs_judged=progress.pairs_judged,
        pairs_open=progress.pairs_open,
        pair_seconds=progress.pair_seconds,
    )


def audit_message(collection: str, audit: Audit) -> labels_pb2.Audit:
    """Write an audit."""
    plan, proof = audit.plan, audit.proof
    found = zip(
        plan.groups, proof.group_answered, proof.group_errors, proof.group_bounds, strict=True
    )
    groups = [
        labels_pb2.AuditGroup(**asdict(group), answered=answered, errors=errors, bound=bound)
        for group, answered, errors, bound in found
    ]
    return labels_pb2.Audit(
        audit_id=plan.audit_id,
        collection=collection,
        model=plan.model,
        cluster=plan.cluster,
        state=labels_pb2.AuditState.ValueType(audit.state),
        allowed_error=plan.allowed_error,
        confidence=plan.confidence,
        look=plan.look,
        alpha=plan.alpha,
        total=plan.total,
        population=plan.population,
        sample=proof.sample or plan.sample,
        most_sample=plan.sample,
        answered=proof.answered,
        errors=proof.errors,
        bound=proof.bound,
        groups=groups if plan.by_class or plan.cluster else (),
        threshold=proof.threshold,
        seq=audit.seq,
        certificate_seq=audit.certificate_seq,
        people_error=proof.people_error,
        class_id=plan.class_id,
    )


def annotator_message(name: str, counts: Counts) -> labels_pb2.Annotator:
    """Write what somebody did."""
    low, high = counts.interval
    return labels_pb2.Annotator(
        annotator=name,
        decisions=counts.decisions,
        images=counts.images,
        seconds=counts.microseconds / 1e6,
        planted=counts.planted,
        found=counts.found,
        miss_rate=counts.miss_rate,
        miss_rate_low=low,
        miss_rate_high=high,
    )


def format_name(value: int) -> str:
    """The name of a file format, such as `CSV`."""
    if value not in labels_pb2.Format.values() or value == labels_pb2.FORMAT_UNSPECIFIED:
        raise InvalidArgument("format is not one that is known", field="format")
    return labels_pb2.Format.Name(labels_pb2.Format.ValueType(value)).removeprefix("FORMAT_")


def _judgement(message: labels_pb2.Judgement, most_rows: int) -> Judgement:
    verdict = _enum(Verdict, message.verdict, "judgements.verdict")
    found = rows(message.rows, "judgements.rows", most_rows)
    if not message.others.data:
        return Judgement(message.class_id, verdict, found)
    others = rows(message.others, "judgements.others", most_rows)
    return Judgement(message.class_id, verdict, found, others)


def _judgement_message(judgement: Judgement) -> labels_pb2.Judgement:
    return labels_pb2.Judgement(
        class_id=judgement.class_id,
        verdict=labels_pb2.Verdict.ValueType(judgement.verdict),
        rows=pack(judgement.rows),
        others=pack(judgement.others) if judgement.of_pairs else None,
    )


def rows(tensor: tensor_pb2.Tensor, field: str, limit: int = rules.MOST_PAGE_ROWS) -> Rows:
    """Read the images of a page."""
    return unpack(tensor, dtype=np.int64, ndim=1, field=field, limit=limit)


def optional_rows(tensor: tensor_pb2.Tensor, field: str) -> Rows:
    """The same where there may be none."""
    return _optional(tensor, NO_ROWS, field)


def _optional(tensor: tensor_pb2.Tensor, absent: _Array, field: str) -> _Array:
    if not tensor.data:
        return absent
    found = unpack(tensor, dtype=absent.dtype, ndim=1, field=field, limit=rules.MOST_PAGE_ROWS)
    return cast("_Array", found)


def _enum(kind: type[_Enum], value: int, field: str) -> _Enum:
    try:
        return kind(value)
    except ValueError:
        raise InvalidArgument(f"{field} is not one that is known", field=field) from None
