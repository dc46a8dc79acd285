"""From messages of pages and answers to what the client hands out, and back."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.client import types


def page(message: page_pb2.Page) -> types.Page:
    """A page."""
    return types.Page(
        page_id=message.page_id,
        kind=types.PageKind(page_pb2.PageKind.Name(message.kind).removeprefix("PAGE_KIND_")),
        rows=unpack(message.rows, dtype=np.int64, ndim=1, field="rows"),
        class_id=message.class_id,
        second=_optional(message, "second", np.int32),
        probability=_optional(message, "probability", np.float32),
        model=message.model,
        cluster=message.cluster,
        score=message.score,
        planted=_optional(message, "planted", np.int64),
        audit_id=message.audit_id,
        others=_optional(message, "others", np.int64),
    )


def _optional(
    message: page_pb2.Page,
    field: Literal["second", "probability", "planted", "others"],
    dtype: type[np.generic],
) -> NDArray[Any]:
    """An array of a page that may be left out: then it is empty."""
    if not message.HasField(field):
        return np.empty(0, dtype)
    return unpack(getattr(message, field), dtype=dtype, ndim=1, field=field)


def lease(message: labels_pb2.Lease) -> types.Lease:
    """A lease."""
    return types.Lease(message.token, page(message.page), message.annotator, message.expires_at)


def judgement(message: labels_pb2.Judgement) -> types.Judgement:
    """A judgement."""
    verdict = labels_pb2.Verdict.Name(message.verdict).removeprefix("VERDICT_")
    rows = unpack(message.rows, dtype=np.int64, ndim=1, field="rows")
    if not message.HasField("others"):
        return types.Judgement(message.class_id, types.Verdict(verdict), rows)
    others = unpack(message.others, dtype=np.int64, ndim=1, field="others")
    return types.Judgement(message.class_id, types.Verdict(verdict), rows, others)


def judgement_message(judgement: types.Judgement) -> labels_pb2.Judgement:
    """A judgement, to be sent."""
    return labels_pb2.Judgement(
        class_id=judgement.class_id,
        verdict=labels_pb2.Verdict.Value(f"VERDICT_{judgement.verdict}"),
        rows=pack(np.asarray(judgement.rows, np.int64)),
        others=pack(np.asarray(judgement.others, np.int64)) if len(judgement.others) else None,
    )
