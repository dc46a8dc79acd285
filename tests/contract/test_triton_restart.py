"""A real Triton server that is killed and started again, and clients of it that are killed."""

import logging
import math
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from tritonclient import grpc as triton

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import Unavailable
from hundredfold.chassis.runs import State
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import wait_for
from hundredfold.embedding.backends.base import Check, unchecked
from hundredfold.embedding.backends.breaker import Breaker
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.backends.regions import FOLDER, PREFIX, NoSharedMemory, Regions
from hundredfold.embedding.backends.transport import Transport
from hundredfold.embedding.backends.triton import TritonBackend
from tests.contract.embedding_fixtures import COLOUR, publish_colour
from tests.contract.triton_house import House
from tests.contract.triton_server import TritonServer, Unsupported, triton_server

_MANIFEST = Path(__file__).parents[2] / "deploy/k8s/components/triton/triton.yaml"

IMAGES = np.random.default_rng(0).integers(1, 256, (5, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    folder = tmp_path_factory.mktemp("restart")
    store = ArtifactStore(str(folder / "store"))
    publish_colour(store, folder)
    return store


@pytest.fixture(
    scope="module", params=[(), ("--model-control-mode=explicit",)], ids=["all", "explicit"]
)
def server(
    store: ArtifactStore, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[TritonServer]:
    folder = tmp_path_factory.mktemp("server")
    try:
        with triton_server(Path(store.root) / "models", folder, *request.param) as server:
            yield server
    except Unsupported as reason:
        pytest.skip(f"no Triton server: {reason}")


class Held(TritonBackend):
    """The real backend, which can be held before a call once it has seen some images."""

    seen = 0
    holds_after: float = math.inf

    def __init__(self, url: str, store: ArtifactStore, deadline_seconds: float = 10) -> None:
        reference = OnnxBackend(ModelRepository(store))
        breaker = Breaker(seconds=0.2)
        super().__init__(url, deadline_seconds, 60, reference=reference, breaker=breaker)
        self.goes_on = threading.Event()

    def embed(
        self,
        card: ModelCard,
        images: NDArray[np.uint8],
        *,
        seconds: float,
        check: Check = unchecked,
    ) -> NDArray[np.float32]:
        if self.seen >= self.holds_after:
            assert self.goes_on.wait(60)
        self.seen += len(images)
        return super().embed(card, images, seconds=seconds, check=check)


def metrics(backend: TritonBackend) -> Mapping[str, float]:
    """What Prometheus would see: of the circuit the state, of the calls those of each code."""
    registry = CollectorRegistry()
    registry.register(backend)
    samples = [sample for family in registry.collect() for sample in family.samples]
    return {
        ".".join([each.name.removeprefix("hundredfold_triton_"), *each.labels.values()]): each.value
        for each in samples
    }


def test_a_run_goes_on_over_a_restart_of_the_server_and_ends_equal(
    server: TritonServer, store: ArtifactStore, tmp_path: Path
) -> None:
    with closing(House(tmp_path / "calm", Held(server.url, store), COLOUR)) as calm:
        calm.collection(400)
        assert calm.run().state == State.SUCCEEDED
        expected = calm.bytes()
    backend = Held(server.url, store)
    with closing(House(tmp_path / "cut", backend, COLOUR)) as house:
        house.collection(400)
        backend.holds_after = 160
        run_id = house.start()
        wait_for(lambda: backend.seen >= 160)
        server.kill()
        backend.goes_on.set()
        wait_for(lambda: metrics(backend)["circuit.open"])
        assert house.runs.get(run_id).state == State.RUNNING
        server.start()
        run = house.runs.wait(run_id, 90)
        assert run.state == State.SUCCEEDED, run.error
        assert (run.result["vectors"], house.rows()) == (400, list(range(400)))
        assert house.bytes() == expected
        seen = metrics(backend)
        assert seen["circuit.closed"] == seen["shared_memory"] == 1
        assert (seen["batch_images"], seen["calls_at_once"]) == (16, 4)
        assert seen["calls_total.UNAVAILABLE"] > 0


def test_a_run_goes_on_over_answers_that_are_late_and_ends_whole(
    server: TritonServer, store: ArtifactStore, tmp_path: Path
) -> None:
    backend = Held(server.url, store, deadline_seconds=1)
    with closing(House(tmp_path, backend, COLOUR)) as house:
        house.collection(400)
        backend.holds_after = 160
        run_id = house.start()
        wait_for(lambda: backend.seen >= 160)
        server.freeze()
        backend.goes_on.set()
        wait_for(lambda: metrics(backend).get("calls_total.DEADLINE_EXCEEDED"))
        server.thaw()
        run = house.runs.wait(run_id, 60)
        assert run.state == State.SUCCEEDED, run.error
        assert house.rows() == list(range(400))
        assert metrics(backend)["calls_at_once"] < 4


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_cancelled_run_does_not_wait_for_a_server_that_is_away(
    server: TritonServer, store: ArtifactStore, tmp_path: Path, how: str
) -> None:
    backend = Held(server.url, store, deadline_seconds=30)
    with closing(House(tmp_path, backend, COLOUR)) as house:
        house.collection(400)
        backend.holds_after = 160
        run_id = house.start()
        wait_for(lambda: backend.seen >= 160)
        (server.kill if how == "killed" else server.freeze)()
        backend.goes_on.set()
        wait_for(lambda: metrics(backend)["circuit.open" if how == "killed" else "calls_under_way"])
        house.runs.cancel(run_id)
        run = house.runs.wait(run_id, 5)
        (server.start if how == "killed" else server.thaw)()
        server.wait_until_ready()
        assert run.state == State.CANCELLED
        kept = house.rows()
        assert kept == list(range(len(kept)))
        assert house.run().state == State.SUCCEEDED
        assert house.rows() == list(range(400))


def test_the_probe_of_the_manifest_tells_whether_it_is_ready(server: TritonServer) -> None:
    (manifest,) = [
        each
        for each in yaml.safe_load_all(_MANIFEST.read_text("utf-8"))
        if each["kind"] == "Deployment"
    ]
    (triton,) = manifest["spec"]["template"]["spec"]["containers"]
    _, *arguments = triton["readinessProbe"]["exec"]["command"]
    for address, expected in ((server.http, 0), ("127.0.0.1:1", 1)):
        told = [each.replace("127.0.0.1:8000", address) for each in arguments]
        asked = subprocess.run([sys.executable, *told], capture_output=True, check=False)
        assert asked.returncode == expected


def test_a_caller_with_a_deadline_is_told_of_the_open_circuit_at_once(
    store: ArtifactStore,
) -> None:
    backend = TritonBackend("127.0.0.1:1", 5, breaker=Breaker(failures=4, seconds=1000))
    with pytest.raises(Unavailable):
        backend.embed(COLOUR, IMAGES, seconds=5)
    calls = metrics(backend)["calls_total.UNAVAILABLE"]
    with pytest.raises(Unavailable, match="several times") as refused:
        backend.embed(COLOUR, IMAGES, seconds=5)
    assert refused.value.metadata == {"circuit": "open"}
    seen = metrics(backend)
    assert (seen["circuit.open"], seen["calls_total.UNAVAILABLE"]) == (1, calls)
    backend.close()


def test_images_go_through_shared_memory_and_nothing_is_left(server: TritonServer) -> None:
    backend = TritonBackend(server.url, 30)
    backend.embed(COLOUR, IMAGES, seconds=30)
    assert metrics(backend)["shared_memory"] == 1
    (region,) = left(server)
    assert (FOLDER / region).exists()
    backend.close()
    assert (left(server), (FOLDER / region).exists()) == ([], False)


def left(server: TritonServer) -> list[str]:
    """What the server knows of our regions."""
    client = triton.InferenceServerClient(server.url)
    known = [name for name in client.get_system_shared_memory_status().regions if PREFIX in name]
    client.close()
    return known


def test_shared_memory_can_be_switched_off(server: TritonServer) -> None:
    backend = TritonBackend(server.url, 30, shared_memory=False)
    assert backend.embed(COLOUR, IMAGES, seconds=30).shape == (5, 3)
    assert (metrics(backend)["shared_memory"], left(server)) == (0, [])
    backend.close()


def test_images_go_over_the_connection_to_a_server_that_can_t_see_the_memory(
    server: TritonServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = triton.InferenceServerClient(server.url)
    with closing(client), closing(Transport(client, tmp_path)) as transport:
        with caplog.at_level(logging.INFO):
            vectors = [transport.infer(COLOUR, IMAGES, 30) for _ in range(2)]
        np.testing.assert_array_equal(*vectors)
        assert not transport.shared
    (line,) = caplog.messages
    assert "over its connection: Unable to open shared memory region" in line
    assert list(tmp_path.iterdir()) == []


def test_a_region_that_has_no_room_is_no_shared_memory(server: TritonServer) -> None:
    client = triton.InferenceServerClient(server.url)
    regions = Regions(client)
    with pytest.raises(NoSharedMemory, match="no room"):
        regions.take(1 << 60)
    regions.close()
    client.close()


_KILLS_ITSELF = """
import os, signal, sys
import numpy as np
from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.embedding.backends.transport import Transport
from hundredfold.embedding.backends.triton import TritonBackend
backend = TritonBackend(sys.argv[1], 30)
backend.embed(ModelCard("colour@1", 3, 32, 3, "", ""), np.ones((5, 32, 32, 3), np.uint8), seconds=30)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_client_left_is_cleaned_up_by_the_next(server: TritonServer) -> None:
    killed = subprocess.run([sys.executable, "-c", _KILLS_ITSELF, server.url], check=False)
    assert killed.returncode == -signal.SIGKILL
    (abandoned,) = left(server)
    assert (FOLDER / abandoned).exists()
    with closing(TritonBackend(server.url, 30)) as backend:
        backend.embed(COLOUR, IMAGES, seconds=30)
        (region,) = left(server)
        assert region != abandoned
        assert not (FOLDER / abandoned).exists()
    assert (left(server), (FOLDER / region).exists()) == ([], False)


def test_a_living_client_s_memory_is_left_alone(server: TritonServer) -> None:
    one, other = TritonBackend(server.url, 30), TritonBackend(server.url, 30)
    one.embed(COLOUR, IMAGES, seconds=30)
    other.embed(COLOUR, IMAGES, seconds=30)
    assert len(left(server)) == 2
    assert one.embed(COLOUR, IMAGES, seconds=30).shape == (5, 3)
    one.close()
    assert other.embed(COLOUR, IMAGES, seconds=30).shape == (5, 3)
    other.close()
