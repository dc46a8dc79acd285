"""The hashing service is killed while it joins millions of hashes, and while it groups them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hundredfold.chassis.run_book import State
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import wait_for
from tests.benchmarks.hashes.written import copied, made_up, write_hashed
from tests.e2e.system import System, running

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]
NAME, ROWS, RADIUS = "hashed", 3_000_000, 8


def test_a_join_that_is_killed_twice_ends_with_the_groups_of_one_that_is_not(
    tmp_path: Path,
) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    write_hashed(store, NAME, *made_up(ROWS, np.random.default_rng(0)))
    with running(tmp_path / "store", "--no-ui") as system:
        run = system.client.hashing.find_duplicates(NAME, radius=RADIUS)
        _kill_once(system, lambda: _scratch(tmp_path, "*.unfinished"), "the join is at work")
        joined = _kill_once(system, lambda: _scratch(tmp_path, "*.values"), "pairs are there")
        assert joined.exists(), "what was finished is kept"
        wait_for(lambda: system.serving("hashing"), 60, "hashing is up again")
        done = wait_for(lambda: _ended(system, run.run_id), 300, "the run ends")
    assert done == State.SUCCEEDED
    found = store.read_array(f"{layout.duplicates(NAME, run.run_id)}/{layout.REPRESENTATIVE}")
    _, first, place = np.unique(copied(ROWS), return_index=True, return_inverse=True)
    assert np.array_equal(found, first[place])


def _kill_once(system: System, there: Callable[[], Path | None], what: str) -> Path:
    file = wait_for(there, 120, what)
    system.kill("hashing")
    return file


def _scratch(folder: Path, name: str) -> Path | None:
    return next((folder / "store" / "scratch").rglob(name), None)


def _ended(system: System, run_id: str) -> State | None:
    if not system.serving("hashing"):
        return None
    run = system.client.runs("hashing").get(run_id)
    return run.state if run.state.ended else None
