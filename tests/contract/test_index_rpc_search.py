import itertools

import numpy as np
import pytest

from hundredfold.chassis.errors import Conflict, InvalidArgument, NotFound
from hundredfold.chassis.runs import State
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.latest import make_latest
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.index.domain import factory, finding
from tests.contract.index_spaces import (
    COLLECTION,
    SPACE,
    blobs,
    make_collection,
    scattered_rows,
    write_space,
)
from tests.contract.test_index_rpc import COUNT, DIMENSIONS, EACH, GROUPS, index_service

ROWS = scattered_rows(COUNT)
VECTORS = blobs(GROUPS, EACH, DIMENSIONS)


@pytest.fixture(params=[1000, 0], ids=["flat", "ivf"])
def indexed(request, tmp_path):
    with index_service(tmp_path, exact_below=request.param) as served:
        make_collection(served.store)
        write_space(served.store, VECTORS, ROWS)
        served.finish("BuildIndex")
        yield served


def int64(rows):
    return pack(np.asarray(rows, dtype=np.int64))


def within(served, least, **fields):
    if "vectors" in fields:
        fields["vectors"] = pack(np.asarray(fields["vectors"], dtype=np.float32))
    if "rows" in fields:
        fields["rows"] = int64(fields["rows"])
    fields = {"space": SPACE, "least": least, **fields}
    answer = served.call("SearchWithin", **fields)
    starts, rows = (
        unpack(getattr(answer, name), dtype=np.int64, ndim=1, field=name)
        for name in ("starts", "rows")
    )
    cosines = unpack(answer.similarities, dtype=np.float32, ndim=1, field="similarities")
    spans = list(itertools.pairwise(starts))
    return [(rows[begin:end], cosines[begin:end]) for begin, end in spans]


def call(served, name, **fields):
    near = {
        "Search": {"vectors": pack(VECTORS[:1].astype(np.float32))},
        "Neighbours": {"rows": int64(ROWS[:1])},
        "SearchWithin": {"rows": int64(ROWS[:1]), "least": 0.5},
        "RemoveRows": {"rows": int64([1])},
        "RestoreRows": {"rows": int64([1])},
    }
    return served.call(name, **{"space": SPACE, **near.get(name, {}), **fields})


SEARCHES = ["Search", "Neighbours", "SearchWithin"]


@pytest.mark.parametrize("name", [*SEARCHES, "GetIndex"])
def test_without_an_index_it_is_a_failed_precondition(indexed, name):
    write_space(indexed.store, VECTORS, ROWS, space="other@7")
    with pytest.raises(Conflict) as error:
        call(indexed, name, space="other@7")
    assert error.value.reason == "NO_INDEX"


@pytest.mark.parametrize("name", [*SEARCHES, "GetIndex"])
def test_a_cut_index_is_named_and_other_spaces_are_served(indexed, name):
    write_space(indexed.store, VECTORS, ROWS, space="other@7")
    indexed.finish("BuildIndex", space="other@7")
    path = f"{layout.index(COLLECTION, SPACE)}/{layout.INDEX_FILE}"
    indexed.store.write_bytes(path, indexed.store.read_bytes(path)[:-7])
    with pytest.raises(Conflict) as error:
        call(indexed, name)
    assert error.value.reason == "ARTIFACT_DAMAGED"
    assert path in str(error.value)
    call(indexed, name, space="other@7")


# --- filters ----------------------------------------------------------------------------------------


def bits(rows):
    mask = np.zeros(rows.max() + 1, np.bool_)
    mask[rows] = True
    return np.packbits(mask, bitorder="little")


def expected(chosen, limit=5):
    cosines = VECTORS[:7].astype(np.float32) @ VECTORS.T.astype(np.float32)
    cosines[:, ~np.isin(ROWS, chosen)] = -np.inf
    return ROWS[np.argsort(-cosines, axis=1, kind="stable")[:, :limit]]


@pytest.mark.parametrize("few", [0, finding.FEW])
@pytest.mark.parametrize(
    "named",
    [
        lambda chosen: {"rows": int64(chosen[::-1])},
        lambda chosen: {"rows": int64([*chosen, -5, 2, 10**12])},
        lambda chosen: {"without": int64([*np.setdiff1d(ROWS, chosen), 2, 10**12])},
        lambda chosen: {"mask": pack(bits(chosen))},
    ],
    ids=["rows", "rows without vectors", "without", "mask"],
)
def test_a_filtered_search_finds_what_sorting_the_allowed_finds(indexed, named, few, monkeypatch):
    monkeypatch.setattr(finding, "FEW", few)
    chosen = ROWS[::3]
    found, _ = indexed.search(VECTORS[:7], limit=5, filter=named(chosen))
    agreement = (found == expected(chosen)).mean()
    assert agreement > 0.9  # codes may swap two that are equally near
    assert np.isin(found, chosen).all()


def test_filters_add_up(indexed):
    told = {"rows": int64(ROWS[:50]), "without": int64(ROWS[:10]), "mask": pack(bits(ROWS[::2]))}
    found, _ = indexed.search(VECTORS[:3], limit=100, filter=told)
    assert set(found[0]) - {-1} == set(ROWS[10:50:2])


@pytest.mark.parametrize(
    "told", [{"rows": int64([])}, {"mask": pack(np.empty(0, np.uint8))}], ids=["rows", "mask"]
)
def test_an_empty_choice_finds_nothing(indexed, told):
    found, cosines = indexed.search(VECTORS[:3], limit=4, filter=told)
    assert (found == -1).all()
    assert (cosines == 0).all()
    assert all(len(rows) == 0 for rows, _ in within(indexed, -1, vectors=VECTORS[:3], filter=told))


def test_neighbours_of_an_image_that_is_filtered_out_are_found(indexed):
    found, _ = indexed.neighbours(ROWS[:1], limit=5, filter={"rows": int64(ROWS[1:EACH])})
    assert np.isin(found, ROWS[1:EACH]).all()


def test_copies_are_hidden_as_the_newest_run_tells(indexed):
    hidden = {"hide_copies": True}
    assert indexed.neighbours(ROWS[:1], limit=3, filter=hidden)[0].min() >= 0  # no run yet
    representative = np.arange(ROWS[COUNT - 10])  # made before the last ten rows came
    representative[ROWS[1:20]] = ROWS[0]
    write_duplicates(indexed.store, "run-1", representative)
    found = set(indexed.search(VECTORS[:1], limit=COUNT, filter=hidden)[0][0]) - {-1}
    assert found == set(ROWS) - set(ROWS[1:20])
    write_duplicates(indexed.store, "run-2", np.arange(ROWS[-1] + 1))
    assert len(set(indexed.search(VECTORS[:1], limit=COUNT, filter=hidden)[0][0])) == COUNT


def write_duplicates(store, run, representative):
    folder = layout.duplicates(COLLECTION, run)
    manifest = Manifest(store, folder)
    path = f"{folder}/{layout.REPRESENTATIVE}"
    manifest.add(layout.REPRESENTATIVE, store.write_array(path, representative))
    make_latest(store, layout.duplicates_latest(COLLECTION), manifest, keep=5)


def test_a_search_can_be_kept_to_a_cluster(indexed):
    run = indexed.finish("Cluster", clusters=8)["clusters"]
    got = indexed.call("GetCluster", clusters=run, number=3, limit=1000)
    members = unpack(got.rows, dtype=np.int64, ndim=1, field="rows")
    told = {"cluster": f"{run}/3"}
    found, _ = indexed.search(VECTORS[:1], limit=COUNT, filter=told)
    assert set(found[0]) - {-1} == set(members)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_cluster_that_is_not_there_is_not_found(indexed, name):
    run = indexed.finish("Cluster", clusters=8)["clusters"]
    for cluster in (f"{run}/8", "other/1"):
        with pytest.raises(NotFound):
            call(indexed, name, filter={"cluster": cluster})


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"cluster": "3"}, "cluster"),
        ({"rows": pack(np.zeros(3, np.int32))}, "filter.rows"),
        ({"without": pack(np.zeros((3, 1), np.int64))}, "filter.without"),
        ({"mask": pack(np.zeros(3, np.int64))}, "filter.mask"),
    ],
)
def test_a_filter_that_is_none_is_refused(indexed, name, told, field):
    with pytest.raises(InvalidArgument) as error:
        call(indexed, name, filter=told)
    assert error.value.field == field


# --- vectors of another kind --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Search", "SearchWithin"])
def test_vectors_of_another_model_are_refused_with_both_named(indexed, name):
    near = {"vectors": pack(VECTORS[:1].astype(np.float32))}
    call(indexed, name, model=SPACE, **near)
    with pytest.raises(InvalidArgument) as error:
        call(indexed, name, model="toy@2", **near)
    assert error.value.field == "model"
    assert "toy@2" in str(error.value)
    assert SPACE in str(error.value)


@pytest.mark.parametrize("name", ["Search", "SearchWithin"])
def test_vectors_of_another_dimension_are_refused_with_both_named(indexed, name):
    with pytest.raises(InvalidArgument) as error:
        call(indexed, name, vectors=pack(np.ones((1, 24), np.float32)))
    assert error.value.field == "vectors"
    assert "24" in str(error.value)
    assert "16" in str(error.value)


# --- SearchWithin -------------------------------------------------------------------------------------


def test_a_range_search_finds_all_that_is_near_enough(indexed):
    cosines = VECTORS.astype(np.float32) @ VECTORS.T.astype(np.float32)
    for each, (rows, near) in enumerate(within(indexed, 0.8, vectors=VECTORS)):
        assert set(ROWS[cosines[each] > 0.801]) <= set(rows)
        assert (near >= 0.8).all()
        assert (np.diff(near) <= 0).all()


def test_a_range_search_from_images_leaves_them_out(indexed):
    by_vector = within(indexed, 0.8, vectors=VECTORS)
    by_row = within(indexed, 0.8, rows=ROWS)
    for row, (alone, _), (others, _) in zip(ROWS, by_vector, by_row, strict=True):
        assert set(others) == set(alone) - {row}


def test_a_range_search_is_cut_at_its_limit(indexed):
    for rows, _ in within(indexed, -1, rows=ROWS[:5], limit=7):
        assert len(rows) == 7
    nearest = indexed.neighbours(ROWS[:5], limit=7)[0]
    found = [rows for rows, _ in within(indexed, -1, rows=ROWS[:5], limit=7)]
    assert np.array_equal(found, nearest)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "vectors"),
        ({"rows": [1], "limit": -1}, "limit"),
        ({"rows": [1], "limit": 10_001}, "limit"),
        ({"rows": [1] * 200, "limit": 2_501}, "limit"),
        ({"rows": [1] * 257}, "rows"),
        ({"rows": []}, "rows"),
        ({"vectors": np.zeros((1, DIMENSIONS))}, "vectors"),
        ({"vectors": np.ones((257, DIMENSIONS))}, "vectors"),
    ],
)
def test_a_range_search_has_limits(indexed, fields, field):
    with pytest.raises(InvalidArgument) as error:
        within(indexed, 0.5, **fields)
    assert error.value.field == field


@pytest.mark.parametrize("least", [1.1, -1.1, np.nan, np.inf])
def test_the_least_similarity_is_a_cosine(indexed, least):
    with pytest.raises(InvalidArgument) as error:
        within(indexed, least, rows=[1])
    assert error.value.field == "least"


def test_a_range_search_from_an_image_without_a_vector_is_not_found(indexed):
    with pytest.raises(NotFound):
        within(indexed, 0.5, rows=[2])


# --- GetIndex -----------------------------------------------------------------------------------------


def test_get_index_tells_what_a_build_measured(indexed):
    told = call(indexed, "GetIndex")
    flat = told.kind == "flat"
    assert (told.vectors, told.dimensions) == (COUNT, DIMENSIONS)
    assert told.codes == ("flat" if flat else "sq8")
    assert told.factory == factory.choose(COUNT, DIMENSIONS, exact_below=1000 * flat).factory
    assert told.recall == 1 if flat else 0.9 <= told.recall <= 1
    assert told.held_out == (0 if flat else COUNT // 2)
    assert (told.lists > 0) == (told.probes > 0) == (not flat)
    assert told.memory_bytes > 0
    assert told.file_bytes > 0
    assert told.current
    assert not told.signed
    write_space(indexed.store, VECTORS[1:], ROWS[1:])
    assert not call(indexed, "GetIndex").current


def test_a_damaged_part_is_told_and_the_rest_is_served(indexed):
    path = f"{layout.vectors(COLLECTION, SPACE)}/{layout.vectors_part(1)}"
    data = bytearray(indexed.store.read_bytes(path))
    data[-1] ^= 1
    indexed.store.write_bytes(path, bytes(data))
    indexed.finish("BuildIndex")
    told = call(indexed, "GetIndex")
    assert list(told.damaged) == [path]
    assert told.vectors == COUNT // 2
    found, _ = indexed.search(VECTORS, limit=COUNT)
    assert set(found.ravel()) - {-1} == set(ROWS[: COUNT // 2])


def test_a_part_that_is_damaged_after_the_build_is_told_by_each_search(indexed):
    path = f"{layout.vectors(COLLECTION, SPACE)}/{layout.vectors_part(1)}"
    whole = indexed.store.read_bytes(path)
    indexed.store.write_bytes(path, whole[:-32])
    answer = call(indexed, "Search", limit=COUNT)
    if call(indexed, "GetIndex").kind == "flat":
        assert not answer.damaged  # it holds the vectors itself
        return
    assert list(answer.damaged) == [path]
    rows = unpack(answer.rows, dtype=np.int64, ndim=2, field="rows")
    assert set(rows[0]) - {-1} == set(ROWS[: COUNT // 2])
    indexed.store.write_bytes(path, whole)
    assert not call(indexed, "Search").damaged


# --- what comes and goes ------------------------------------------------------------------------------


def test_removed_rows_never_come(indexed):
    rng = np.random.default_rng(0)
    gone = set()
    for _ in range(4):
        rows = rng.choice(ROWS, size=20)
        gone |= set(rows.tolist())
        removed = indexed.call("RemoveRows", space=SPACE, rows=int64(rows)).removed
        assert removed == len(gone)
        found, _ = indexed.search(VECTORS[:9], limit=COUNT)
        assert all(set(each) - {-1} == set(ROWS) - gone for each in found)
        assert not gone & set(indexed.neighbours(ROWS[:9], limit=50)[0].ravel())
        assert not any(gone & set(rows) for rows, _ in within(indexed, -1, rows=ROWS[:9]))
        only = {"rows": int64(rows)}
        assert (indexed.search(VECTORS[:9], limit=5, filter=only)[0] == -1).all()


def test_removed_rows_stay_away_when_the_index_is_built_again(indexed):
    indexed.call("RemoveRows", space=SPACE, rows=int64(ROWS[:5]))
    write_space(indexed.store, VECTORS[:-1], ROWS[:-1])
    indexed.finish("BuildIndex")
    found, _ = indexed.search(VECTORS[:3], limit=COUNT)
    assert not set(ROWS[:5]) & set(found.ravel())
    assert call(indexed, "GetIndex").removed == 5
    left = indexed.call("RestoreRows", space=SPACE, rows=int64(ROWS[:4])).removed
    assert left == 1
    assert indexed.search(VECTORS[:3], limit=1)[0].ravel().tolist() == ROWS[:3].tolist()


@pytest.mark.parametrize("name", ["RemoveRows", "RestoreRows"])
@pytest.mark.parametrize("rows", [[], [-1], np.arange(100_001)], ids=["none", "negative", "many"])
def test_what_can_be_removed_has_limits(indexed, name, rows):
    with pytest.raises(InvalidArgument) as error:
        call(indexed, name, rows=int64(rows))
    assert error.value.field == "rows"


def test_new_vectors_are_added_to_the_index_that_is_there(indexed):
    before = call(indexed, "GetIndex")
    new = blobs(GROUPS, 5, DIMENSIONS, seed=1)
    rows = np.concatenate([ROWS, 2 * layout.PART_ROWS + np.arange(len(new))])
    write_space(indexed.store, np.concatenate([VECTORS, new]), rows)
    indexed.finish("BuildIndex")
    after = call(indexed, "GetIndex")
    assert after.factory == before.factory  # of more vectors one of more lists would be made
    assert after.vectors == len(rows)
    assert after.current
    found, _ = indexed.search(new, limit=1)
    assert (found[:, 0] == rows[COUNT:]).mean() > 0.9


# --- memory -------------------------------------------------------------------------------------------


def test_the_memory_of_a_request_decides_the_kind(tmp_path):
    rows = np.arange(factory.CODES_FROM)
    with index_service(tmp_path) as served:
        make_collection(served.store)
        write_space(served.store, blobs(100, len(rows) // 100, 64), rows)
        served.finish("BuildIndex")
        assert call(served, "GetIndex").kind == "flat"
        served.finish("BuildIndex", memory_bytes=48 * len(rows))
        told = call(served, "GetIndex")
        assert told.codes == "rabitq"
        assert told.memory_bytes <= 48 * len(rows)
        assert told.recall >= 0.9
        run = served.runs.wait(served.start("BuildIndex", memory_bytes=1000).run_id, 60)
        assert run.state is State.FAILED
        assert "may take 1000" in str(run.error)
        assert call(served, "GetIndex").codes == "rabitq"  # the one that is there stays


def test_negative_memory_is_refused(indexed):
    with pytest.raises(InvalidArgument) as error:
        indexed.start("BuildIndex", memory_bytes=-1)
    assert error.value.field == "memory_bytes"
