"""Heads, their predictions, and backbones that are fine-tuned."""

import uuid

import grpc
import numpy as np

from hundredfold.api.training.v1 import training_pb2, training_pb2_grpc
from hundredfold.chassis.tensors import unpack
from hundredfold.client import wire
from hundredfold.client.runs import RunsClient
from hundredfold.client.types import Head, Predictions, Run, SpaceComparison, Suspicious


class TrainingClient:
    """The training service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = training_pb2_grpc.TrainingServiceStub(channel)
        self.runs = RunsClient("training", channel)

    def train(
        self,
        collection: str,
        *,
        space: str = "",
        base: str = "",
        seconds: int = 0,
        seed: int = 0,
        request_id: str = "",
    ) -> Run:
        """Start to fine-tune a backbone on the labels of a collection; takes the role service.

        Raises:
            Conflict: TOO_FEW_LABELS, or the service can't train (NO_TORCH).
        """
        request = training_pb2.TrainRequest(
            collection=collection,
            space=space,
            base=base,
            seconds=seconds,
            seed=seed,
            request_id=request_id or str(uuid.uuid4()),
        )
        return wire.run("training", self._stub.Train(request).run)

    def compare_spaces(self, collection: str, before: str, after: str) -> SpaceComparison:
        """Measure two spaces on labelled images that were held out; takes the role service.

        Raises:
            Conflict: fewer than 20 such images have vectors in both (TOO_FEW_LABELS).
        """
        request = training_pb2.CompareSpacesRequest(
            collection=collection, before=before, after=after
        )
        return wire.comparison(self._stub.CompareSpaces(request, timeout=120))

    def suspicious(self, collection: str, *, space: str = "", limit: int = 0) -> Suspicious:
        """Labels of people that look wrong, likeliest first; Conflict with too few labels."""
        request = training_pb2.ListSuspiciousRequest(
            collection=collection, space=space, limit=limit
        )
        answer = self._stub.ListSuspicious(request, timeout=120)
        return Suspicious(
            rows=unpack(answer.rows, dtype=np.int64, ndim=1, field="rows"),
            class_ids=unpack(answer.class_ids, dtype=np.int32, ndim=1, field="class_ids"),
            other_class_ids=unpack(
                answer.other_class_ids, dtype=np.int32, ndim=1, field="other_class_ids"
            ),
            probabilities=unpack(
                answer.probabilities, dtype=np.float32, ndim=1, field="probabilities"
            ),
            labels=answer.labels,
        )

    def heads(self, collection: str) -> list[Head]:
        """The heads that are kept, newest first."""
        request = training_pb2.ListHeadsRequest(collection=collection, page_size=100)
        return list(map(wire.head, self._stub.ListHeads(request).heads))

    def promote(self, collection: str, model: str) -> Head:
        """Put a head to use; NotFound."""
        request = training_pb2.PromoteRequest(collection=collection, model=model)
        return wire.head(self._stub.Promote(request).head)

    def roll_back(self, collection: str) -> Head:
        """Put the head that was in use before back to use."""
        request = training_pb2.RollbackRequest(collection=collection)
        return wire.head(self._stub.Rollback(request).head)

    def predictions(self, collection: str, model: str = "") -> Predictions:
        """What a head (empty = the one in use) says of every vector; NotFound."""
        request = training_pb2.GetPredictionsRequest(collection=collection, model=model)
        answers = list(self._stub.GetPredictions(request, timeout=120))
        fields = {
            "rows": np.int64,
            "class_ids": np.int32,
            "second_class_ids": np.int32,
            "probabilities": np.float32,
        }
        arrays = {
            name: np.concatenate(
                [np.empty(0, dtype)]
                + [
                    unpack(getattr(each, name), dtype=dtype, ndim=1, field=name)
                    for each in answers
                    if each.HasField(name)  # type: ignore[arg-type]  # one of them
                ]
            )
            for name, dtype in fields.items()
        }
        return Predictions(model=answers[0].model if answers else model, **arrays)
