"""Vectors of images."""

import uuid
from collections.abc import Sequence

import grpc
import numpy as np
from numpy.typing import NDArray

from hundredfold.api.embedding.v1 import embedding_pb2, embedding_pb2_grpc
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.client import wire
from hundredfold.client.runs import RunsClient
from hundredfold.client.types import Model, Run


class EmbeddingClient:
    """The embedding service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = embedding_pb2_grpc.EmbeddingServiceStub(channel)
        self.runs = RunsClient("embedding", channel)

    def embed_collection(
        self,
        collection: str,
        *,
        model: str = "",
        duplicates: str = "",
        first_rows: Sequence[int] | NDArray[np.int64] = (),
        request_id: str = "",
    ) -> Run:
        """Start to embed what is not embedded yet, `first_rows` before the others.

        With `duplicates` only representatives.
        """
        first = np.asarray(first_rows, np.int64)
        request = embedding_pb2.EmbedCollectionRequest(
            collection=collection,
            model=model,
            duplicates=duplicates,
            first_rows=pack(first) if len(first) else None,
            request_id=request_id or str(uuid.uuid4()),
        )
        return wire.run("embedding", self._stub.EmbedCollection(request).run)

    def embed(self, images: Sequence[bytes], *, model: str = "") -> NDArray[np.float32]:
        """A vector of length 1 for each encoded image, at most 256: float32 [n, d].

        Raises:
            InvalidArgument: an image can't be decoded.
        """
        request = embedding_pb2.EmbedImagesRequest(model=model, images=images)
        (answer,) = self._stub.EmbedImages(iter([request]), timeout=60)
        for number, status in enumerate(answer.statuses):
            if status.reason:
                raise InvalidArgument(
                    f"image {number}: {status.message}", reason=status.reason, field="images"
                )
        return unpack(answer.vectors, dtype=np.float32, ndim=2, field="vectors")

    def models(self) -> list[Model]:
        """The backbones there are."""
        answer = self._stub.ListModels(embedding_pb2.ListModelsRequest(page_size=1000))
        return [
            Model(each.model, each.dimensions, each.input_pixels, each.source, each.ready)
            for each in answer.models
        ]
