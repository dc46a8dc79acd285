"""Bulk work on a real Ray cluster of two nodes, both on this machine; one of them dies."""

import os
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hundredfold.api.runs.v1 import runs_pb2
from hundredfold.chassis.engine import Engine, engine
from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.runs import Runs, State
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import free_ports, wait_for
from hundredfold.embedding.elsewhere import LEAST
from hundredfold.hashing import hash_job
from hundredfold.hashing.domain.algorithms import DEFAULT
from tests.contract import embedding_fixtures
from tests.contract import test_embedding_survives_kill as killing
from tests.contract.elsewhere_house import STRANGE, House, waiting
from tests.contract.hashing_collections import encoded, photo, put_collection, write_image
from tests.contract.test_embedding_runs import images
from tests.contract.test_training_spread import fit
from tests.ray_nodes import ray_nodes
from tests.unit.chassis.test_engine import alive

ray = pytest.importorskip("ray", reason="needs hundredfold[ray]")

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]

IMAGES = 1600  # more tasks than there are workers


@pytest.fixture
def cluster() -> Iterator[Any]:
    with ray_nodes(1) as started:
        started.second = started.add_node(num_cpus=1)
        yield started


@pytest.fixture
def on_cluster(cluster: Any) -> Iterator[Engine]:
    with engine("ray") as made:
        yield made


def the_node(task: tuple[int, str]) -> str:
    """Which node does the task; each waits until both have begun one."""
    _, folder = task
    node = str(ray.get_runtime_context().get_node_id())
    Path(folder, node).touch()
    wait_for(lambda: len(list(Path(folder).iterdir())) == 2 or None, 60)
    return node


def begin_and_wait(task: tuple[int, str, str]) -> int:
    value, begun, go = task
    Path(begun, f"{value}-{uuid.uuid4().hex}").touch()
    wait_for(lambda: Path(go).exists() or None, 120)
    return value


def this_node(_: int) -> str:
    return str(ray.get_runtime_context().get_node_id())


def the_node_with(_: str, task: tuple[int, str]) -> str:
    return the_node(task)


def begin_and_wait_with(_: str, task: tuple[int, str, str]) -> int:
    _, begun, _ = task
    Path(begun).with_suffix(f".{os.getpid()}").touch()
    return begin_and_wait(task)


def wait_for_a_death(mark: Path) -> None:
    """Wait until one of the two workers that left a file beside the mark has gone: a killed node's live on a moment."""
    pids = [int(file.suffix[1:]) for file in mark.parent.glob(f"{mark.name}.*")]
    assert len(pids) == 2
    wait_for(lambda: not all(alive(pid) for pid in pids), 60)


@dataclass(frozen=True)
class UnfitFor:
    """Prepares nothing on one node."""

    node: str

    def __call__(self, cpus: int) -> str:
        if this_node(cpus) == self.node:
            raise NotFound("there is no model")
        return this_node(cpus)


def of_the_state(state: str, _: int) -> str:
    return state


def test_tasks_are_done_on_both_nodes(on_cluster: Engine, tmp_path: Path) -> None:
    assert len(set(on_cluster.map(the_node, [(each, str(tmp_path)) for each in range(4)]))) == 2


def test_a_node_that_dies_costs_no_result(cluster: Any, on_cluster: Engine, tmp_path: Path) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    begun.mkdir()
    tasks = [(each, str(begun), str(go)) for each in range(8)]

    def kill_when_both_work() -> None:
        if len(list(begun.iterdir())) >= 2 and not go.exists():
            cluster.remove_node(cluster.second, allow_graceful=False)
            go.touch()

    found = on_cluster.map(begin_and_wait, tasks, check=kill_when_both_work)
    assert sorted(found) == list(range(8))


def test_states_are_prepared_on_both_nodes(on_cluster: Engine, tmp_path: Path) -> None:
    tasks = [(each, str(tmp_path)) for each in range(8)]
    assert len(set(on_cluster.map_with(this_node, the_node_with, tasks))) == 2


def test_a_node_that_can_t_prepare_is_left_out(cluster: Any, on_cluster: Engine) -> None:
    unfit = cluster.second.node_id
    nodes = set(on_cluster.map_with(UnfitFor(unfit), of_the_state, range(100)))
    assert nodes == {each["NodeID"] for each in ray.nodes()} - {unfit}


def test_a_node_that_comes_later_gets_tasks(tmp_path: Path) -> None:
    with ray_nodes(1) as cluster, engine("ray") as made:
        come: list[Any] = []

        def add_one_when_it_is_at_work() -> None:
            if list(tmp_path.iterdir()) and not come:
                come.append(cluster.add_node(num_cpus=1))

        tasks = [(each, str(tmp_path)) for each in range(8)]
        found = set(
            made.map_with(this_node, the_node_with, tasks, check=add_one_when_it_is_at_work)
        )
        assert come[0].node_id in found


def test_a_node_that_dies_with_its_state_costs_no_result(
    cluster: Any, on_cluster: Engine, tmp_path: Path
) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    begun.mkdir()
    tasks = [(each, str(begun), str(go)) for each in range(12)]

    def kill_when_both_work() -> None:
        if len(list(begun.iterdir())) >= 4 and not go.exists():
            cluster.remove_node(cluster.second, allow_graceful=False)
            wait_for_a_death(begun)
            go.touch()

    found = on_cluster.map_with(this_node, begin_and_wait_with, tasks, check=kill_when_both_work)
    assert sorted(found) == list(range(12))
    assert len(list(begun.iterdir())) == 14


def test_hashes_made_on_a_cluster_are_those_made_here(on_cluster: Engine, tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    photos = [encoded(photo(seed)) for seed in range(8)]
    rows = [write_image(tmp_path, f"{each}.jpg", photos[each % 8]) for each in range(IMAGES)]
    hashes = []
    for name, made in (("here", engine("local")), ("there", on_cluster)):
        put_collection(store, name, rows)
        job = hash_job.HashCollection(store, Sources((str(tmp_path),)))
        runs = Runs(store, "hashing", {hash_job.KIND: job}, engine=made)
        asked = {"algorithms": list(DEFAULT)}
        run = runs.start(hash_job.KIND, name, asked, request_id=str(uuid.uuid4()))
        assert runs.wait(run.run_id, 300).state is State.SUCCEEDED
        runs.close()
        hashes.append([_hashes(store, name, each) for each in DEFAULT])
    np.testing.assert_array_equal(hashes[0], hashes[1])


def test_what_a_head_says_on_a_cluster_is_what_it_says_here(
    on_cluster: Engine, tmp_path: Path
) -> None:
    here = fit(tmp_path / "here")
    assert fit(tmp_path / "there", lambda _: on_cluster) == here


def test_a_space_is_the_same_when_a_node_dies_while_it_is_made(
    cluster: Any, on_cluster: Engine, tmp_path: Path
) -> None:
    """All but the first four tasks wait at an image; when every worker does, a node dies."""
    gate = tmp_path / "gate"
    uris = images(tmp_path, range(IMAGES))
    for row in range(512, IMAGES, 100):
        Path(uris[row]).write_bytes(embedding_fixtures.plain(*STRANGE))
    there = House(tmp_path / "there", tmp_path, on_cluster, waiting(gate))
    embedding_fixtures.put_collection(there.store, "birds", uris)
    run_id = there.start()
    wait_for(lambda: there.runs.get(run_id).done == 512 or None, 120)
    wait_for(lambda: len(list(tmp_path.glob("gate.*"))) == 2, 60)
    cluster.remove_node(cluster.second, allow_graceful=False)
    wait_for_a_death(gate)
    gate.touch()
    assert there.runs.wait(run_id, 120).state is State.SUCCEEDED
    here = House(tmp_path / "here", tmp_path)
    embedding_fixtures.put_collection(here.store, "birds", uris)
    assert here.run().result == there.runs.get(run_id).result
    assert there.files() == here.files()
    there.close()
    here.close()


def test_a_service_that_was_killed_goes_on_on_its_cluster_and_ends_byte_equal(
    cluster: Any, on_cluster: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(killing, "IMAGES", LEAST + 900)  # enough for the service to ask the cluster
    images(tmp_path, range(killing.IMAGES))
    here, there = (killing.made(tmp_path / name, tmp_path) for name in ("here", "there"))
    port, *ports = free_ports(3)
    with killing.embedding(here, tmp_path, port):
        run_id = killing.start(port)
        wait_for(lambda: killing.ended(port, run_id), 120)
    monkeypatch.setenv("HUNDREDFOLD_ENGINE", "ray")
    port = ports[0]
    with killing.embedding(there, tmp_path, port) as process:
        run_id = killing.start(port)
        wait_for(lambda: killing.vectors(there), 120)
        wait_for(lambda: ray.available_resources().get("CPU", 0) < 2, 60, "workers")
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    assert killing.FIRST <= killing.vectors(there) < killing.IMAGES
    wait_for(lambda: ray.available_resources().get("CPU") == 2 or None, 60)
    port = ports[1]
    with killing.embedding(there, tmp_path, port):
        run = wait_for(lambda: killing.ended(port, run_id), 120)
    assert run.state == runs_pb2.STATE_SUCCEEDED
    assert killing.files(there) == killing.files(here)


def _hashes(store: ArtifactStore, collection: str, algorithm: str) -> Any:
    return store.read_array(f"{layout.hashes(collection, algorithm)}/{layout.hashes_part(0)}")
