"""The embedding service: `hundredfold-embedding`, or `python -m hundredfold.embedding`."""

import logging
import sys
import threading

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.config import from_env
from hundredfold.chassis.entry import entry_point
from hundredfold.chassis.errors import InvalidArgument, ServiceError
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import build_server, serve
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.base import Backend
from hundredfold.embedding.backends.onnx import OnnxBackend, cores
from hundredfold.embedding.backends.triton import TritonBackend
from hundredfold.embedding.config import EmbeddingConfig
from hundredfold.embedding.embedder import Embedder
from hundredfold.embedding.provision import Models
from hundredfold.embedding.servicer import EmbeddingServicer, embedding_mount
from hundredfold.embedding.space_job import KIND, EmbedCollection

_log = logging.getLogger(__name__)
_SERVICE = "embedding"


def make_backend(config: EmbeddingConfig, repository: ModelRepository) -> Backend:
    """The backend that the config names.

    Raises:
        InvalidArgument: there is none of that name.
    """
    if config.backend == "onnx":
        return OnnxBackend(repository, config.threads)
    if config.backend == "triton":
        return TritonBackend(
            config.triton_url,
            config.triton_deadline_seconds,
            config.triton_patience_seconds,
            shared_memory=config.triton_shared_memory,
            reference=OnnxBackend(repository),
        )
    raise InvalidArgument(f"backend {config.backend!r} is not onnx or triton", field="backend")


@entry_point
def main() -> int:
    """Serve until SIGTERM."""
    config = from_env(EmbeddingConfig, _SERVICE)
    store = ArtifactStore(config.store)
    repository = ModelRepository(store)
    models = Models(repository, config.store, config.model)
    backend = make_backend(config, repository)
    embedder = Embedder(backend, config.threads or cores())
    job = EmbedCollection(
        store, models, Sources(config.sources), embedder, keep_tuned=config.keep_tuned
    )
    runs = Runs(store, _SERVICE, {KIND: job})
    servicer = EmbeddingServicer(store, models, embedder, runs)
    server = build_server(config, _SERVICE, [embedding_mount(servicer), runs_mount(runs)])
    if isinstance(backend, TritonBackend):
        server.metrics.registry.register(backend)
    threading.Thread(target=_provide, args=(models,), name="provide", daemon=True).start()
    runs.resume()

    def stop() -> None:
        runs.close()
        embedder.close()

    return serve(server, on_stop=stop)


def _provide(models: Models) -> None:
    """Have the default model ready before the first caller wants it; the caller is told what is wrong."""
    try:
        models.provide()
    except ServiceError as error:
        _log.warning("no default model: %s", error.message)


if __name__ == "__main__":
    sys.exit(main())
