import json
import threading
import uuid
from contextlib import contextmanager

import numpy as np
import pytest

from hundredfold.api.index.v1 import index_pb2 as pb
from hundredfold.api.index.v1 import index_pb2_grpc
from hundredfold.api.runs.v1 import runs_pb2, runs_pb2_grpc
from hundredfold.chassis.errors import (
    Aborted,
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NotFound,
)
from hundredfold.chassis.runs import Runs, State
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.chassis.testing import serving, wait_for
from hundredfold.index.domain import device
from hundredfold.index.editing import Editor
from hundredfold.index.indexes import Indexes
from hundredfold.index.jobs import Jobs
from hundredfold.index.searching import Searcher
from hundredfold.index.servicer import IndexServicer, index_mount
from hundredfold.index.spaces import Spaces
from hundredfold.index.store import IndexStore
from tests.contract.documented import result_keys
from tests.contract.index_spaces import (
    COLLECTION,
    SPACE,
    blobs,
    make_collection,
    scattered_rows,
    write_space,
)

GROUPS, EACH, DIMENSIONS = 8, 25, 16
COUNT = GROUPS * EACH


class Served:
    """The service on a store of its own, and a caller."""

    def __init__(self, store, channel, runs):
        self.store = store
        self.channel = channel
        self.stub = index_pb2_grpc.IndexServiceStub(channel)
        self.runs_stub = runs_pb2_grpc.RunsServiceStub(channel)
        self.runs = runs

    def call(self, name, **fields):
        request = getattr(pb, f"{name}Request")(**{"collection": COLLECTION, **fields})
        return getattr(self.stub, name)(request)

    def start(self, name, **fields):
        fields = {"space": SPACE, "request_id": str(uuid.uuid4()), **fields}
        return self.call(name, **fields).run

    def finish(self, name, **fields):
        run = self.runs.wait(self.start(name, **fields).run_id, 60)
        assert run.state is State.SUCCEEDED, run.error
        return run.result

    def search(self, vectors, limit=0, **fields):
        vectors = pack(np.asarray(vectors, dtype=np.float32))
        return _found(self.call("Search", space=SPACE, vectors=vectors, limit=limit, **fields))

    def neighbours(self, rows, limit=0, **fields):
        rows = pack(np.asarray(rows, dtype=np.int64))
        return _found(self.call("Neighbours", space=SPACE, rows=rows, limit=limit, **fields))

    def map(self, **fields):
        pieces = list(self.call("GetMap", **fields))
        rows = [unpack(piece.rows, dtype=np.int64, field="rows") for piece in pieces]
        points = [
            unpack(piece.points, dtype=np.float32, ndim=2, field="points") for piece in pieces
        ]
        return np.concatenate(rows), np.concatenate(points)


def _found(response):
    return (
        unpack(response.rows, dtype=np.int64, ndim=2, field="rows"),
        unpack(response.similarities, dtype=np.float32, ndim=2, field="similarities"),
    )


@contextmanager
def index_service(root, exact_below=200_000, job_of=lambda jobs: jobs, indexes_of=Indexes):
    device.limit_process(1)
    store = ArtifactStore(str(root))
    spaces, kept = Spaces(store), IndexStore(store, indexes_of(store))
    jobs = Jobs(spaces, kept, threads=1, exact_below=exact_below).by_kind()
    searcher = Searcher(spaces, kept, threads=1, open_indexes=2)
    runs = Runs(store, "index", job_of(jobs))
    servicer = IndexServicer(spaces, kept, searcher, Editor(spaces, kept, threads=1), runs)
    try:
        with serving(index_mount(servicer), runs_mount(runs)) as channel:
            yield Served(store, channel, runs)
    finally:
        runs.close()


@pytest.fixture
def empty(tmp_path):
    with index_service(tmp_path) as served:
        yield served


@pytest.fixture
def served(empty):
    make_collection(empty.store)
    write_space(empty.store, blobs(GROUPS, EACH, DIMENSIONS), scattered_rows(COUNT))
    return empty


@pytest.fixture
def indexed(served):
    served.finish("BuildIndex")
    return served


@pytest.fixture
def clustered(served):
    served.finish("Cluster", clusters=16)
    return served


# --- BuildIndex -----------------------------------------------------------------------------------


def test_build_index_tells_how_many_vectors_and_which_kind(served):
    assert served.finish("BuildIndex") == {"vectors": COUNT, "kind": "flat"}


def test_build_index_makes_inverted_lists_from_the_threshold_on(tmp_path):
    with index_service(tmp_path, exact_below=100) as served:
        make_collection(served.store)
        vectors, rows = blobs(GROUPS, EACH, DIMENSIONS), scattered_rows(COUNT)
        write_space(served.store, vectors, rows)
        assert served.finish("BuildIndex") == {"vectors": COUNT, "kind": "ivf"}
        found, _ = served.search(vectors, limit=1)
        assert (found[:, 0] == rows).mean() > 0.9


def test_build_index_again_leaves_a_current_index_alone(indexed):
    path = indexed.store.local(f"{layout.index(COLLECTION, SPACE)}/{layout.INDEX_FILE}")
    before = path.stat().st_mtime_ns
    assert indexed.finish("BuildIndex") == {"vectors": COUNT, "kind": "flat"}
    assert path.stat().st_mtime_ns == before


def test_build_index_takes_up_new_vectors_and_search_finds_them(indexed):
    new = np.zeros((1, DIMENSIONS), np.float32)
    new[0, 0] = 1
    assert indexed.search(new, limit=1)[0][0, 0] != 400_000
    write_space(indexed.store, new.astype(np.float16), np.array([400_000]))
    assert indexed.finish("BuildIndex")["vectors"] == COUNT + 1
    assert indexed.search(new, limit=1)[0][0, 0] == 400_000


def test_build_index_mends_a_damaged_index(indexed):
    _damage(indexed.store)
    indexed.finish("BuildIndex")
    rows, _ = indexed.search(blobs(GROUPS, EACH, DIMENSIONS)[:1], limit=1)
    assert rows[0, 0] == scattered_rows(COUNT)[0]


# --- runs in general ------------------------------------------------------------------------------

STARTS = ["BuildIndex", "Cluster", "Project"]


@pytest.mark.parametrize("name", STARTS)
def test_the_same_request_returns_the_same_run(served, name):
    first = served.start(name, request_id="r1")
    assert served.start(name, request_id="r1").run_id == first.run_id
    assert served.runs.wait(first.run_id, 60).state is State.SUCCEEDED


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize(
    ("field", "value"), [("space", "no version"), ("collection", "../x"), ("request_id", "")]
)
def test_what_a_run_is_started_with_is_checked(served, name, field, value):
    with pytest.raises(InvalidArgument) as error:
        served.start(name, **{field: value})
    assert error.value.field == field


@pytest.mark.parametrize("clusters", [-1, 1_000_001])
def test_the_number_of_clusters_has_limits(served, clusters):
    with pytest.raises(InvalidArgument) as error:
        served.start("Cluster", clusters=clusters)
    assert error.value.field == "clusters"


def test_a_request_id_can_not_be_used_for_something_else(served):
    served.start("Cluster", clusters=4, request_id="r1")
    with pytest.raises(AlreadyExists):
        served.start("Cluster", clusters=5, request_id="r1")


@pytest.mark.parametrize(
    ("name", "other"), [("BuildIndex", {"space": "toy@2"}), ("Cluster", {"clusters": 3})]
)
def test_another_run_on_the_collection_is_aborted_while_one_is_at_work(tmp_path, name, other):
    begun, go_on = threading.Event(), threading.Event()

    def held(job):
        def hold(context):
            begun.set()
            assert go_on.wait(30)
            return job(context)

        return hold

    with index_service(
        tmp_path, job_of=lambda jobs: {kind: held(job) for kind, job in jobs.items()}
    ) as served:
        make_collection(served.store)
        for space in (SPACE, "toy@2"):
            write_space(served.store, blobs(4, 10), scattered_rows(40), space=space)
        run = served.start(name)
        assert begun.wait(10)
        with pytest.raises(Aborted):
            served.start(name, **other)
        go_on.set()
        assert served.runs.wait(run.run_id, 60).state is State.SUCCEEDED


@pytest.mark.parametrize("name", ["BuildIndex", "Cluster", "Project"])
def test_results_are_what_the_proto_says(served, name):
    for _ in range(2):  # made, then found made
        assert set(served.finish(name)) == result_keys(name)


def test_a_run_can_be_followed_through_the_runs_service(served):
    run = served.start("Cluster", clusters=4)
    last = list(served.runs_stub.WatchRun(runs_pb2.WatchRunRequest(run_id=run.run_id)))[-1].run
    assert last.state == runs_pb2.STATE_SUCCEEDED
    assert (last.done, last.total) == (COUNT, COUNT)
    assert json.loads(last.result_json) == {"clusters": run.run_id, "count": 4, "vectors": COUNT}


# --- Search ---------------------------------------------------------------------------------------


def test_search_finds_what_sorting_finds(indexed):
    vectors, rows = blobs(GROUPS, EACH, DIMENSIONS).astype(np.float32), scattered_rows(COUNT)
    queries = vectors[:7] * np.linspace(0.1, 1e30, 7, dtype=np.float32)[:, None]
    found, cosines = indexed.search(queries, limit=5)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    truth = unit[:7] @ unit.T
    order = np.argsort(-truth, axis=1)[:, :5]
    assert np.array_equal(found, rows[order])
    assert np.allclose(cosines, np.take_along_axis(truth, order, axis=1), atol=1e-5)


def test_search_finds_48_when_not_told_how_many(indexed):
    assert indexed.search(blobs(1, 1, DIMENSIONS))[0].shape == (1, 48)


def test_search_fills_up_with_minus_one(indexed):
    rows, cosines = indexed.search(blobs(1, 1, DIMENSIONS), limit=COUNT + 10)
    assert (rows[0, COUNT:] == -1).all()
    assert (cosines[0, COUNT:] == 0).all()
    assert sorted(rows[0, :COUNT]) == scattered_rows(COUNT).tolist()


@pytest.mark.parametrize("limit", [-1, 1001])
def test_search_has_a_limit(indexed, limit):
    with pytest.raises(InvalidArgument) as error:
        indexed.search(blobs(1, 1, DIMENSIONS), limit=limit)
    assert error.value.field == "limit"


@pytest.mark.parametrize(
    "vectors",
    [
        np.ones((1, DIMENSIONS + 1)),
        np.ones((257, DIMENSIONS)),
        np.ones((0, DIMENSIONS)),
        np.ones((3, 0)),
        np.ones(DIMENSIONS),
        np.zeros((1, DIMENSIONS)),
        np.full((1, DIMENSIONS), np.nan),
        np.full((1, DIMENSIONS), np.inf),
    ],
    ids=["longer", "many", "none", "empty", "one axis", "zero", "nan", "infinite"],
)
def test_search_refuses_vectors_that_are_none_of_the_space(indexed, vectors):
    with pytest.raises(InvalidArgument) as error:
        indexed.search(vectors)
    assert error.value.field == "vectors"


def test_search_refuses_another_type(indexed):
    with pytest.raises(InvalidArgument) as error:
        indexed.call("Search", space=SPACE, vectors=pack(np.ones((1, DIMENSIONS), np.float16)))
    assert error.value.field == "vectors"


@pytest.mark.parametrize("call", ["search", "neighbours"])
def test_searching_without_an_index_is_a_failed_precondition(served, call):
    with pytest.raises(Conflict) as error:
        _search_with(served, call)
    assert error.value.reason == "NO_INDEX"


@pytest.mark.parametrize("call", ["search", "neighbours"])
def test_searching_an_unknown_collection_is_not_found(indexed, call):
    with pytest.raises(NotFound):
        _search_with(indexed, call, collection="other")


@pytest.mark.parametrize("call", ["search", "neighbours"])
def test_a_damaged_index_is_never_loaded(indexed, call):
    _damage(indexed.store)
    with pytest.raises(Conflict) as error:
        _search_with(indexed, call)
    assert error.value.reason == "ARTIFACT_DAMAGED"


def _search_with(served, call, **fields):
    what = blobs(1, 1, DIMENSIONS) if call == "search" else [1]
    return getattr(served, call)(what, **fields)


def _damage(store):
    path = f"{layout.index(COLLECTION, SPACE)}/{layout.INDEX_FILE}"
    data = bytearray(store.read_bytes(path))
    data[len(data) // 2] ^= 1
    store.write_bytes(path, bytes(data))


# --- Neighbours -----------------------------------------------------------------------------------


def test_neighbours_are_of_the_same_group_and_not_the_image_itself(indexed):
    rows = scattered_rows(COUNT)
    group = {row: number // EACH for number, row in enumerate(rows)}
    asked = rows[[0, 60, 150]]
    found, cosines = indexed.neighbours(asked, limit=10)
    assert found.shape == (3, 10)
    for row, near, near_cosines in zip(asked, found, cosines, strict=True):
        assert row not in near
        assert {group[each] for each in near} == {group[row]}
        assert (np.diff(near_cosines) <= 0).all()


def test_neighbours_run_out(indexed):
    found, _ = indexed.neighbours([1], limit=COUNT)
    assert found[0, -1] == -1
    assert (found[0, :-1] >= 0).all()


@pytest.mark.parametrize("row", [2, -1, 10**9, 2**62])
def test_neighbours_of_a_row_without_a_vector_are_not_found(indexed, row):
    with pytest.raises(NotFound):
        indexed.neighbours([1, row])


@pytest.mark.parametrize("rows", [[], [1] * 257], ids=["none", "many"])
def test_neighbours_are_asked_for_1_to_256_rows(indexed, rows):
    with pytest.raises(InvalidArgument) as error:
        indexed.neighbours(rows)
    assert error.value.field == "rows"


def test_neighbours_have_a_limit(indexed):
    with pytest.raises(InvalidArgument) as error:
        indexed.neighbours([1], limit=1001)
    assert error.value.field == "limit"


# --- Cluster, ListClusters, GetCluster --------------------------------------------------------------


def test_clusters_are_in_the_store_as_the_layout_says(served):
    result = served.finish("Cluster", clusters=16, seed=-5)
    folder = layout.clusters(COLLECTION, result["clusters"])
    read = {name: served.store.read_array(f"{folder}/{name}") for name in ARRAYS}
    for name, (dtype, shape) in ARRAYS.items():
        assert (read[name].dtype, read[name].shape) == (np.dtype(dtype), shape), name
    assert np.array_equal(read[layout.CLUSTER_ROWS], scattered_rows(COUNT))
    assert read[layout.CLUSTER_SIZES].sum() == COUNT
    assert served.store.read_json(layout.clusters_latest(COLLECTION)) == {
        "run": result["clusters"],
        "space": SPACE,
        "count": 16,
    }


ARRAYS = {
    layout.CLUSTER_ROWS: ("int64", (COUNT,)),
    layout.CLUSTER_ASSIGNMENT: ("int32", (COUNT,)),
    layout.CLUSTER_DISTANCE: ("float32", (COUNT,)),
    layout.CLUSTER_ORDER: ("int64", (COUNT,)),
    layout.CLUSTER_CENTROIDS: ("float32", (16, DIMENSIONS)),
    layout.CLUSTER_MEDOIDS: ("int64", (16,)),
    layout.CLUSTER_SIZES: ("int64", (16,)),
    layout.CLUSTER_SPREADS: ("float32", (16,)),
}


def test_the_number_of_clusters_is_chosen_when_not_told(served):
    assert served.finish("Cluster")["count"] == 10


def test_more_clusters_than_vectors_are_not_made(served):
    assert served.finish("Cluster", clusters=1_000_000)["count"] == COUNT


def test_clustering_again_as_before_gives_the_clusters_that_are_there(clustered):
    first = clustered.call("ListClusters").run_id
    assert clustered.finish("Cluster", clusters=16)["clusters"] == first
    assert clustered.finish("Cluster", clusters=16, seed=1)["clusters"] != first


def test_list_clusters_lists_all_by_number_page_by_page(clustered):
    pages, token = [], ""
    while not pages or token:
        page = clustered.call("ListClusters", page_size=7, page_token=token)
        pages.append(page)
        token = page.next_page_token
    assert [len(page.clusters) for page in pages] == [7, 7, 2]
    listed = [cluster for page in pages for cluster in page.clusters]
    assert [cluster.number for cluster in listed] == list(range(16))
    assert sum(cluster.size for cluster in listed) == COUNT
    assert all(cluster.medoid in scattered_rows(COUNT) for cluster in listed if cluster.size)
    assert len({page.run_id for page in pages}) == 1


def test_a_list_of_clusters_goes_on_in_the_run_it_began_with(clustered):
    begun = clustered.call("ListClusters", page_size=10)
    clustered.finish("Cluster", clusters=3)
    rest = clustered.call("ListClusters", page_token=begun.next_page_token)
    assert rest.run_id == begun.run_id
    assert [cluster.number for cluster in rest.clusters] == list(range(10, 16))
    assert len(clustered.call("ListClusters").clusters) == 3


def test_older_clusters_can_be_read_by_their_run(clustered):
    first = clustered.call("ListClusters").run_id
    clustered.finish("Cluster", clusters=3)
    assert len(clustered.call("ListClusters", clusters=first).clusters) == 16
    assert clustered.call("GetCluster", clusters=first, number=15).summary.number == 15


def test_a_cluster_that_is_found_again_keeps_its_number_and_its_id(clustered):
    first = clustered.call("ListClusters")
    clustered.finish("Cluster", clusters=16, seed=1)
    again = clustered.call("ListClusters")
    assert again.run_id != first.run_id
    assert [cluster.id for cluster in first.clusters] == list(range(16))
    same = [now.id == then.id for then, now in zip(first.clusters, again.clusters, strict=True)]
    assert sum(same) >= 8
    assert len({cluster.id for cluster in again.clusters}) == 16
    assert sum(cluster.density for cluster in again.clusters) >= COUNT // 2


def test_new_images_join_the_clusters_there_are_when_only_they_are_asked_for(served):
    half = np.arange(COUNT) % 2 == 0
    vectors, rows = blobs(GROUPS, EACH, DIMENSIONS), scattered_rows(COUNT)
    write_space(served.store, vectors[half], rows[half])
    first = served.finish("Cluster", clusters=16)
    before = served.call("ListClusters").clusters
    write_space(served.store, vectors, rows)
    grown = served.finish("Cluster", clusters=16, only_new=True)
    assert (grown["count"], grown["vectors"]) == (16, COUNT)
    assert grown["clusters"] != first["clusters"]
    after = served.call("ListClusters").clusters
    assert sum(cluster.size for cluster in after) == COUNT
    for then, now in zip(before, after, strict=True):
        assert (now.id, now.number) == (then.id, then.number)
        assert now.size >= then.size
    # Names of clusters from before hold: nobody has changed them.
    largest = max(before, key=lambda cluster: cluster.size).number
    served.call(
        "SplitCluster", cluster=f"{first['clusters']}/{largest}", request_id=str(uuid.uuid4())
    )


def test_without_clusters_only_new_images_are_all_images(served):
    assert served.finish("Cluster", clusters=4, only_new=True)["count"] == 4


def test_balanced_clusters_are_other_clusters(clustered):
    plain = clustered.call("ListClusters")
    clustered.finish("Cluster", clusters=16, balanced=True)
    even = clustered.call("ListClusters")
    assert even.run_id != plain.run_id
    assert max(cluster.size for cluster in even.clusters) <= 2 * COUNT / 16


def test_clusters_of_old_have_their_numbers_for_ids(clustered):
    run = clustered.call("ListClusters").run_id
    manifest = Manifest.load(clustered.store, layout.clusters(COLLECTION, run))
    for name in (layout.CLUSTER_IDS, layout.CLUSTER_DENSITIES):
        manifest.drop(name)
    manifest.save()
    clusters = clustered.call("ListClusters").clusters
    assert [cluster.id for cluster in clusters] == list(range(16))
    clustered.finish("Cluster", clusters=16, seed=1)
    assert any(cluster.id < 16 for cluster in clustered.call("ListClusters").clusters)


def test_a_cluster_comes_nearest_first(clustered):
    for listed in clustered.call("ListClusters").clusters:
        got = clustered.call("GetCluster", number=listed.number, limit=1000)
        rows = unpack(got.rows, dtype=np.int64, ndim=1, field="rows")
        distances = unpack(got.distances, dtype=np.float32, ndim=1, field="distances")
        assert got.summary == listed
        assert len(rows) == len(distances) == listed.size
        assert (np.diff(distances) >= 0).all()
        if listed.size:
            assert rows[0] == listed.medoid
            assert np.isclose(distances.mean(), listed.spread, atol=1e-5)


def test_get_cluster_sends_48_images_when_not_told_and_fewer_when_told(served):
    served.finish("Cluster", clusters=1)
    assert _size(served.call("GetCluster", number=0)) == 48
    assert _size(served.call("GetCluster", number=0, limit=5)) == 5
    assert _size(served.call("GetCluster", number=0, limit=2_000_000)) == COUNT


def _size(response):
    return len(unpack(response.rows, dtype=np.int64, ndim=1, field="rows"))


@pytest.mark.parametrize("name", ["ListClusters", "GetCluster"])
def test_clusters_that_are_not_there_are_not_found(served, name):
    with pytest.raises(NotFound):
        served.call(name)
    served.finish("Cluster", clusters=2)
    with pytest.raises(NotFound):
        served.call(name, clusters="cluster-0")
    with pytest.raises(NotFound):
        served.call(name, collection="other")


@pytest.mark.parametrize("number", [-1, 16])
def test_a_cluster_number_that_is_not_there_is_not_found(clustered, number):
    with pytest.raises(NotFound):
        clustered.call("GetCluster", number=number)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("ListClusters", "page_size", -1),
        ("ListClusters", "page_token", "x"),
        ("ListClusters", "clusters", "../x"),
        ("GetCluster", "clusters", "../x"),
        ("GetCluster", "limit", -1),
    ],
)
def test_what_clusters_are_asked_with_is_checked(clustered, name, field, value):
    with pytest.raises(InvalidArgument) as error:
        clustered.call(name, **{field: value})
    assert error.value.field == field


def test_a_page_token_of_other_clusters_is_refused(clustered):
    token = clustered.call("ListClusters", page_size=3).next_page_token
    with pytest.raises(InvalidArgument) as error:
        clustered.call("ListClusters", clusters="cluster-0", page_token=token)
    assert error.value.field == "page_token"


# --- Project, GetMap --------------------------------------------------------------------------------


def test_the_map_has_a_point_for_each_image_and_look_alikes_together(served):
    assert served.finish("Project")["points"] == COUNT
    rows, points = served.map()
    assert np.array_equal(rows, scattered_rows(COUNT))
    assert points.shape == (COUNT, 2)
    assert np.abs(points).max() <= 1
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    groups = np.arange(COUNT) // EACH
    assert (groups[apart.argmin(axis=1)] == groups).mean() > 0.95


def test_an_older_map_can_be_read_by_its_run(served):
    first = served.finish("Project", seed=1)["map"]
    points = served.map()[1]
    assert served.finish("Project", seed=1)["map"] == first
    write_space(served.store, blobs(1, 1, DIMENSIONS), np.array([400_000]))
    assert served.finish("Project", seed=1)["map"] != first
    assert np.array_equal(served.map(map=first)[1], points)
    assert len(served.map()[1]) == COUNT + 1


def test_a_large_map_comes_in_pieces(empty):
    make_collection(empty.store)
    write_space(empty.store, np.float16(np.ones((50_001, 1))), np.arange(50_001))
    empty.finish("Project")
    sizes = [piece.rows.shape[0] for piece in empty.call("GetMap")]
    assert sizes == [50_000, 1]


def test_a_map_that_is_not_there_is_not_found(served):
    for fields in ({}, {"map": "project-0"}, {"collection": "other"}):
        with pytest.raises(NotFound):
            served.map(**fields)


def test_the_name_of_a_map_is_checked(served):
    with pytest.raises(InvalidArgument) as error:
        served.map(map="../x")
    assert error.value.field == "map"


# --- a kill ---------------------------------------------------------------------------------------


def test_a_run_that_was_cut_off_is_taken_up_by_the_next_start(tmp_path):
    begun, never = threading.Event(), threading.Event()

    def stuck(context):
        begun.set()
        while not never.wait(0.01):
            context.check()

    with index_service(tmp_path, job_of=lambda jobs: dict.fromkeys(jobs, stuck)) as served:
        make_collection(served.store)
        write_space(served.store, blobs(4, 10), scattered_rows(40))
        run_id = served.start("Cluster", clusters=4).run_id
        assert begun.wait(10)
    with index_service(tmp_path) as served:
        served.runs.resume()
        wait_for(lambda: served.runs.get(run_id).state is State.SUCCEEDED)
        assert served.call("ListClusters").run_id == run_id


# --- SplitCluster, MergeClusters, GetAssignment -----------------------------------------------------


def name_of(served, number, run=""):
    return f"{run or served.call('ListClusters').run_id}/{number}"


def split(served, cluster, **fields):
    return served.call(
        "SplitCluster", cluster=cluster, **{"request_id": str(uuid.uuid4()), **fields}
    )


def merge(served, *clusters, **fields):
    fields = {"request_id": str(uuid.uuid4()), **fields}
    return served.call("MergeClusters", clusters=clusters, **fields)


def sizes(served, run=""):
    return [each.size for each in served.call("ListClusters", clusters=run).clusters]


def assignment(served, run=""):
    pieces = list(served.call("GetAssignment", clusters=run))
    rows = np.concatenate([unpack(each.rows, dtype=np.int64, field="rows") for each in pieces])
    numbers = [unpack(each.numbers, dtype=np.int32, field="numbers") for each in pieces]
    return dict(zip(rows.tolist(), np.concatenate(numbers).tolist(), strict=True))


@pytest.fixture
def coarse(served):
    """Four clusters of eight groups."""
    served.finish("Cluster", clusters=4)
    return served


def test_a_split_cluster_has_parts_and_the_others_are_as_before(coarse):
    before, members = sizes(coarse), assignment(coarse)
    first = coarse.call("ListClusters").run_id
    number = int(np.argmax(before))
    answer = split(coarse, name_of(coarse, number), into=3)
    after = sizes(coarse)
    assert coarse.call("ListClusters").run_id == answer.run_id != first
    assert [each.number for each in answer.parts] == [number, 4, 5]
    assert [each.size for each in answer.parts] == [after[number], after[4], after[5]]
    assert after[number] + after[4] + after[5] == before[number]
    now = assignment(coarse)
    assert {row: each for row, each in members.items() if each != number} == {
        row: each for row, each in now.items() if members[row] != number
    }
    assert sizes(coarse, first) == before


def test_into_two_when_not_told(coarse):
    assert len(split(coarse, name_of(coarse, 0)).parts) == 2


def test_merged_clusters_are_one_under_the_smallest_number(coarse):
    before = sizes(coarse)
    answer = merge(coarse, name_of(coarse, 3), name_of(coarse, 1))
    assert answer.merged.number == 1
    assert sizes(coarse) == [before[0], before[1] + before[3], before[2], 0]
    found = coarse.call("GetCluster", number=3)
    assert found.summary.medoid == -1


def test_a_name_of_older_clusters_holds_until_the_cluster_is_changed(coarse):
    old = coarse.call("ListClusters").run_id
    split(coarse, f"{old}/0")
    split(coarse, f"{old}/1")
    for call in (lambda: split(coarse, f"{old}/0"), lambda: merge(coarse, f"{old}/1", f"{old}/2")):
        with pytest.raises(Conflict) as error:
            call()
        assert error.value.reason == "CLUSTER_CHANGED"
    merge(coarse, f"{old}/2", f"{old}/3")


def test_an_edit_that_is_sent_twice_is_made_once(coarse):
    cluster = name_of(coarse, 0)
    first = split(coarse, cluster, request_id="r1")
    assert split(coarse, cluster, request_id="r1") == first
    merged = merge(coarse, name_of(coarse, 1), name_of(coarse, 2), request_id="r2")
    again = merge(coarse, f"{first.run_id}/2", f"{first.run_id}/1", request_id="r2")
    assert again == merged
    assert split(coarse, cluster, request_id="r1").run_id == first.run_id
    with pytest.raises(AlreadyExists):
        split(coarse, cluster, into=3, request_id="r1")


def test_clustering_again_as_before_keeps_what_people_did(coarse):
    answer = split(coarse, name_of(coarse, 0))
    result = coarse.finish("Cluster", clusters=4)
    assert (result["clusters"], result["count"]) == (answer.run_id, 5)


def test_the_pointer_tells_where_edited_clusters_come_from(coarse):
    first = coarse.call("ListClusters").run_id
    second = split(coarse, f"{first}/0").run_id
    third = merge(coarse, f"{second}/1", f"{second}/2").run_id
    assert coarse.store.read_json(layout.clusters_latest(COLLECTION)) == {
        "run": third,
        "space": SPACE,
        "count": 5,
        "began_with": 4,
        "edited": [first, second],
    }


def test_many_edits_keep_the_first_clustering_and_the_last(coarse):
    first = coarse.call("ListClusters").run_id
    runs = [split(coarse, name_of(coarse, int(np.argmax(sizes(coarse))))).run_id for _ in range(6)]
    there = coarse.store.list(f"collections/{COLLECTION}/clusters")
    assert sorted(there) == sorted(["latest.json", first, *runs[-3:]])
    assert sum(sizes(coarse)) == COUNT


def test_a_cluster_too_small_to_split_is_a_failed_precondition(served):
    served.finish("Cluster", clusters=100)
    small = sizes(served).index(1)
    with pytest.raises(Conflict) as error:
        split(served, name_of(served, small))
    assert error.value.reason == "CLUSTER_TOO_SMALL"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cluster": ""}, "cluster"),
        ({"cluster": "x"}, "cluster"),
        ({"cluster": "../x/1"}, "cluster"),
        ({"cluster": "c/0", "into": 1}, "into"),
        ({"cluster": "c/0", "into": 17}, "into"),
        ({"cluster": "c/0", "request_id": ""}, "request_id"),
    ],
)
def test_what_is_split_is_checked(coarse, fields, field):
    with pytest.raises(InvalidArgument) as error:
        split(coarse, **fields)
    assert error.value.field == field


@pytest.mark.parametrize(
    "clusters", [[], ["c/1"], ["c/1", "c/1"], [f"c/{number}" for number in range(257)]]
)
def test_two_to_256_clusters_are_merged_each_named_once(coarse, clusters):
    with pytest.raises(InvalidArgument) as error:
        merge(coarse, *clusters)
    assert error.value.field == "clusters"


def test_editing_what_is_not_there_is_not_found(coarse):
    run = coarse.call("ListClusters").run_id
    for call in (
        lambda: split(coarse, f"{run}/4"),
        lambda: merge(coarse, f"{run}/0", f"{run}/9"),
        lambda: split(coarse, f"{run}/0", collection="nowhere"),
    ):
        with pytest.raises(NotFound):
            call()


def test_without_clusters_there_is_nothing_to_edit_and_no_assignment(served):
    with pytest.raises(NotFound):
        split(served, "c/0")
    with pytest.raises(NotFound):
        assignment(served)


# --- SeparateGroups ---------------------------------------------------------------------------------


def separate(served, a, b, **fields):
    groups = {
        "rows_a": pack(np.asarray(a, np.int64)),
        "rows_b": pack(np.asarray(b, np.int64)),
    }
    pieces = list(served.call("SeparateGroups", **{"space": SPACE, **groups, **fields}))
    rows = [unpack(piece.rows, dtype=np.int64, field="rows") for piece in pieces]
    points = [unpack(piece.points, dtype=np.float32, ndim=2, field="points") for piece in pieces]
    return np.concatenate(rows), np.concatenate(points)


def test_two_groups_lie_on_both_sides_of_the_view_of_all_images(served):
    every = scattered_rows(COUNT)
    a, b = every[: EACH // 2], every[EACH : EACH + 9]
    rows, points = separate(served, a, b)
    assert np.array_equal(rows, every)
    assert points.shape == (COUNT, 2)
    assert np.abs(points).max() <= 1
    # Also those of the same kind that nobody picked.
    assert (points[:EACH, 0] < 0).all()
    assert (points[EACH : 2 * EACH, 0] > 0).all()


@pytest.mark.parametrize(
    ("a", "b", "field"), [([], [1], "rows_a"), ([1], [], "rows_b"), ([1, 4], [7, 4], "rows_b")]
)
def test_groups_must_not_be_empty_or_overlap(served, a, b, field):
    with pytest.raises(InvalidArgument) as error:
        separate(served, a, b)
    assert error.value.field == field


def test_a_group_has_at_most_ten_thousand_images(served):
    with pytest.raises(InvalidArgument) as error:
        separate(served, np.arange(10_001), [1])
    assert error.value.field == "rows_a"


def test_separating_images_without_vectors_is_not_found(served):
    with pytest.raises(NotFound):
        separate(served, [1], [2])
