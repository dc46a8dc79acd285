import numpy as np
import pytest

from hundredfold.chassis.errors import Aborted, Conflict, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.domain import clustering, nearest
from hundredfold.index.spaces import Spaces, again
from hundredfold.index.store import KEPT_RUNS, IndexStore
from tests.contract.index_spaces import (
    COLLECTION,
    SPACE,
    blobs,
    make_collection,
    scattered_rows,
    write_part,
    write_space,
)

COUNT = 60
FOLDER = layout.index(COLLECTION, SPACE)


@pytest.fixture
def store(tmp_path):
    store = ArtifactStore(str(tmp_path))
    make_collection(store)
    write_space(store, blobs(6, 10), scattered_rows(COUNT))
    return store


@pytest.fixture
def kept(store):
    return IndexStore(store)


@pytest.fixture
def source(store):
    return Spaces(store).read(COLLECTION, SPACE)


def save_index(kept, source, exact_below=1000):
    built = nearest.build(source.vectors, exact_below=exact_below)
    kept.indexes.save(COLLECTION, SPACE, built, source)


def save_clusters(kept, source, run, **asked):
    found = clustering.cluster(source.vectors, 5, seed=0)
    kept.save_clusters(COLLECTION, run, found, source, {"space": SPACE, **asked})


# --- spaces ---------------------------------------------------------------------------------------


def test_a_space_is_read_part_after_part(store, source):
    assert np.array_equal(source.rows, scattered_rows(COUNT))
    assert len(source.vectors) == COUNT
    assert len(source.vectors.parts) == 2


def test_empty_parts_of_a_space_are_passed_over(store):
    manifest = Manifest.load(store, layout.vectors(COLLECTION, SPACE))
    write_part(store, manifest, 7, np.empty((0, 16), np.float16), np.empty(0, np.int64))
    manifest.save()
    assert len(Spaces(store).read(COLLECTION, SPACE).vectors) == COUNT


def test_the_version_of_a_space_changes_with_its_vectors(store, source):
    assert Spaces(store).read(COLLECTION, SPACE).version == source.version
    write_space(store, blobs(6, 10, seed=1), scattered_rows(COUNT))
    assert Spaces(store).read(COLLECTION, SPACE).version != source.version


def test_vectors_are_read_by_row_in_the_order_asked(store, source):
    rows = scattered_rows(COUNT)[[50, 3, 50]]
    found = Spaces(store).vectors_of(COLLECTION, SPACE, rows)
    assert np.array_equal(found, source.vectors.take(np.array([50, 3, 50])))


def test_vectors_of_another_type_are_refused_as_damaged(store):
    manifest = Manifest.load(store, layout.vectors(COLLECTION, SPACE))
    write_part(store, manifest, 0, np.ones((3, 16), np.float32), np.arange(3))
    manifest.save()
    with pytest.raises(Conflict) as error:
        Spaces(store).read(COLLECTION, SPACE)
    assert error.value.reason == "ARTIFACT_DAMAGED"


def test_what_was_replaced_while_it_was_read_is_read_again():
    answers = iter([Aborted("once"), Aborted("twice"), "read"])

    def read():
        answer = next(answers)
        if isinstance(answer, Aborted):
            raise answer
        return answer

    assert again(read) == "read"


def test_what_is_replaced_all_the_time_is_aborted():
    def read():
        raise Aborted("again")

    with pytest.raises(Aborted):
        again(read)


# --- index ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("exact_below", "kind"), [(1000, "flat"), (10, "ivf")])
def test_a_saved_index_is_opened_with_its_rows(kept, source, exact_below, kind):
    save_index(kept, source, exact_below)
    opened = kept.indexes.open(COLLECTION, SPACE)
    assert np.array_equal(opened.rows, source.rows)
    assert opened.dimensions == 16
    assert kept.indexes.facts(COLLECTION, SPACE, source.version)["kind"] == kind


def test_the_facts_of_an_index_are_those_of_the_asked_version_only(kept, source):
    assert kept.indexes.facts(COLLECTION, SPACE, source.version) is None
    save_index(kept, source)
    assert kept.indexes.facts(COLLECTION, SPACE, "other") is None
    assert kept.indexes.facts(COLLECTION, SPACE, source.version)["count"] == COUNT


@pytest.mark.parametrize("name", [layout.INDEX_FILE, layout.INDEX_ROWS, "manifest.json"])
def test_a_changed_byte_anywhere_makes_an_index_refused(store, kept, source, name):
    save_index(kept, source)
    data = bytearray(store.read_bytes(f"{FOLDER}/{name}"))
    data[-20] ^= 1
    store.write_bytes(f"{FOLDER}/{name}", bytes(data))
    assert kept.indexes.facts(COLLECTION, SPACE, source.version) is None
    with pytest.raises(Conflict) as error:
        kept.indexes.open(COLLECTION, SPACE)
    assert error.value.reason == "ARTIFACT_DAMAGED"


def test_an_index_file_that_faiss_can_not_read_is_refused(store, kept, source):
    save_index(kept, source)
    manifest = Manifest.load(store, FOLDER)
    manifest.add(
        layout.INDEX_FILE,
        store.write_bytes(f"{FOLDER}/{layout.INDEX_FILE}", b"IxFI" + b"\xff" * 99),
    )
    manifest.save()
    with pytest.raises(Conflict) as error:
        kept.indexes.open(COLLECTION, SPACE)
    assert error.value.reason == "ARTIFACT_DAMAGED"


def test_an_index_of_other_rows_is_not_opened(store, kept, source):
    save_index(kept, source)
    manifest = Manifest.load(store, FOLDER)
    manifest.add(
        layout.INDEX_ROWS, store.write_array(f"{FOLDER}/{layout.INDEX_ROWS}", source.rows[:-1])
    )
    manifest.save()
    with pytest.raises(Aborted):
        kept.indexes.open(COLLECTION, SPACE)


# --- clusterings and maps -------------------------------------------------------------------------


def test_the_medoid_of_an_empty_cluster_is_minus_one(store, kept, source):
    found = clustering.cluster(source.vectors, 5, seed=0)
    found.medoids[2] = -1
    kept.save_clusters(COLLECTION, "r", found, source, {"space": SPACE})
    medoids = kept.read_clusters(COLLECTION, "r").medoids
    assert medoids[2] == -1
    assert np.isin(np.delete(medoids, 2), source.rows).all()


def test_only_the_newest_clusterings_are_kept(store, kept, source):
    for number in range(KEPT_RUNS + 2):
        save_clusters(kept, source, f"run-{number}")
    folder = f"{layout.collection(COLLECTION)}/clusters"
    newest = [f"run-{number}" for number in range(2, KEPT_RUNS + 2)]
    assert store.list(folder) == ["latest.json", *newest]
    assert kept.clusters_run(COLLECTION, "") == f"run-{KEPT_RUNS + 1}"


def test_what_a_kill_left_half_made_is_deleted_with_the_next_clustering(store, kept, source):
    half = layout.clusters(COLLECTION, "half")
    store.write_array(f"{half}/{layout.CLUSTER_ROWS}", source.rows)
    with pytest.raises(NotFound):
        kept.read_clusters(COLLECTION, "half")
    save_clusters(kept, source, "whole")
    assert not store.exists(half)


def test_clusters_are_the_same_only_for_the_same_vectors_and_wish(kept, source):
    asked = {"space": SPACE, "clusters": 5, "seed": 0}
    assert kept.same_clusters(COLLECTION, source.version, asked) == ("", 0)
    save_clusters(kept, source, "r", clusters=5, seed=0)
    assert kept.same_clusters(COLLECTION, source.version, asked) == ("r", 5)
    assert kept.same_clusters(COLLECTION, "other", asked) == ("", 0)
    assert kept.same_clusters(COLLECTION, source.version, {**asked, "seed": 1}) == ("", 0)


def test_the_index_of_a_space_that_is_gone_goes_with_the_next_that_is_built(store, kept, source):
    save_index(kept, source)
    write_space(store, blobs(6, 10), scattered_rows(COUNT), space="other@1")
    other = Spaces(store).read(COLLECTION, "other@1")
    store.delete(layout.vectors(COLLECTION, SPACE))
    built = nearest.build(other.vectors, exact_below=1000)
    kept.indexes.save(COLLECTION, "other@1", built, other)
    assert store.list(layout.indexes(COLLECTION)) == ["other@1"]
