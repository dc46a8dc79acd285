"""Messages <-> what they mean, of selections, previews and flags."""

from collections.abc import Iterable
from dataclasses import asdict

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.tensors import pack
from hundredfold.labels.domain import rules
from hundredfold.labels.domain.event import EventKind
from hundredfold.labels.domain.flag import Flag
from hundredfold.labels.domain.undoing import Selection, Wanted
from hundredfold.labels.undoing import Preview


def selection(message: labels_pb2.Selection) -> Selection:
    """Read which events are to be taken back."""
    wanted = Wanted(
        actor=rules.actor_name(message.actor, "selection.actor"),
        since=rules.moment(message.since, "selection.since"),
        until=rules.moment(message.until, "selection.until"),
        kinds=_kinds(message.kinds, "selection.kinds"),
        head_seq=rules.not_negative(message.head_seq, "selection.head_seq"),
    )
    return rules.selection(Selection(wanted, tuple(message.seqs)))


def wanted(request: labels_pb2.ListDecisionsRequest) -> Wanted:
    """Read which events are to be listed."""
    return Wanted(
        actor=rules.actor_name(request.actor, "actor"),
        since=rules.moment(request.since, "since"),
        until=rules.moment(request.until, "until"),
        kinds=_kinds(request.kinds, "kinds"),
    )


def preview_message(preview: Preview) -> labels_pb2.PreviewUndoResponse:
    """Write what taking events back would do."""
    return labels_pb2.PreviewUndoResponse(
        head_seq=preview.head_seq,
        events=preview.events,
        images=preview.images,
        **asdict(preview.difference),
    )


def flag_message(flag: Flag) -> labels_pb2.Flag:
    """Write a flag."""
    return labels_pb2.Flag(
        seq=flag.seq,
        actor=flag.actor,
        created_at=flag.created_at,
        rows=pack(flag.rows),
        comment=flag.comment,
        resolved_seq=flag.resolved_seq,
        resolved_by=flag.resolved_by,
        resolved_at=flag.resolved_at,
        answer=flag.answer,
    )


def _kinds(values: Iterable[int], field: str) -> tuple[EventKind, ...]:
    try:
        return tuple(sorted({EventKind(value) for value in values}))
    except ValueError:
        raise InvalidArgument(f"{field} has one that is not known", field=field) from None
