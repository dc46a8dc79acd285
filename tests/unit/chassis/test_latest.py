"""Which run is the newest, and which are forgotten."""

from pathlib import Path

import numpy as np
import pytest

from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.latest import latest, made_at, make_latest
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore

POINTER = layout.maps_latest("birds")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path))


def write(store: ArtifactStore, run: str) -> Manifest:
    manifest = Manifest(store, layout.maps("birds", run))
    rows = store.write_array(f"{manifest.folder}/{layout.MAP_ROWS}", np.arange(3))
    manifest.add(layout.MAP_ROWS, rows)
    return manifest


def finish(store: ArtifactStore, run: str, keep: int = 2) -> None:
    make_latest(store, POINTER, write(store, run), keep=keep)


def runs(store: ArtifactStore) -> list[str]:
    return [name for name in store.list(layout.maps("birds", "x")[:-2]) if name != "latest.json"]


def test_there_is_none_at_first(store: ArtifactStore) -> None:
    assert latest(store, POINTER) == ""


def test_the_newest_complete_run_is_named_with_its_facts(store: ArtifactStore) -> None:
    make_latest(store, POINTER, write(store, "a"), keep=2, count=3)
    write(store, "b")
    assert latest(store, POINTER) == "a"
    assert store.read_json(POINTER) == {"run": "a", "count": 3}
    assert made_at(Manifest.load(store, layout.maps("birds", "a"))) > 0
    assert made_at(Manifest.load(store, layout.maps("birds", "b"))) == 0


def test_the_oldest_are_forgotten(store: ArtifactStore) -> None:
    for run in ("c", "a", "b"):
        finish(store, run)
    assert runs(store) == ["a", "b"]


def test_what_a_kill_left_half_made_is_forgotten(store: ArtifactStore) -> None:
    write(store, "killed")
    finish(store, "a")
    assert runs(store) == ["a"]


def test_a_run_with_a_damaged_manifest_is_forgotten(store: ArtifactStore) -> None:
    finish(store, "a")
    store.write_json(f"{layout.maps('birds', 'a')}/manifest.json", {"digest": "", "body": {}})
    finish(store, "b")
    assert runs(store) == ["b"]


@pytest.mark.parametrize("document", [{}, [], {"run": "../x"}, {"run": 3}])
def test_a_pointer_that_names_no_run_is_damaged(store: ArtifactStore, document: object) -> None:
    store.write_json(POINTER, document)
    with pytest.raises(Conflict) as told:
        latest(store, POINTER)
    assert told.value.reason == "ARTIFACT_DAMAGED"
