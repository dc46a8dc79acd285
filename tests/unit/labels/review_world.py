"""Short words for the calls of LabelsService that are for looking again."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.tensors import pack
from tests.unit.labels.world import BIRDS, Client, new_id

DECISION, UNDO, IMPORT = (
    labels_pb2.EVENT_KIND_DECISION,
    labels_pb2.EVENT_KIND_UNDO,
    labels_pb2.EVENT_KIND_IMPORT,
)
CERTIFICATE, UNDO_MANY = labels_pb2.EVENT_KIND_CERTIFICATE, labels_pb2.EVENT_KIND_UNDO_MANY
CLEAR, FLAG, UNFLAG = (
    labels_pb2.EVENT_KIND_CLEAR,
    labels_pb2.EVENT_KIND_FLAG,
    labels_pb2.EVENT_KIND_UNFLAG,
)


def tensor(rows: Sequence[int]) -> Any:
    return pack(np.array(rows, np.int64))


def lease_rows(
    client: Client, rows: Sequence[int], class_id: int = 0, annotator: str = "ann", **fields: Any
) -> Any:
    """The lease, or None."""
    given = {"request_id": new_id(), **fields}
    answer = client.stub.LeaseRows(
        labels_pb2.LeaseRowsRequest(
            collection=BIRDS, annotator=annotator, rows=tensor(rows), class_id=class_id, **given
        )
    )
    return answer.lease if answer.HasField("lease") else None


def undo_many(
    client: Client, annotator: str = "ann", request_id: str = "", **selection: Any
) -> Any:
    request = labels_pb2.UndoManyRequest(
        collection=BIRDS,
        annotator=annotator,
        request_id=request_id or new_id(),
        selection=labels_pb2.Selection(**selection),
    )
    return client.stub.UndoMany(request)


def preview(client: Client, **selection: Any) -> Any:
    chosen = labels_pb2.Selection(**selection)
    return client.stub.PreviewUndo(
        labels_pb2.PreviewUndoRequest(collection=BIRDS, selection=chosen)
    )


def flag(
    client: Client, rows: Sequence[int], comment: str = "", annotator: str = "ann", **fields: Any
) -> int:
    given = {"request_id": new_id(), **fields}
    request = labels_pb2.FlagImagesRequest(
        collection=BIRDS, annotator=annotator, rows=tensor(rows), comment=comment, **given
    )
    return int(client.stub.FlagImages(request).seq)


def resolve(client: Client, *seqs: int, annotator: str = "ann", **fields: Any) -> int:
    given = {"request_id": new_id(), **fields}
    request = labels_pb2.ResolveFlagsRequest(
        collection=BIRDS, annotator=annotator, seqs=seqs, **given
    )
    return int(client.stub.ResolveFlags(request).seq)


def flags(client: Client, **fields: Any) -> Any:
    return client.stub.ListFlags(labels_pb2.ListFlagsRequest(collection=BIRDS, **fields))
