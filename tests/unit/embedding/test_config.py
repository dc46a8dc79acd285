import pytest

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.config import from_env
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.__main__ import make_backend
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.backends.triton import TritonBackend
from hundredfold.embedding.config import EmbeddingConfig

REPOSITORY = ModelRepository(ArtifactStore("memory://embedding-config"))


def test_the_backend_is_the_one_that_the_environment_names() -> None:
    config = from_env(EmbeddingConfig, "embedding", {})
    assert isinstance(make_backend(config, REPOSITORY), OnnxBackend)
    names = {
        "HUNDREDFOLD_EMBEDDING_BACKEND": "triton",
        "HUNDREDFOLD_EMBEDDING_TRITON_URL": "127.0.0.1:1",
    }
    backend = make_backend(from_env(EmbeddingConfig, "embedding", names), REPOSITORY)
    assert isinstance(backend, TritonBackend)
    backend.close()


def test_a_backend_that_does_not_exist_is_refused() -> None:
    config = from_env(EmbeddingConfig, "embedding", {"HUNDREDFOLD_EMBEDDING_BACKEND": "abacus"})
    with pytest.raises(InvalidArgument, match="abacus"):
        make_backend(config, REPOSITORY)


def test_sources_are_those_that_all_services_share() -> None:
    config = from_env(EmbeddingConfig, "embedding", {"HUNDREDFOLD_SOURCES": "/images;/data"})
    assert config.sources == ("/images", "/data")
