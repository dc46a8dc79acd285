"""A real Triton server whose model misbehaves: nothing of it reaches the store."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import Conflict, Unavailable
from hundredfold.chassis.runs import State
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.base import Check, unchecked
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.backends.triton import ONLY_SERVED, TritonBackend
from tests.contract.embedding_fixtures import COLOUR, publish_colour
from tests.contract.triton_house import House
from tests.contract.triton_models import MISBEHAVIOUR, write_misbehaving
from tests.contract.triton_server import TritonServer, Unsupported, triton_server

WRONG = ["short", "long", "wide", "flat", "double"]


def card_of(how: str) -> ModelCard:
    return replace(COLOUR, model=f"{how}@1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    folder = tmp_path_factory.mktemp("misbehaving")
    for how in MISBEHAVIOUR:
        write_misbehaving(folder / "models", card_of(how), how)
    write_misbehaving(folder / "models", card_of("small"), "good", batch=10)
    write_misbehaving(folder / "models", card_of("queued"), "slow", queue=1)
    # A model of the repository's name whose vectors are others.
    write_misbehaving(folder / "models", COLOUR, "constant")
    try:
        with triton_server(folder / "models", folder) as server:
            yield server
    except Unsupported as reason:
        pytest.skip(f"no Triton server: {reason}")


@pytest.fixture(params=[True, False], ids=["shared memory", "connection"])
def backend(server: TritonServer, request: pytest.FixtureRequest) -> Iterator[TritonBackend]:
    backend = TritonBackend(server.url, deadline_seconds=30, shared_memory=request.param)
    yield backend
    backend.close()


IMAGES = np.random.default_rng(0).integers(1, 256, (5, 32, 32, 3), dtype=np.uint8)


def test_a_good_model_gives_what_it_is_to_give(backend: TritonBackend) -> None:
    vectors = backend.embed(card_of("good"), IMAGES, seconds=30)
    np.testing.assert_allclose(vectors, IMAGES.mean(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_answer_is_refused_and_the_next_right_one_taken(
    backend: TritonBackend, how: str
) -> None:
    with pytest.raises((Conflict, Unavailable), match=f"{how}@1"):
        backend.embed(card_of(how), IMAGES, seconds=30)
    assert backend.embed(card_of("good"), IMAGES, seconds=30).shape == (5, 3)


@pytest.mark.parametrize("how", ["wide", "flat"])
def test_a_wrong_shape_is_named_beside_the_right_one(server: TritonServer, how: str) -> None:
    backend = TritonBackend(server.url, deadline_seconds=30, shared_memory=False)
    with pytest.raises(Conflict, match=r"not FP32 \[5, 3\]") as refused:
        backend.embed(card_of(how), IMAGES, seconds=30)
    assert refused.value.reason == "WRONG_ANSWER"
    backend.close()


def test_a_model_that_raises_is_told(backend: TritonBackend) -> None:
    with pytest.raises(Unavailable, match="division by zero"):
        backend.embed(card_of("raising"), IMAGES, seconds=30)


def test_what_a_late_answer_writes_is_never_taken_for_another(server: TritonServer) -> None:
    backend = TritonBackend(server.url, deadline_seconds=30)
    with pytest.raises(Unavailable):
        backend.embed(card_of("late"), IMAGES, seconds=0.3)
    done = threading.Thread(target=lambda: backend.embed(card_of("late"), IMAGES, seconds=30))
    done.start()  # answered after the one that was given up
    while done.is_alive():
        vectors = backend.embed(card_of("good"), IMAGES, seconds=30)
        np.testing.assert_allclose(vectors, IMAGES.mean(axis=(1, 2)), rtol=1e-5)
    backend.close()


@pytest.mark.parametrize("how", [*WRONG, "raising"])
def test_a_run_with_a_wrong_model_fails_and_stores_nothing(
    server: TritonServer, tmp_path: Path, how: str
) -> None:
    house = House(tmp_path, TritonBackend(server.url, 30), card_of(how))
    house.collection(70)
    run = house.run()
    assert run.state == State.FAILED
    assert how in run.error
    assert house.rows() == []
    house.close()


def test_a_run_with_a_model_that_gives_nan_counts_failures_and_stores_nothing(
    server: TritonServer, tmp_path: Path
) -> None:
    house = House(tmp_path, TritonBackend(server.url, 30), card_of("nan"))
    house.collection(40)
    run = house.run()
    assert (run.result["vectors"], run.result["failed"]) == (0, 40)
    assert house.rows() == []
    house.close()


def test_a_server_that_takes_smaller_batches_only_gets_such_and_the_run_ends_whole(
    server: TritonServer, tmp_path: Path
) -> None:
    backend = TritonBackend(server.url, 30)
    with closing(House(tmp_path, backend, card_of("small"))) as house:
        house.collection(100)
        run = house.run()
        assert (run.state, house.rows()) == (State.SUCCEEDED, list(range(100)))
        assert backend.pace.most_images == 8


def test_a_server_whose_queue_is_full_is_asked_for_less_and_the_run_ends_whole(
    server: TritonServer, tmp_path: Path
) -> None:
    backend = TritonBackend(server.url, 30)
    with closing(House(tmp_path, backend, card_of("queued"))) as house:
        house.collection(300)
        run = house.run()
        assert (run.state, house.rows()) == (State.SUCCEEDED, list(range(300)))
        assert backend.pace.settled.calls < 4


def test_a_model_of_the_name_but_not_of_the_repository_is_refused_by_its_golden_vectors(
    server: TritonServer, tmp_path: Path
) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    publish_colour(store, tmp_path)
    reference = OnnxBackend(ModelRepository(store))
    house = House(tmp_path, TritonBackend(server.url, 30, reference=reference), COLOUR)
    house.collection(40)
    run = house.run()
    assert run.state == State.FAILED
    assert "golden" in run.error
    assert house.rows() == []
    house.close()


class Fileless(OnnxBackend):
    """A reference whose repository has the card alone."""

    def embed(
        self,
        card: ModelCard,
        images: NDArray[np.uint8],
        *,
        seconds: float,
        check: Check = unchecked,
    ) -> NDArray[np.float32]:
        raise Conflict(f"{card.model} is served elsewhere", reason=ONLY_SERVED)


def test_a_model_that_only_the_server_has_is_checked_by_the_shape_of_its_answers(
    server: TritonServer, tmp_path: Path
) -> None:
    reference = Fileless(ModelRepository(ArtifactStore(str(tmp_path))))
    with closing(TritonBackend(server.url, 30, reference=reference)) as backend:
        assert backend.embed(card_of("good"), IMAGES, seconds=30).shape == (5, 3)
        with pytest.raises(Conflict, match="wide@1"):
            backend.embed(card_of("wide"), IMAGES, seconds=30)
