"""A model that only an operator's Triton server has: noted, tried, and run there."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.backends.triton import TritonBackend
from hundredfold.embedding.export.__main__ import main
from tests.contract.embedding_fixtures import publish_colour
from tests.contract.triton_server import TritonServer, Unsupported, triton_server

RED = np.zeros((1, 32, 32, 3), np.uint8)
RED[..., 0] = 200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    theirs, folder = tmp_path_factory.mktemp("theirs"), tmp_path_factory.mktemp("triton")
    publish_colour(ArtifactStore(str(theirs)), folder)
    try:
        with triton_server(theirs / "models", folder) as server:
            yield server
    except Unsupported as why:
        pytest.skip(str(why))


def add(tmp_path: Path, url: str, model: str = "colour@1") -> int:
    return main([f"triton:{model}", "--url", url, "--store", str(tmp_path), "--licence", "CC0-1.0"])


def test_it_is_noted_and_run_at_the_server(server: TritonServer, tmp_path: Path) -> None:
    assert add(tmp_path, server.url) == 0
    models = ModelRepository(ArtifactStore(str(tmp_path)))
    card = models.card("colour@1")
    assert (card.dimensions, card.input_pixels, card.licence) == (3, 32, "CC0-1.0")
    assert card.source.startswith("served by Triton")
    backend = TritonBackend(server.url)
    np.testing.assert_allclose(backend.embed(card, RED, seconds=30), [[1, 0, 0]], atol=1e-6)
    backend.close()
    with pytest.raises(Conflict, match="BACKEND=triton") as error:
        OnnxBackend(models, 1).embed(card, RED, seconds=math.inf)
    assert error.value.reason == "ONLY_SERVED"


def test_a_model_or_version_that_the_server_has_not_is_told(
    server: TritonServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model in ("absent@1", "colour@2"):
        assert add(tmp_path, server.url, model) == 1
        assert f"says of {model}" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_a_server_that_is_away_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(tmp_path, "127.0.0.1:9") == 1
    assert "127.0.0.1:9" in capsys.readouterr().err
