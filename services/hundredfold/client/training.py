"""Heads and their predictions."""

import grpc
import numpy as np

from hundredfold.api.training.v1 import training_pb2, training_pb2_grpc
from hundredfold.chassis.tensors import unpack
from hundredfold.client import wire
from hundredfold.client.types import Head, Predictions


class TrainingClient:
    """The training service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = training_pb2_grpc.TrainingServiceStub(channel)

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
                + [unpack(getattr(each, name), dtype=dtype, ndim=1, field=name) for each in answers]
            )
            for name, dtype in fields.items()
        }
        return Predictions(model=answers[0].model if answers else model, **arrays)
