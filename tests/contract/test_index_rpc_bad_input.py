"""What the index service answers to what is not there, and to files that are damaged: in all its RPCs."""

import uuid

import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hundredfold.api.index.v1 import index_pb2 as pb
from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.chassis.runs import State
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.tensors import pack, unpack
from tests.contract.index_spaces import (
    COLLECTION,
    SPACE,
    blobs,
    make_collection,
    scattered_rows,
    write_space,
)
from tests.contract.test_index_rpc import COUNT, DIMENSIONS, EACH, GROUPS, index_service

pytestmark = pytest.mark.usefixtures("no_writer_is_waited_for")

OTHER = "others"
ROWS = scattered_rows(COUNT)
VECTORS = blobs(GROUPS, EACH, DIMENSIONS)
METHODS = {each.name: each for each in pb.DESCRIPTOR.services_by_name["IndexService"].methods}
STARTS = ["BuildIndex", "Cluster", "Project"]
VIEWS = ["SeparateGroups", "ShowUnlabelled"]


def int64(rows):
    return pack(np.asarray(rows, dtype=np.int64))


def told(name):
    """What a good call of an RPC says, but for its collection."""
    fields = {
        "Search": {"vectors": pack(VECTORS[:1].astype(np.float32))},
        "Neighbours": {"rows": int64(ROWS[:1])},
        "SearchWithin": {"rows": int64(ROWS[:1]), "least": 0.5},
        "RemoveRows": {"rows": int64([1])},
        "RestoreRows": {"rows": int64([1])},
        "SeparateGroups": {"rows_a": int64(ROWS[:2]), "rows_b": int64(ROWS[-2:])},
        "SplitCluster": {"cluster": "none/0"},
        "MergeClusters": {"clusters": ["none/0", "none/1"]},
    }.get(name, {})
    has = {field.name for field in METHODS[name].input_type.fields}
    common = {"space": SPACE, "request_id": str(uuid.uuid4())}
    return {**{field: value for field, value in common.items() if field in has}, **fields}


def call(served, name, **fields):
    answer = served.call(name, **{**told(name), **fields})
    return list(answer) if METHODS[name].server_streaming else answer


def of_a_space():
    return [name for name, method in METHODS.items() if "space" in method.input_type.fields_by_name]


def fill(served, collection):
    make_collection(served.store, collection)
    write_space(served.store, VECTORS, ROWS, collection=collection)
    for name in STARTS:
        served.finish(name, collection=collection)


@pytest.fixture
def served(tmp_path):
    """Two collections with an index, clusters and a map each."""
    with index_service(tmp_path) as served:
        for collection in (COLLECTION, OTHER):
            fill(served, collection)
        yield served


# --- what is not there ------------------------------------------------------------------------------


@pytest.fixture
def vectors_only(tmp_path):
    with index_service(tmp_path) as served:
        make_collection(served.store)
        for space in ("other@7", SPACE):
            write_space(served.store, VECTORS, ROWS, space=space)
        yield served


@pytest.mark.parametrize("name", METHODS)
def test_a_collection_that_is_not_there_is_not_found(vectors_only, name):
    with pytest.raises(NotFound) as error:
        call(vectors_only, name, collection="none")
    assert error.value.field == "collection"


@pytest.mark.parametrize("name", of_a_space())
def test_a_space_that_is_not_there_is_not_found_with_those_that_are(vectors_only, name):
    with pytest.raises(NotFound) as error:
        call(vectors_only, name, space="toy@9")
    assert error.value.field == "space"
    assert "toy@9" in str(error.value)
    assert "other@7, toy@1" in str(error.value)
    assert error.value.metadata["spaces"] == "other@7, toy@1"


@pytest.mark.parametrize("name", [*STARTS, *VIEWS])
def test_a_space_without_vectors_is_a_failed_precondition(vectors_only, name):
    Manifest(vectors_only.store, layout.vectors(COLLECTION, "empty@1")).save()
    with pytest.raises(Conflict) as error:
        call(vectors_only, name, space="empty@1")
    assert error.value.reason == "NO_VECTORS"
    assert "empty@1" in str(error.value)


# --- what is damaged --------------------------------------------------------------------------------


def cut(data):
    return data[:-9]


def flip(data):
    flipped = bytearray(data)
    flipped[-9] ^= 4
    return bytes(flipped)


def damage(served, path, how):
    served.store.write_bytes(path, how(served.store.read_bytes(path)))


def of_run(served, folder_of, latest, name):
    run = served.store.read_json(latest(COLLECTION))["run"]
    return f"{folder_of(COLLECTION, run)}/{name}"


def check_the_rest_is_served(served):
    for name in ("Search", "Neighbours", "ListClusters", "GetMap", "ShowUnlabelled"):
        call(served, name, collection=OTHER)
    health = health_pb2_grpc.HealthStub(served.channel)
    for service in ("", "hundredfold.api.index.v1.IndexService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


HOW = pytest.mark.parametrize("how", [cut, flip])


def named(name, served, path, **fields):
    with pytest.raises(Conflict) as error:
        call(served, name, **fields)
    assert error.value.reason == "ARTIFACT_DAMAGED"
    assert path in str(error.value)
    check_the_rest_is_served(served)


@HOW
@pytest.mark.parametrize("file", [layout.INDEX_FILE, layout.INDEX_ROWS])
def test_a_damaged_index_is_named(served, how, file):
    path = f"{layout.index(COLLECTION, SPACE)}/{file}"
    damage(served, path, how)
    named("Search", served, path)


@HOW
@pytest.mark.parametrize("file", [layout.CLUSTER_ASSIGNMENT, layout.CLUSTER_IDS])
@pytest.mark.parametrize("name", ["ListClusters", "GetCluster", "GetAssignment", "Search"])
def test_damaged_clusters_are_named(served, how, file, name):
    path = of_run(served, layout.clusters, layout.clusters_latest, file)
    damage(served, path, how)
    run = path.split("/")[-2]
    named(
        name,
        served,
        path,
        **({"filter": pb.Filter(cluster=f"{run}/0")} if name == "Search" else {}),
    )


def test_clusters_that_are_cut_while_they_are_open_are_named(served):
    call(served, "ListClusters")
    path = of_run(served, layout.clusters, layout.clusters_latest, layout.CLUSTER_ORDER)
    damage(served, path, cut)
    named("GetCluster", served, path)


@HOW
@pytest.mark.parametrize("file", [layout.MAP_ROWS, layout.MAP_POINTS])
def test_a_damaged_map_is_named(served, how, file):
    path = of_run(served, layout.maps, layout.maps_latest, file)
    damage(served, path, how)
    named("GetMap", served, path)


@pytest.mark.parametrize(
    ("name", "folder_of", "latest", "file"),
    [
        ("Cluster", layout.clusters, layout.clusters_latest, layout.CLUSTER_ROWS),
        ("Project", layout.maps, layout.maps_latest, layout.MAP_POINTS),
        ("Project", layout.maps, layout.maps_latest, layout.MAP_LANDMARKS),
    ],
)
def test_the_run_that_made_what_is_damaged_makes_it_anew(served, name, folder_of, latest, file):
    path = of_run(served, folder_of, latest, file)
    damage(served, path, flip)
    served.finish(name)
    assert of_run(served, folder_of, latest, file) != path
    call(served, "ListClusters")
    call(served, "GetMap")


def part_of_vectors(part):
    return f"{layout.vectors(COLLECTION, SPACE)}/{layout.vectors_part(part)}"


@HOW
@pytest.mark.parametrize("name", ["Cluster", "Project"])
def test_a_run_over_damaged_vectors_fails_and_names_them(served, how, name):
    damage(served, part_of_vectors(0), how)
    run = served.runs.wait(served.start(name, seed=1).run_id, 60)
    assert run.state is State.FAILED
    assert part_of_vectors(0) in run.error
    check_the_rest_is_served(served)


@HOW
@pytest.mark.parametrize("name", VIEWS)
def test_a_view_leaves_damaged_vectors_out_and_names_them(served, how, name):
    damage(served, part_of_vectors(0), how)
    second = ROWS[ROWS >= layout.PART_ROWS]
    groups = {"rows_a": int64(second[:2]), "rows_b": int64(second[-2:])}
    (answer,) = call(served, name, **(groups if name == "SeparateGroups" else {}))
    assert list(answer.damaged) == [part_of_vectors(0)]
    assert np.array_equal(unpack(answer.rows, dtype=np.int64, field="rows"), second)
    check_the_rest_is_served(served)


def test_a_picked_image_whose_vector_is_damaged_is_not_found_and_the_file_named(served):
    damage(served, part_of_vectors(0), flip)
    with pytest.raises(NotFound) as error:
        call(served, "SeparateGroups")
    assert part_of_vectors(0) in str(error.value)


@pytest.mark.parametrize("name", VIEWS)
def test_where_all_vectors_are_damaged_they_are_named(served, name):
    for part in (0, 1):
        damage(served, part_of_vectors(part), flip)
    named(name, served, part_of_vectors(0))
