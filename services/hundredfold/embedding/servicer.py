"""The RPCs of the embedding service: translate, call, translate."""

import math
from collections.abc import Iterator

import grpc
import numpy as np
from numpy.typing import NDArray

from hundredfold.api.common.v1 import image_pb2
from hundredfold.api.embedding.v1 import embedding_pb2, embedding_pb2_grpc
from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.context import scope
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.paging import decode_token, encode_token, page_size
from hundredfold.chassis.requests import check_images
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import run_message
from hundredfold.chassis.server import Mount
from hundredfold.chassis.storage.collections import require_collection
from hundredfold.chassis.storage.layout import check_model
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.embedding.embedder import Embedded, Embedder
from hundredfold.embedding.import_job import KIND as IMPORT
from hundredfold.embedding.import_job import ImportVectors
from hundredfold.embedding.provision import Models
from hundredfold.embedding.space_job import KIND, representatives
from hundredfold.embedding.store import FirstRows
from hundredfold.embedding.texts import TextEncoders, check_texts
from hundredfold.embedding.vector_files import Asked

MOST_IMAGES = 256
MOST_FIRST_ROWS = 500_000


class EmbeddingServicer(embedding_pb2_grpc.EmbeddingServiceServicer):
    """Serves `hundredfold.api.embedding.v1.EmbeddingService`."""

    def __init__(
        self,
        store: ArtifactStore,
        models: Models,
        embedder: Embedder,
        runs: Runs,
        imports: ImportVectors,
    ) -> None:
        self._store = store
        self._models = models
        self._embedder = embedder
        self._runs = runs
        self._imports = imports
        self._texts = TextEncoders(models.repository)

    def EmbedImages(
        self,
        request_iterator: Iterator[embedding_pb2.EmbedImagesRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[embedding_pb2.EmbedImagesResponse]:
        """See the proto."""
        card: ModelCard | None = None
        for request in request_iterator:
            check_images(request.images, MOST_IMAGES)
            card = card or self._models.find(request.model)
            embedded = self._embedder.embed(card, request.images, _ends_at())
            yield _response(card, embedded)

    def EmbedCollection(
        self, request: embedding_pb2.EmbedCollectionRequest, context: grpc.ServicerContext
    ) -> embedding_pb2.EmbedCollectionResponse:
        """See the proto."""
        require_collection(self._store, request.collection)
        representatives(self._store, request.collection, request.duplicates)
        parameters = {
            "model": self._models.name(request.model),
            "duplicates": request.duplicates,
        }
        if first := FirstRows(self._store, request.collection).put(_first_rows(request)):
            parameters["first_rows"] = first
        run = self._runs.start(KIND, request.collection, parameters, request_id=request.request_id)
        return embedding_pb2.EmbedCollectionResponse(run=run_message(run))

    def ImportVectors(
        self, request: embedding_pb2.ImportVectorsRequest, context: grpc.ServicerContext
    ) -> embedding_pb2.ImportVectorsResponse:
        """See the proto."""
        collection, space = request.collection, check_model(request.space, "space")
        require_collection(self._store, collection)
        representatives(self._store, collection, request.duplicates)
        asked = _asked(request)
        parameters = {
            **asked.to_json(),
            "space": space,
            "digest": self._imports.check(collection, space, asked),
            "duplicates": request.duplicates,
        }
        run = self._runs.start(
            IMPORT, collection, parameters, request_id=request.request_id, unit="vectors"
        )
        return embedding_pb2.ImportVectorsResponse(run=run_message(run))

    def EmbedText(
        self, request: embedding_pb2.EmbedTextRequest, context: grpc.ServicerContext
    ) -> embedding_pb2.EmbedTextResponse:
        """See the proto."""
        check_texts(request.texts)
        card = self._models.find(request.model)
        vectors = self._texts.embed(card, request.texts)
        return embedding_pb2.EmbedTextResponse(vectors=pack(vectors), model=card.model)

    def ListModels(
        self, request: embedding_pb2.ListModelsRequest, context: grpc.ServicerContext
    ) -> embedding_pb2.ListModelsResponse:
        """See the proto."""
        size = page_size(request.page_size)
        (after,) = decode_token(request.page_token, str) or ("",)
        cards, more = self._models.page(after and check_model(after, "page_token"), size)
        ready = self._embedder.backend.ready(cards)
        return embedding_pb2.ListModelsResponse(
            models=[_model(card, card.model in ready) for card in cards],
            next_page_token=encode_token(cards[-1].model) if more else "",
        )


def embedding_mount(servicer: EmbeddingServicer) -> Mount:
    """What to mount so that a server has an EmbeddingService."""
    return Mount(
        embedding_pb2.DESCRIPTOR.services_by_name["EmbeddingService"],
        embedding_pb2_grpc.add_EmbeddingServiceServicer_to_server,
        servicer,
    )


def _first_rows(request: embedding_pb2.EmbedCollectionRequest) -> NDArray[np.int64]:
    if not request.HasField("first_rows"):
        return np.empty(0, np.int64)
    rows = unpack(
        request.first_rows, dtype=np.int64, ndim=1, field="first_rows", limit=MOST_FIRST_ROWS
    )
    if len(rows) and rows.min() < 0:
        raise InvalidArgument("rows are not negative", field="first_rows")
    return rows


_MATCHES = {
    embedding_pb2.VECTOR_MATCH_UNSPECIFIED: "",
    embedding_pb2.VECTOR_MATCH_ROW: "row",
    embedding_pb2.VECTOR_MATCH_KEY: "key",
    embedding_pb2.VECTOR_MATCH_URI: "uri",
}


def _asked(request: embedding_pb2.ImportVectorsRequest) -> Asked:
    if request.match not in _MATCHES:
        raise InvalidArgument("there is no such match", field="match")
    return Asked(
        request.source,
        request.ids,
        _MATCHES[request.match],
        request.vector_column,
        request.id_column,
    )


def _ends_at() -> float:
    current = scope()
    return current.ends_at if current else math.inf


def _response(card: ModelCard, embedded: Embedded) -> embedding_pb2.EmbedImagesResponse:
    statuses = [image_pb2.ItemStatus() for _ in embedded.vectors]
    for place, failure in embedded.failures.items():
        statuses[place] = image_pb2.ItemStatus(reason=failure.reason, message=failure.message)
    return embedding_pb2.EmbedImagesResponse(
        vectors=pack(embedded.vectors), statuses=statuses, model=card.model
    )


def _model(card: ModelCard, ready: bool) -> embedding_pb2.Model:
    return embedding_pb2.Model(
        model=card.model,
        dimensions=card.dimensions,
        input_pixels=card.input_pixels,
        source=f"{card.source}, {card.licence}",
        ready=ready,
        texts=card.text is not None,
    )
