from importlib.util import find_spec

import pytest

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.config import from_env
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.__main__ import make_backend, make_elsewhere, make_precisions
from hundredfold.embedding.backends.onnx import OnnxBackend, has_cuda
from hundredfold.embedding.backends.triton import TritonBackend
from hundredfold.embedding.config import EmbeddingConfig
from hundredfold.embedding.embedder import Embedder

REPOSITORY = ModelRepository(ArtifactStore("memory://embedding-config"))


def test_the_backend_is_the_one_that_the_environment_names() -> None:
    config = from_env(EmbeddingConfig, "embedding", {"HUNDREDFOLD_EMBEDDING_BACKEND": "onnx"})
    assert isinstance(make_backend(config, REPOSITORY), OnnxBackend)
    names = {
        "HUNDREDFOLD_EMBEDDING_BACKEND": "triton",
        "HUNDREDFOLD_EMBEDDING_TRITON_URL": "127.0.0.1:1",
    }
    backend = make_backend(from_env(EmbeddingConfig, "embedding", names), REPOSITORY)
    assert isinstance(backend, TritonBackend)
    backend.close()


def test_without_a_name_it_is_openvino_where_that_is_installed() -> None:
    config = from_env(EmbeddingConfig, "embedding", {})
    name = type(make_backend(config, REPOSITORY)).__name__
    assert name == (
        "OpenVinoBackend" if find_spec("openvino") and not has_cuda() else "OnnxBackend"
    )


@pytest.mark.parametrize(
    ("backend", "precision", "wrong"), [("onnx", "bf16", "bf16 needs"), ("auto", "half", "half")]
)
def test_a_precision_that_is_not_to_be_had_is_refused(
    backend: str, precision: str, wrong: str
) -> None:
    names = {
        "HUNDREDFOLD_EMBEDDING_BACKEND": backend,
        "HUNDREDFOLD_EMBEDDING_PRECISION": precision,
    }
    config = from_env(EmbeddingConfig, "embedding", names)
    embedder = Embedder(OnnxBackend(REPOSITORY), decoders=1)
    with pytest.raises(InvalidArgument, match=wrong):
        make_precisions(config, REPOSITORY, embedder)
    embedder.close()


def test_a_backend_that_does_not_exist_is_refused() -> None:
    config = from_env(EmbeddingConfig, "embedding", {"HUNDREDFOLD_EMBEDDING_BACKEND": "abacus"})
    with pytest.raises(InvalidArgument, match="abacus"):
        make_backend(config, REPOSITORY)


@pytest.mark.parametrize(
    ("engine", "backend", "expected"),
    [
        ("local", "auto", False),
        ("ray", "auto", True),
        ("ray", "onnx", True),
        ("ray", "triton", False),
    ],
)
def test_collections_are_embedded_on_ray_but_for_triton(
    engine: str, backend: str, expected: bool
) -> None:
    names = {"HUNDREDFOLD_ENGINE": engine, "HUNDREDFOLD_EMBEDDING_BACKEND": backend}
    config = from_env(EmbeddingConfig, "embedding", names)
    made = make_elsewhere(config, ArtifactStore("memory://embedding-config"), Sources(()))
    assert (made is not None) is expected
    assert made is None or made.backend == backend


def test_sources_are_those_that_all_services_share() -> None:
    config = from_env(EmbeddingConfig, "embedding", {"HUNDREDFOLD_SOURCES": "/images;/data"})
    assert config.sources == ("/images", "/data")
