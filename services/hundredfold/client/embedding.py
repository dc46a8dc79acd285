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

_MATCHES = {
    "": embedding_pb2.VECTOR_MATCH_UNSPECIFIED,
    "row": embedding_pb2.VECTOR_MATCH_ROW,
    "key": embedding_pb2.VECTOR_MATCH_KEY,
    "uri": embedding_pb2.VECTOR_MATCH_URI,
}


MATCHES = tuple(filter(None, _MATCHES))
"""What the ids of imported vectors may name."""


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

    def embed_texts(self, texts: Sequence[str], *, model: str = "") -> NDArray[np.float32]:
        """A vector of length 1 for each text, at most 256, in the space of the model's images: float32 [n, d].

        Raises:
            Conflict: NO_TEXT, the model embeds no texts; names those that do.
        """
        answer = self._stub.EmbedText(
            embedding_pb2.EmbedTextRequest(model=model, texts=texts), timeout=60
        )
        return unpack(answer.vectors, dtype=np.float32, ndim=2, field="vectors")

    def import_vectors(
        self,
        collection: str,
        source: str,
        *,
        space: str,
        ids: str = "",
        match: str = "",
        vector_column: str = "",
        id_column: str = "",
        duplicates: str = "",
        request_id: str = "",
    ) -> Run:
        """Start to take vectors of a file in as a space.

        Args:
            collection: of which images.
            source: a `.npy` or `.parquet` that the service may read.
            space: `name@version`.
            ids: of a `.npy`: another one of rows, keys or URIs; "" = vector i is that of row i.
            match: what the ids name: `row`, `key` or `uri`; "" = as the columns of a Parquet file say.
            vector_column: of a Parquet file; "" = `vector` or `embedding`.
            id_column: of a Parquet file; "" = `row`, `key` or `uri`.
            duplicates: a FindDuplicates run: only its representatives get a vector.
            request_id: a UUID; the same again returns the same run.
        """
        request = embedding_pb2.ImportVectorsRequest(
            collection=collection,
            space=space,
            source=source,
            ids=ids,
            match=_MATCHES[match],
            vector_column=vector_column,
            id_column=id_column,
            duplicates=duplicates,
            request_id=request_id or str(uuid.uuid4()),
        )
        return wire.run("embedding", self._stub.ImportVectors(request).run)

    def models(self) -> list[Model]:
        """The backbones there are."""
        answer = self._stub.ListModels(embedding_pb2.ListModelsRequest(page_size=1000))
        return [
            Model(
                each.model,
                each.dimensions,
                each.input_pixels,
                each.source,
                each.ready,
                each.texts,
            )
            for each in answer.models
        ]
