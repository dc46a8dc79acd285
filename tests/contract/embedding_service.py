"""A real embedding service in process, on a store of its own with the tiny backbone."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from hundredfold.api.embedding.v1 import embedding_pb2, embedding_pb2_grpc
from hundredfold.api.runs.v1 import runs_pb2
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import serving
from hundredfold.embedding.backends.base import Backend
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.embedder import Embedder
from hundredfold.embedding.import_job import KIND as IMPORT
from hundredfold.embedding.import_job import ImportVectors
from hundredfold.embedding.precision import Precisions
from hundredfold.embedding.provision import Models
from hundredfold.embedding.servicer import EmbeddingServicer, embedding_mount
from hundredfold.embedding.space_job import KIND, EmbedCollection
from tests.contract.embedding_fixtures import COLOUR, plain

RED, GREEN, BLACK = plain(255, 0, 0), plain(0, 255, 0), plain(0, 0, 0)


class Service:
    """A real service on a store of its own, with the tiny backbone `colour@1`."""

    def __init__(self, root: Path, channel: grpc.Channel, store: ArtifactStore, runs: Runs) -> None:
        self.root = root
        self.store = store
        self.runs = runs
        self.stub = embedding_pb2_grpc.EmbeddingServiceStub(channel)

    def embed(
        self, *messages: list[bytes], model: str = ""
    ) -> list[embedding_pb2.EmbedImagesResponse]:
        requests = [embedding_pb2.EmbedImagesRequest(model=model, images=m) for m in messages]
        return list(self.stub.EmbedImages(iter(requests)))

    def start(self, collection: str, **fields: Any) -> runs_pb2.Run:
        fields = {"request_id": str(uuid.uuid4())} | fields
        request = embedding_pb2.EmbedCollectionRequest(collection=collection, **fields)
        return self.stub.EmbedCollection(request).run

    def finished(self, collection: str, **fields: str) -> dict[str, Any]:
        run = self.runs.wait(self.start(collection, **fields).run_id, 30)
        assert run.state == "SUCCEEDED", run.error
        return dict(run.result)


@contextmanager
def service(
    root: Path,
    backend: Backend | None = None,
    *,
    bytes_at_once: int = 1 << 20,
    imports: type[ImportVectors] = ImportVectors,
) -> Iterator[Service]:
    store = ArtifactStore(str(root / "store"))
    repository = ModelRepository(store)
    models = Models(repository, store.root, COLOUR.model)
    embedder = Embedder(backend or OnnxBackend(repository, threads=2), decoders=1)
    sources = Sources((str(root),))
    taking = imports(store, repository, sources, bytes_at_once=bytes_at_once)
    jobs = {KIND: EmbedCollection(store, models, sources, Precisions(embedder)), IMPORT: taking}
    runs = Runs(store, "embedding", jobs)
    servicer = EmbeddingServicer(store, models, embedder, runs, taking)
    try:
        with serving(embedding_mount(servicer), runs_mount(runs)) as channel:
            yield Service(root, channel, store, runs)
    finally:
        runs.close()
        embedder.close()
