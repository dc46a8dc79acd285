"""Bulk work on a real Ray cluster of two nodes, both on this machine; one of them dies."""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hundredfold.chassis.engine import Engine, engine
from hundredfold.chassis.runs import Runs, State
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import wait_for
from hundredfold.hashing import hash_job
from hundredfold.hashing.domain.algorithms import DEFAULT
from tests.contract.hashing_collections import encoded, photo, put_collection, write_image
from tests.contract.test_training_spread import fit

ray = pytest.importorskip("ray", reason="needs hundredfold[ray]")
cluster_utils = pytest.importorskip("ray.cluster_utils")

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]

IMAGES = 1600  # more tasks than there are workers


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    # The processes of the nodes must find this file.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    started = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    started.second = started.add_node(num_cpus=1)
    monkeypatch.setenv("RAY_ADDRESS", started.address)
    yield started
    started.shutdown()


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


def _hashes(store: ArtifactStore, collection: str, algorithm: str) -> Any:
    return store.read_array(f"{layout.hashes(collection, algorithm)}/{layout.hashes_part(0)}")
