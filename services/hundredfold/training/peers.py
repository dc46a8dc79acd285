"""The services that training calls."""

from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from hundredfold.api.labels.v1 import labels_pb2, labels_pb2_grpc
from hundredfold.chassis.tensors import unpack


@dataclass(frozen=True)
class Labels:
    """The labels that count.

    Attributes:
        seq: the newest event in them.
        rows: int64 [n], labelled images.
        class_ids: int32 [n], the class of each.
        negative_rows: int64 [m], images that are not labelled; may repeat.
        negative_class_ids: int32 [m], what each is not.
    """

    seq: int
    rows: NDArray[np.int64]
    class_ids: NDArray[np.int32]
    negative_rows: NDArray[np.int64]
    negative_class_ids: NDArray[np.int32]


class Ledger:
    """The labels service.

    Args:
        channel: to it.
        seconds: how long to wait for it.
    """

    def __init__(self, channel: grpc.Channel, seconds: float) -> None:
        self._stub = labels_pb2_grpc.LabelsServiceStub(channel)
        self._seconds = seconds

    def labels(self, collection: str) -> Labels:
        """The labels of a collection that count now.

        Raises:
            Unavailable: the service is away.
        """
        request = labels_pb2.GetLabelsRequest(collection=collection)
        answers = list(self._stub.GetLabels(request, timeout=self._seconds))
        return Labels(
            answers[-1].seq if answers else 0,
            _joined(answers, "rows", np.int64),
            _joined(answers, "class_ids", np.int32),
            _joined(answers, "negative_rows", np.int64),
            _joined(answers, "negative_class_ids", np.int32),
        )


def _joined(
    answers: list[labels_pb2.GetLabelsResponse], field: Any, dtype: type[np.generic]
) -> NDArray[Any]:
    pieces = [
        unpack(getattr(answer, field), dtype=dtype, ndim=1, field=field)
        for answer in answers
        if answer.HasField(field)
    ]
    return np.concatenate([np.empty(0, dtype), *pieces])
