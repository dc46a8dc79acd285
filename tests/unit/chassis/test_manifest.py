import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hundredfold.chassis.errors import Aborted, Conflict, InvalidArgument, NotFound
from hundredfold.chassis.storage import collections, layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore

FOLDER = "collections/birds/hashes/p"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path))


def add(store: ArtifactStore, name: str, rows: int) -> Manifest:
    manifest = Manifest.load(store, FOLDER)
    manifest.add(name, store.write_array(f"{FOLDER}/{name}", np.arange(rows)), rows=rows)
    manifest.save()
    return manifest


def test_a_folder_without_a_manifest_is_empty(store: ArtifactStore) -> None:
    manifest = Manifest.load(store, FOLDER)
    assert (dict(manifest.entries), dict(manifest.meta)) == ({}, {})


def test_what_was_saved_is_loaded(store: ArtifactStore) -> None:
    manifest = add(store, "a.npy", 3)
    manifest.set_meta(space="s@1", count=2)
    manifest.set_meta(count=3)
    manifest.save()
    loaded = Manifest.load(store, FOLDER)
    assert loaded.entries == manifest.entries
    assert loaded.entries["a.npy"].meta == {"rows": 3}
    assert loaded.meta == {"space": "s@1", "count": 3}


def test_nothing_is_listed_before_it_is_saved(store: ArtifactStore) -> None:
    manifest = add(store, "a.npy", 3)
    manifest.add("b.npy", store.write_array(f"{FOLDER}/b.npy", np.arange(2)))
    assert list(Manifest.load(store, FOLDER).entries) == ["a.npy"]


def test_verify_names_what_is_absent_cut_or_flipped(store: ArtifactStore) -> None:
    for name in ("good.npy", "absent.npy", "cut.npy", "flipped.npy"):
        manifest = add(store, name, 100)
    store.delete(f"{FOLDER}/absent.npy")
    _change(store, "cut.npy", lambda data: data[:-1])
    _change(store, "flipped.npy", lambda data: data[:-9] + b"!" + data[-8:])
    assert sorted(manifest.verify(store)) == ["absent.npy", "cut.npy", "flipped.npy"]


@pytest.mark.usefixtures("no_writer_is_waited_for")
def test_an_array_of_another_size_is_never_read(store: ArtifactStore) -> None:
    manifest = add(store, "a.npy", 100)
    _change(store, "a.npy", lambda data: data[:-8])
    with pytest.raises(Conflict) as caught:
        manifest.read_array(store, "a.npy")
    assert caught.value.reason == "ARTIFACT_DAMAGED"
    assert caught.value.metadata["path"] == f"{FOLDER}/a.npy"


@pytest.mark.usefixtures("no_writer_is_waited_for")
def test_a_flipped_bit_is_found_when_asked_for(store: ArtifactStore) -> None:
    manifest = add(store, "a.npy", 100)
    _change(store, "a.npy", lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    assert manifest.read_array(store, "a.npy").shape == (100,)
    with pytest.raises(Conflict):
        manifest.read_array(store, "a.npy", deep=True)


def test_what_the_manifest_does_not_list_is_not_found(store: ArtifactStore) -> None:
    store.write_array(f"{FOLDER}/a.npy", np.arange(3))
    with pytest.raises(NotFound):
        Manifest.load(store, FOLDER).read_array(store, "a.npy")


def test_a_part_replaced_since_is_told_apart_from_a_damaged_one(store: ArtifactStore) -> None:
    old = add(store, "a.npy", 100)
    add(store, "a.npy", 150)
    with pytest.raises(Aborted) as caught:
        old.read_array(store, "a.npy")
    assert caught.value.reason == "ARTIFACT_REPLACED"
    assert Manifest.load(store, FOLDER).read_array(store, "a.npy").shape == (150,)


def test_a_reader_waits_for_a_writer_between_part_and_manifest(store: ArtifactStore) -> None:
    manifest = add(store, "a.npy", 100)
    fresh = Manifest.load(store, FOLDER)
    fresh.add("a.npy", store.write_array(f"{FOLDER}/a.npy", np.arange(150)), rows=150)
    saver = threading.Timer(0.3, fresh.save)
    saver.start()
    with pytest.raises(Aborted):
        manifest.read_array(store, "a.npy")
    saver.join()


def test_a_mapped_array_is_checked_too(store: ArtifactStore) -> None:
    manifest = add(store, "a.npy", 100)
    assert manifest.read_array(store, "a.npy", mmap=True)[99] == 99


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_bit_in_the_manifest_is_found(store: ArtifactStore, data: st.DataObject) -> None:
    saved = add(store, "a.npy", 3)
    path = f"{FOLDER}/manifest.json"
    document = bytearray(store.read_bytes(path))
    place = data.draw(st.integers(0, len(document) - 1))
    document[place] ^= 1 << data.draw(st.integers(0, 7))
    store.write_bytes(path, bytes(document))
    try:
        loaded = Manifest.load(store, FOLDER)
    except Conflict:
        store.delete(path)
        return
    # Whitespace may change without any change in what is said.
    assert (loaded.entries, loaded.meta) == (saved.entries, saved.meta)
    store.delete(path)


def test_every_truncation_of_the_manifest_is_found(store: ArtifactStore) -> None:
    add(store, "a.npy", 3)
    path = f"{FOLDER}/manifest.json"
    whole = store.read_bytes(path)
    for size in range(0, len(whole) - 1, 7):
        store.write_bytes(path, whole[:size])
        with pytest.raises(Conflict):
            Manifest.load(store, FOLDER)


# --- collections --------------------------------------------------------------------------------


def write_part(store: ArtifactStore, part: int, rows: int, listed: int | None = None) -> None:
    name = layout.images_part(part)
    table = pa.table({"row": range(rows), "uri": [f"/{i}.jpg" for i in range(rows)]})
    with store.writer(f"{layout.images('birds')}/{name}") as out:
        pq.write_table(table, out)
    manifest = Manifest.load(store, layout.images("birds"))
    manifest.add(name, out.artifact, rows=rows if listed is None else listed, ok=rows - 1)
    manifest.save()


def test_a_missing_collection_is_not_found(store: ArtifactStore) -> None:
    with pytest.raises(NotFound):
        collections.require_collection(store, "birds")
    with pytest.raises(InvalidArgument):
        collections.require_collection(store, "../birds")
    store.write_json(layout.collection_record("birds"), {"collection": "birds"})
    collections.require_collection(store, "birds")


def test_parts_come_in_order_with_their_counts(store: ArtifactStore) -> None:
    assert collections.parts(store, "birds") == []
    for part, rows in ((1, 4), (0, 9)):
        write_part(store, part, rows)
    assert collections.parts(store, "birds") == [
        collections.PartInfo(0, 9, 8),
        collections.PartInfo(1, 4, 3),
    ]
    assert collections.row_count(store, "birds") == 13


def test_a_part_is_read_with_the_columns_asked_for(store: ArtifactStore) -> None:
    write_part(store, 0, 5)
    whole = collections.read_images_part(store, "birds", 0)
    assert whole.column_names == ["row", "uri", "size"]
    assert whole["size"].null_count == 5, "the part is of before sizes were kept"
    table = collections.read_images_part(store, "birds", 0, columns=["uri"])
    assert table.column_names == ["uri"]
    assert table.num_rows == 5
    with pytest.raises(NotFound):
        collections.read_images_part(store, "birds", 1)


def test_rows_that_the_manifest_does_not_count_yet_are_not_seen(store: ArtifactStore) -> None:
    write_part(store, 0, 5, listed=3)
    assert collections.read_images_part(store, "birds", 0).num_rows == 3


def test_a_part_that_is_cut_or_too_short_is_damaged(store: ArtifactStore) -> None:
    write_part(store, 0, 5, listed=6)
    with pytest.raises(Conflict, match="5 rows instead of 6"):
        collections.read_images_part(store, "birds", 0)
    path = f"{layout.images('birds')}/{layout.images_part(0)}"
    store.write_bytes(path, store.read_bytes(path)[:-10])
    with pytest.raises(Conflict):
        collections.read_images_part(store, "birds", 0)


def test_a_collection_without_a_schema_has_no_classes(store: ArtifactStore) -> None:
    assert collections.read_schema(store, "birds")["classes"] == []
    store.write_json(
        layout.schema("birds"), {"version": 1, "classes": [{"class_id": 1}], "events": []}
    )
    assert collections.read_schema(store, "birds")["classes"] == [{"class_id": 1}]


def _change(store: ArtifactStore, name: str, change: Callable[[bytes], bytes]) -> None:
    path = f"{FOLDER}/{name}"
    store.write_bytes(path, change(store.read_bytes(path)))


def test_the_version_changes_with_the_artifacts_and_with_nothing_else(store: ArtifactStore) -> None:
    first = add(store, "a.npy", 3).version
    noted = Manifest.load(store, FOLDER)
    noted.set_meta(count=1)
    noted.add("a.npy", store.write_array(f"{FOLDER}/a.npy", np.arange(3)), rows=3, failed=1)
    assert noted.version == first
    assert add(store, "b.npy", 3).version != first
    assert add(store, "a.npy", 4).version != first
