"""One contract suite for all backends; a new one inherits it by adding a class below."""

import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import Conflict, NotFound, ServiceError, Unavailable
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.base import Backend
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.backends.triton import TritonBackend
from tests.contract.embedding_fixtures import COLOUR, LITE0, photo, publish_colour
from tests.contract.triton_server import TritonServer, Unsupported, triton_server


@pytest.fixture(scope="module")
def store(lite0_store: ArtifactStore, tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    publish_colour(lite0_store, tmp_path_factory.mktemp("colour"))
    return lite0_store


@pytest.fixture(scope="module")
def card(store: ArtifactStore) -> ModelCard:
    return ModelRepository(store).card(LITE0)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.stack([photo(seed, 224, 224) for seed in range(5)])


@pytest.fixture(scope="module")
def expected(
    store: ArtifactStore, card: ModelCard, images: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Vectors of ONNX Runtime in this process, one image a call."""
    backend = OnnxBackend(ModelRepository(store), threads=1)
    return np.concatenate([backend.embed(card, image[None], seconds=math.inf) for image in images])


class BackendSuite:
    """What each backend promises. A subclass has a fixture `backend`."""

    def test_vectors_are_those_of_the_model_file(
        self,
        backend: Backend,
        card: ModelCard,
        images: NDArray[np.uint8],
        expected: NDArray[np.float32],
    ) -> None:
        vectors = backend.embed(card, images, seconds=30)
        assert vectors.dtype == np.float32
        assert vectors.shape == (5, 1280)
        assert (vectors * expected).sum(axis=1).min() >= 0.999

    def test_vectors_have_length_one(
        self, backend: Backend, card: ModelCard, images: NDArray[np.uint8]
    ) -> None:
        lengths = np.linalg.norm(backend.embed(card, images, seconds=30), axis=1)
        np.testing.assert_allclose(lengths, 1, atol=1e-5)

    def test_one_image_is_a_batch_too(
        self,
        backend: Backend,
        card: ModelCard,
        images: NDArray[np.uint8],
        expected: NDArray[np.float32],
    ) -> None:
        (vector,) = backend.embed(card, images[3:4], seconds=30)
        assert float(vector @ expected[3]) >= 0.999

    def test_a_full_batch_keeps_the_order(self, backend: Backend) -> None:
        colours = np.random.default_rng(0).integers(
            1, 256, (backend.pace.images, 1, 1, 3), dtype=np.uint8
        )
        images = np.broadcast_to(colours, (backend.pace.images, 32, 32, 3))
        vectors = backend.embed(COLOUR, images, seconds=30)
        plain = colours[:, 0, 0].astype(np.float32)
        np.testing.assert_allclose(
            vectors, plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-4
        )

    def test_calls_at_once_do_not_mix(
        self,
        backend: Backend,
        card: ModelCard,
        images: NDArray[np.uint8],
        expected: NDArray[np.float32],
    ) -> None:
        def embed(i: int) -> float:
            (vector,) = backend.embed(card, images[i : i + 1], seconds=60)
            return float(vector @ expected[i])

        with ThreadPoolExecutor(2 * backend.pace.calls) as pool:
            assert min(pool.map(embed, [i % 5 for i in range(20)])) >= 0.999

    def test_a_nan_of_the_model_is_passed_on(self, backend: Backend) -> None:
        black = np.zeros((1, 32, 32, 3), np.uint8)
        assert np.isnan(backend.embed(COLOUR, black, seconds=30)).all()

    def test_a_model_that_is_not_there_is_refused(self, backend: Backend) -> None:
        absent = ModelCard("absent@1", 3, 32, 3, "", "")
        with pytest.raises((NotFound, Unavailable)):
            backend.embed(absent, np.zeros((1, 32, 32, 3), np.uint8), seconds=10)

    def test_ready_tells_what_would_run(self, backend: Backend, card: ModelCard) -> None:
        absent = ModelCard("absent@1", 3, 32, 3, "", "")
        assert backend.ready([card, absent]) == {LITE0}


class TestOnnx(BackendSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, store: ArtifactStore) -> Iterator[Backend]:
        backend = OnnxBackend(ModelRepository(store), threads=2)
        yield backend
        backend.close()


class TestOpenVino(BackendSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, store: ArtifactStore) -> Iterator[Backend]:
        pytest.importorskip("openvino")
        from hundredfold.embedding.backends.openvino import OpenVinoBackend  # noqa: PLC0415

        backend = OpenVinoBackend(ModelRepository(store), threads=2)
        yield backend
        backend.close()

    def test_vectors_do_not_depend_on_how_images_are_put_into_calls(
        self, backend: Backend, card: ModelCard, images: NDArray[np.uint8]
    ) -> None:
        whole = backend.embed(card, images[: backend.pace.images], seconds=30)
        for begin, end in ((0, 1), (1, 4), (0, 3)):
            part = backend.embed(card, images[begin:end], seconds=30)
            np.testing.assert_array_equal(part, whole[begin:end])

    def test_many_more_callers_than_streams_are_all_answered(self, backend: Backend) -> None:
        images = np.full((backend.pace.images, 32, 32, 3), 7, np.uint8)
        for _ in range(20):  # each time with threads of its own, as callers come and go
            with ThreadPoolExecutor(8) as pool:
                done = [pool.submit(backend.embed, COLOUR, images, seconds=30) for _ in range(64)]
                assert all(future.result(30).shape == (backend.pace.images, 3) for future in done)

    def test_a_file_that_is_no_network_is_a_conflict(
        self, backend: Backend, tmp_path: Path, store: ArtifactStore
    ) -> None:
        (tmp_path / "noise").write_bytes(b"no network")
        broken = ModelCard("broken@1", 3, 32, 3, "", "")
        repository = ModelRepository(store)
        repository.publish(broken, tmp_path / "noise")
        with pytest.raises(Conflict, match="broken@1"):
            backend.embed(broken, np.zeros((1, 32, 32, 3), np.uint8), seconds=10)
        repository.remove("broken@1")
        # Triton does not start with a model that has a config and no version.
        assert "broken" not in store.list(layout.models())


_TWO_AT_ONCE = """
import sys, threading
import numpy as np
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.openvino import OpenVinoBackend

repository = ModelRepository(ArtifactStore(sys.argv[1]))
backend, card = OpenVinoBackend(repository, threads=2), repository.card("colour@1")
both = threading.Barrier(2)

def embed():
    both.wait()
    for _ in range(100):
        backend.embed(card, np.ones((4, 32, 32, 3), np.uint8), seconds=10)

threads = [threading.Thread(target=embed) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_the_first_two_calls_of_a_process_may_be_at_once(store: ArtifactStore) -> None:
    pytest.importorskip("openvino")
    command = [sys.executable, "-c", _TWO_AT_ONCE, store.root]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run(command, env=environment, timeout=120, check=False).returncode == 0


def test_bf16_is_near_float32_and_does_not_depend_on_calls(
    store: ArtifactStore,
    card: ModelCard,
    images: NDArray[np.uint8],
    expected: NDArray[np.float32],
) -> None:
    pytest.importorskip("openvino")
    from hundredfold.embedding.backends.openvino import OpenVinoBackend, has_bf16  # noqa: PLC0415

    if not has_bf16():
        pytest.skip("this processor has no bf16")
    backend = OpenVinoBackend(ModelRepository(store), threads=1, precision="bf16")
    vectors = backend.embed(card, images[:4], seconds=30)
    one = np.concatenate([backend.embed(card, image[None], seconds=30) for image in images[:4]])
    backend.close()
    np.testing.assert_array_equal(vectors, one)
    cosine = (vectors * expected[:4]).sum(axis=1)
    assert 0.98 < cosine.min() < 0.99999


@pytest.fixture(scope="module")
def server(
    store: ArtifactStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TritonServer]:
    try:
        with triton_server(
            Path(store.root) / "models", tmp_path_factory.mktemp("triton")
        ) as server:
            yield server
    except Unsupported as reason:
        pytest.skip(f"no Triton server: {reason}")


class TestTriton(BackendSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, server: TritonServer, store: ArtifactStore) -> Iterator[Backend]:
        backend = TritonBackend(
            server.url, deadline_seconds=30, reference=OnnxBackend(ModelRepository(store))
        )
        yield backend
        backend.close()

    def test_vectors_do_not_depend_on_how_images_are_put_into_calls(
        self, backend: Backend, card: ModelCard, images: NDArray[np.uint8]
    ) -> None:
        whole = backend.embed(card, images, seconds=30)
        for begin, end in ((0, 1), (1, 5), (0, 4)):
            part = backend.embed(card, images[begin:end], seconds=30)
            np.testing.assert_array_equal(part, whole[begin:end])

    def test_a_deadline_that_is_too_short_is_unavailable(
        self, backend: Backend, card: ModelCard
    ) -> None:
        images = np.zeros((16, 224, 224, 3), np.uint8)
        with pytest.raises(Unavailable):
            backend.embed(card, images, seconds=0.001)

    def test_a_version_that_is_not_served_is_unavailable(
        self, backend: Backend, card: ModelCard
    ) -> None:
        later = ModelCard("efficientnet-lite0@2", 1280, 224, 1000, "", "")
        with pytest.raises(Unavailable, match="efficientnet-lite0@2"):
            backend.embed(later, np.zeros((1, 224, 224, 3), np.uint8), seconds=10)


class TestTritonOverItsConnection(BackendSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, server: TritonServer) -> Iterator[Backend]:
        backend = TritonBackend(server.url, deadline_seconds=30, shared_memory=False)
        yield backend
        backend.close()


@pytest.fixture(scope="module")
def explicit_server(
    store: ArtifactStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TritonServer]:
    """A server that loads a model only when it is asked to."""
    folder = tmp_path_factory.mktemp("explicit")
    try:
        with triton_server(
            Path(store.root) / "models", folder, "--model-control-mode=explicit"
        ) as server:
            yield server
    except Unsupported as reason:
        pytest.skip(f"no Triton server: {reason}")


def test_a_model_that_the_server_has_not_loaded_is_loaded(
    explicit_server: TritonServer, images: NDArray[np.uint8]
) -> None:
    backend = TritonBackend(explicit_server.url, deadline_seconds=30)
    assert backend.ready([COLOUR]) == set()
    assert backend.embed(COLOUR, images[:, :32, :32], seconds=60).shape == (5, 3)
    assert backend.ready([COLOUR]) == {COLOUR.model}
    backend.close()


def test_a_killed_server_is_unavailable_within_the_deadline(
    explicit_server: TritonServer, card: ModelCard, images: NDArray[np.uint8]
) -> None:
    backend = TritonBackend(explicit_server.url, deadline_seconds=3)
    backend.embed(card, images, seconds=60)
    errors = _errors_while_killed(backend, card, images, explicit_server)
    assert [type(error) for error in errors] == [Unavailable] * len(errors)
    assert backend.ready([card]) == set()
    backend.close()


def _errors_while_killed(
    backend: Backend, card: ModelCard, images: NDArray[np.uint8], server: TritonServer
) -> list[ServiceError]:
    """Callers that are at it when the server is killed, and one that comes later: what each one gets."""
    started = threading.Barrier(5)

    def call_until_error(_: int) -> ServiceError:
        started.wait()
        while True:
            try:
                backend.embed(card, images, seconds=30)
            except ServiceError as error:
                return error

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call_until_error, i) for i in range(4)]
        started.wait()
        server.kill()
        errors = [call.result() for call in calls]
    with pytest.raises(Unavailable) as later:
        backend.embed(card, images, seconds=30)
    return [*errors, later.value]


def test_a_place_without_a_server_is_unavailable_at_once(card: ModelCard) -> None:
    backend = TritonBackend("127.0.0.1:1", deadline_seconds=5)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        backend.embed(card, np.zeros((1, 224, 224, 3), np.uint8), seconds=5)
    assert backend.ready([card]) == set()
    backend.close()
