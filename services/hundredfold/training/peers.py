"""The services that training calls."""

from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2, labels_pb2_grpc
from hundredfold.chassis.holdout import in_stream
from hundredfold.chassis.storage import layout
from hundredfold.chassis.tensors import unpack

CERTIFIED = 127
"""The origin of a label that a model gave under a certificate."""

REVIEWED = int(page_pb2.PAGE_KIND_REVIEW)
"""The origin of a label that a person looked at twice."""

BY_PAGE = (
    page_pb2.PAGE_KIND_CLUSTER,
    page_pb2.PAGE_KIND_VERIFY,
    page_pb2.PAGE_KIND_AUDIT,
    page_pb2.PAGE_KIND_PICKED,
)
"""The origins of labels that were given to many images at once."""


NO_ORIGINS = np.empty(0, np.uint8)

Places = NDArray[np.bool_] | slice


@dataclass(frozen=True)
class Labels:
    """The labels that count.

    Attributes:
        seq: the newest event in them.
        rows: int64 [n], labelled images.
        class_ids: int32 [n], the class of each.
        origins: uint8 [n], how each came about: the number of a PageKind, 0 for an import, `CERTIFIED`.
        negative_rows: int64 [m], images that are not labelled; may repeat.
        negative_class_ids: int32 [m], what each is not.
        possible_rows: int64 [k], images that are not labelled and known to be of one of some classes; repeats.
        possible_class_ids: int32 [k], one of those.
        negative_origins: uint8 [m], where an image may be of several classes: how each came about; else empty.
        seqs: int64 [n], the event that gave each label; empty from a service of an earlier version.
    """

    seq: int
    rows: NDArray[np.int64]
    class_ids: NDArray[np.int32]
    origins: NDArray[np.uint8]
    negative_rows: NDArray[np.int64]
    negative_class_ids: NDArray[np.int32]
    possible_rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    possible_class_ids: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    negative_origins: NDArray[np.uint8] = field(default_factory=lambda: NO_ORIGINS)
    seqs: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def by_people(self) -> "Labels":
        """Without what a model said."""
        if not len(self.negative_origins):
            return self._kept(self.origins != CERTIFIED)
        return self._kept(self.origins != CERTIFIED, self.negative_origins != CERTIFIED)

    def to_learn_from(self) -> "Labels":
        """What people said of images outside the random stream, which is kept to measure with."""
        kept = (self.origins != CERTIFIED) & ~in_stream(self.rows)
        possible = ~in_stream(self.possible_rows)
        return self._kept(kept, ~in_stream(self.negative_rows), possible)

    def without_negatives(self) -> "Labels":
        """The labels alone."""
        return self._kept(slice(None), slice(0), slice(0))

    def of_part(self, part: int) -> "Labels":
        """The labels of the images of a part."""

        def inside(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
            return np.asarray(rows // layout.PART_ROWS == part, np.bool_)

        return self._kept(inside(self.rows), inside(self.negative_rows), inside(self.possible_rows))

    def _kept(
        self, labels: Places, negatives: Places = slice(None), possible: Places = slice(None)
    ) -> "Labels":
        return Labels(
            self.seq,
            self.rows[labels],
            self.class_ids[labels],
            self.origins[labels],
            self.negative_rows[negatives],
            self.negative_class_ids[negatives],
            self.possible_rows[possible],
            self.possible_class_ids[possible],
            self.negative_origins[negatives] if len(self.negative_origins) else NO_ORIGINS,
            self.seqs[labels] if len(self.seqs) else self.seqs,
        )


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
        rows = _joined(answers, "rows", np.int64)
        origins = _joined(answers, "origins", np.uint8)
        return Labels(
            answers[-1].seq if answers else 0,
            rows,
            _joined(answers, "class_ids", np.int32),
            # A labels service of an earlier version sends none.
            origins if len(origins) else np.zeros(len(rows), np.uint8),
            _joined(answers, "negative_rows", np.int64),
            _joined(answers, "negative_class_ids", np.int32),
            _joined(answers, "possible_rows", np.int64),
            _joined(answers, "possible_class_ids", np.int32),
            _joined(answers, "negative_origins", np.uint8),
            _joined(answers, "seqs", np.int64),
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
