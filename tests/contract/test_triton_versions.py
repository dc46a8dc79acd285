"""Blue and green on a real Triton server: a version beside another, checked, taken up, and given up again."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import Conflict, ServiceError
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.backends.triton import TritonBackend
from hundredfold.embedding.triton import main
from tests.contract.embedding_fixtures import COLOUR, publish_colour
from tests.contract.triton_house import House
from tests.contract.triton_models import (
    COLOUR_2,
    COLOUR_3,
    copy_version,
    publish_tinted,
    write_tinted,
)
from tests.contract.triton_server import TritonServer, Unsupported, triton_server

IMAGES = np.random.default_rng(0).integers(1, 256, (5, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """Version 1 alone."""
    store = ArtifactStore(str(tmp_path / "store"))
    publish_colour(store, tmp_path)
    return store


@pytest.fixture
def served(store: ArtifactStore, tmp_path: Path) -> Path:
    """The server's repository, elsewhere than the store."""
    (tmp_path / "served" / "colour").mkdir(parents=True)
    copy_version(store, COLOUR, tmp_path / "served")
    return tmp_path / "served"


@pytest.fixture
def server(served: Path, tmp_path: Path) -> Iterator[TritonServer]:
    (tmp_path / "server").mkdir()
    try:
        with triton_server(
            served,
            tmp_path / "server",
            "--model-control-mode=explicit",
            "--load-model=colour",
        ) as server:
            yield server
    except Unsupported as reason:
        pytest.skip(f"no Triton server: {reason}")


@pytest.fixture
def backend(server: TritonServer, store: ArtifactStore) -> Iterator[TritonBackend]:
    backend = TritonBackend(server.url, 30, reference=OnnxBackend(ModelRepository(store)))
    yield backend
    backend.close()


class Callers:
    """Calls a version over and over; what it got, and what went wrong."""

    def __init__(self, backend: TritonBackend, card: ModelCard) -> None:
        self.answers: list[NDArray[np.float32]] = []
        self.errors: list[ServiceError] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._call, args=(backend, card))
        self._thread.start()

    def _call(self, backend: TritonBackend, card: ModelCard) -> None:
        while not self._ends.is_set():
            try:
                self.answers.append(backend.embed(card, IMAGES, seconds=30))
            except ServiceError as error:
                self.errors.append(error)

    def close(self) -> None:
        self._ends.set()
        self._thread.join()


def test_a_version_is_put_beside_another_checked_taken_up_and_given_up_again(
    backend: TritonBackend, store: ArtifactStore, served: Path, tmp_path: Path
) -> None:
    blue = backend.embed(COLOUR, IMAGES, seconds=30)
    with closing(Callers(backend, COLOUR)) as callers:
        publish_tinted(store, tmp_path, COLOUR_2, red=90)
        copy_version(store, COLOUR_2, served)
        assert backend.ready([COLOUR, COLOUR_2]) == {COLOUR.model}
        assert backend.check(COLOUR_2) >= 0.999
        assert backend.ready([COLOUR, COLOUR_2]) == {COLOUR.model, COLOUR_2.model}
        green = backend.embed(COLOUR_2, IMAGES, seconds=30)
        again = backend.embed(COLOUR, IMAGES, seconds=30)
    assert callers.errors == []
    for answer in [again, *callers.answers]:
        np.testing.assert_array_equal(answer, blue)
    assert float((blue * green).sum(axis=1).min()) < 0.999
    expected = OnnxBackend(ModelRepository(store)).embed(COLOUR_2, IMAGES, seconds=30)
    np.testing.assert_allclose(green, expected, atol=1e-6)


def test_a_version_that_is_not_that_of_the_store_is_never_used_and_the_other_goes_on(
    backend: TritonBackend, store: ArtifactStore, served: Path, tmp_path: Path
) -> None:
    publish_tinted(store, tmp_path, COLOUR_3, red=90)
    write_tinted(copy_version(store, COLOUR_3, served) / layout.MODEL_FILE, red=5)
    for use in (backend.check, lambda card: backend.embed(card, IMAGES, seconds=30)):
        with pytest.raises(Conflict, match="colour@3") as refused:
            use(COLOUR_3)
        assert refused.value.reason == "GOLDEN_VECTORS_DIFFER"
    assert backend.embed(COLOUR, IMAGES, seconds=30).shape == (5, 3)


def test_spaces_of_two_versions_never_mix_and_rolling_back_embeds_nothing(
    server: TritonServer, store: ArtifactStore, served: Path, tmp_path: Path
) -> None:
    publish_tinted(store, tmp_path, COLOUR_2, red=90)
    copy_version(store, COLOUR_2, served)
    backend = TritonBackend(server.url, 30, reference=OnnxBackend(ModelRepository(store)))
    with closing(House(tmp_path, backend, COLOUR)) as house:
        house.collection(40)
        results = [house.run(card.model).result for card in (COLOUR, COLOUR_2)]
        assert [each["space"] for each in results] == [COLOUR.model, COLOUR_2.model]
        blue, green = house.vectors(COLOUR.model), house.vectors(COLOUR_2.model)
        assert (np.abs(blue - green).max(axis=1) > 0.01).all()
        before = house.bytes(COLOUR.model)
        assert house.run(COLOUR.model).result["space"] == COLOUR.model
        assert house.bytes(COLOUR.model) == before
        assert house.run(COLOUR.model).result["vectors"] == 40


def test_the_command_loads_and_checks_a_version(
    server: TritonServer,
    store: ArtifactStore,
    served: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish_tinted(store, tmp_path, COLOUR_2, red=90)
    command = ["--store", store.root, "check", COLOUR_2.model, "--url", server.url]
    assert main(command) == 1
    assert COLOUR_2.model in capsys.readouterr().err
    copy_version(store, COLOUR_2, served)
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == COLOUR_2.model
    assert told["cosine"] >= 0.999


def test_the_command_configures_a_name_for_gpus(
    store: ArtifactStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--store", store.root, "configure", "colour", "--kind", "gpu"]) == 0
    assert "KIND_GPU" in store.read_bytes(layout.model_config("colour")).decode()
    assert main(["--store", store.root, "configure", "absent"]) == 1
    assert "absent" in capsys.readouterr().err
