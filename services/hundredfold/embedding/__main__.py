"""The embedding service: `hundredfold-embedding`, or `python -m hundredfold.embedding`."""

import logging
import sys
import threading

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.config import from_env
from hundredfold.chassis.engine import engine
from hundredfold.chassis.entry import entry_point
from hundredfold.chassis.errors import InvalidArgument, ServiceError
from hundredfold.chassis.memory import keep_freed_memory
from hundredfold.chassis.runs import Job, Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import build_server, serve
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.base import Backend
from hundredfold.embedding.backends.onnx import OnnxBackend, cores
from hundredfold.embedding.backends.triton import TritonBackend
from hundredfold.embedding.backends.within import backend_within, has_bf16
from hundredfold.embedding.config import EmbeddingConfig
from hundredfold.embedding.elsewhere import Elsewhere
from hundredfold.embedding.embedder import Embedder
from hundredfold.embedding.import_job import KIND as IMPORT
from hundredfold.embedding.import_job import ImportVectors
from hundredfold.embedding.precision import AUTO, BF16, FLOAT32, Precisions
from hundredfold.embedding.provision import Models
from hundredfold.embedding.servicer import EmbeddingServicer, embedding_mount
from hundredfold.embedding.space_job import KIND, EmbedCollection

_log = logging.getLogger(__name__)
_SERVICE = "embedding"
_TRITON = "triton"


def make_backend(config: EmbeddingConfig, repository: ModelRepository) -> Backend:
    """The backend that the config names.

    Raises:
        InvalidArgument: there is none of that name.
    """
    if config.backend == _TRITON:
        return TritonBackend(
            config.triton_url,
            config.triton_deadline_seconds,
            config.triton_patience_seconds,
            shared_memory=config.triton_shared_memory,
            reference=OnnxBackend(repository),
        )
    return backend_within(config.backend, repository, config.threads)


def make_precisions(
    config: EmbeddingConfig, repository: ModelRepository, embedder: Embedder
) -> Precisions:
    """What embeds spaces, in bf16 too where backend and processor have it.

    Raises:
        InvalidArgument: there is no such precision, or it is not to be had here.
    """
    if config.precision not in {AUTO, FLOAT32, BF16}:
        raise InvalidArgument(
            f"precision {config.precision!r} is not {AUTO}, {FLOAT32} or {BF16}", field="precision"
        )
    if config.precision == BF16 or (config.precision == AUTO and has_bf16(config.backend)):
        backend = backend_within(config.backend, repository, config.threads, BF16)
        bf16 = Embedder(backend, config.threads or cores())
        return Precisions(embedder, bf16, config.precision)
    return Precisions(embedder, wanted=config.precision)


def make_elsewhere(
    config: EmbeddingConfig, store: ArtifactStore, sources: Sources
) -> Elsewhere | None:
    """How workers of the engine embed collections; None = the service does, or Triton for it."""
    if config.engine == "local" or config.backend == _TRITON:
        return None
    return Elsewhere(store, sources, config.backend)


@entry_point
def main() -> int:
    """Serve until SIGTERM."""
    keep_freed_memory()
    config = from_env(EmbeddingConfig, _SERVICE)
    store = ArtifactStore(config.store)
    repository = ModelRepository(store)
    models = Models(repository, config.store, config.model)
    backend = make_backend(config, repository)
    embedder = Embedder(backend, config.threads or cores())
    precisions = make_precisions(config, repository, embedder)
    sources = Sources(config.sources)
    elsewhere = make_elsewhere(config, store, sources)
    job = EmbedCollection(
        store, models, sources, precisions, elsewhere=elsewhere, keep_tuned=config.keep_tuned
    )
    imports = ImportVectors(store, repository, sources)
    jobs: dict[str, Job] = {KIND: job, IMPORT: imports}
    runs = Runs(store, _SERVICE, jobs, engine=engine(config.engine) if elsewhere else None)
    servicer = EmbeddingServicer(store, models, embedder, runs, imports)
    server = build_server(config, _SERVICE, [embedding_mount(servicer), runs_mount(runs)])
    if isinstance(backend, TritonBackend):
        server.metrics.registry.register(backend)
    threading.Thread(target=_provide, args=(models,), name="provide", daemon=True).start()
    runs.resume()

    def stop() -> None:
        runs.close()
        precisions.close()

    return serve(server, on_stop=stop)


def _provide(models: Models) -> None:
    """Have the default model ready before the first caller wants it; the caller is told what is wrong."""
    try:
        models.provide()
    except ServiceError as error:
        _log.warning("no default model: %s", error.message)


if __name__ == "__main__":
    sys.exit(main())
