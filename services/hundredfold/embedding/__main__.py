"""The embedding service: `hundredfold-embedding`, or `python -m hundredfold.embedding`."""

import logging
import sys
import threading
from importlib import import_module

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.config import from_env
from hundredfold.chassis.entry import entry_point
from hundredfold.chassis.errors import InvalidArgument, ServiceError
from hundredfold.chassis.memory import keep_freed_memory
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import build_server, serve
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.base import Backend
from hundredfold.embedding.backends.onnx import OnnxBackend, cores, has_cuda
from hundredfold.embedding.backends.triton import TritonBackend
from hundredfold.embedding.config import EmbeddingConfig
from hundredfold.embedding.embedder import Embedder
from hundredfold.embedding.import_job import KIND as IMPORT
from hundredfold.embedding.import_job import ImportVectors
from hundredfold.embedding.precision import AUTO, BF16, FLOAT32, Precisions
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
    if config.backend == "triton":
        return TritonBackend(
            config.triton_url,
            config.triton_deadline_seconds,
            config.triton_patience_seconds,
            shared_memory=config.triton_shared_memory,
            reference=OnnxBackend(repository),
        )
    if _is_openvino(config):
        return _openvino(config, repository, FLOAT32)
    if config.backend in {"auto", "onnx"}:
        return OnnxBackend(repository, config.threads)
    raise InvalidArgument(
        f"backend {config.backend!r} is not auto, onnx, openvino or triton", field="backend"
    )


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
    if config.precision == FLOAT32 or not (_is_openvino(config) and _has_bf16()):
        if config.precision == BF16:
            raise InvalidArgument(
                "precision bf16 needs the backend openvino and a processor that has it",
                field="precision",
            )
        return Precisions(embedder, wanted=config.precision)
    bf16 = Embedder(_openvino(config, repository, BF16), config.threads or cores())
    return Precisions(embedder, bf16, config.precision)


def _is_openvino(config: EmbeddingConfig) -> bool:
    """Whether it is named, or is the best of what is installed: no CUDA device waits for ONNX Runtime."""
    return config.backend == "openvino" or (
        config.backend == "auto" and not has_cuda() and _has_openvino()
    )


def _has_openvino() -> bool:
    try:
        import_module("openvino")
    except ImportError:
        return False
    return True


def _has_bf16() -> bool:
    # Not above: OpenVINO is an extra, and takes a second to load.
    from hundredfold.embedding.backends.openvino import has_bf16  # noqa: PLC0415

    return has_bf16()


def _openvino(config: EmbeddingConfig, repository: ModelRepository, precision: str) -> Backend:
    from hundredfold.embedding.backends.openvino import OpenVinoBackend  # noqa: PLC0415

    return OpenVinoBackend(repository, config.threads, precision)


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
    job = EmbedCollection(store, models, sources, precisions, keep_tuned=config.keep_tuned)
    imports = ImportVectors(store, repository, sources)
    runs = Runs(store, _SERVICE, {KIND: job, IMPORT: imports})
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
