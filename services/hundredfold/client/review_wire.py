"""From messages of undoing much and of flags to what the client hands out, and back."""

import numpy as np

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.tensors import unpack
from hundredfold.client import types

_KIND = "EVENT_KIND_"


def event_kind(name: str) -> "labels_pb2.EventKind.ValueType":
    """The number of a kind of events."""
    return labels_pb2.EventKind.Value(f"{_KIND}{name}")


def selection_message(selection: types.Selection) -> labels_pb2.Selection:
    """A selection, to be sent."""
    return labels_pb2.Selection(
        seqs=selection.seqs,
        actor=selection.actor,
        since=selection.since,
        until=selection.until,
        kinds=map(event_kind, selection.kinds),
        head_seq=selection.head_seq,
    )


def selection(message: labels_pb2.Selection) -> types.Selection:
    """A selection."""
    return types.Selection(
        actor=message.actor,
        since=message.since,
        until=message.until,
        kinds=tuple(labels_pb2.EventKind.Name(each).removeprefix(_KIND) for each in message.kinds),
        head_seq=message.head_seq,
    )


def preview(message: labels_pb2.PreviewUndoResponse) -> types.UndoPreview:
    """What taking a selection back would do."""
    return types.UndoPreview(
        head_seq=message.head_seq,
        events=message.events,
        images=message.images,
        labels_gone=dict(message.labels_gone),
        labels_back=dict(message.labels_back),
        negatives_gone=message.negatives_gone,
        negatives_back=message.negatives_back,
        unsure_gone=message.unsure_gone,
        unsure_back=message.unsure_back,
        pairs_gone=message.pairs_gone,
        pairs_back=message.pairs_back,
    )


def flag(message: labels_pb2.Flag) -> types.Flag:
    """A flag."""
    return types.Flag(
        seq=message.seq,
        actor=message.actor,
        created_at=message.created_at,
        rows=unpack(message.rows, dtype=np.int64, ndim=1, field="rows"),
        comment=message.comment,
        resolved_seq=message.resolved_seq,
        resolved_by=message.resolved_by,
        resolved_at=message.resolved_at,
        answer=message.answer,
    )
