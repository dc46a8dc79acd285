"""What an index of vectors promises through the index service: one suite, inherited by every engine."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hundredfold.chassis.errors import Conflict, InvalidArgument, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.latest import make_latest
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.index.domain import asking, finding
from tests.contract.index_spaces import (
    COLLECTION,
    SPACE,
    blobs,
    scattered_rows,
    write_space,
)
from tests.contract.test_index_rpc import COUNT, DIMENSIONS, EACH, GROUPS

ROWS = scattered_rows(COUNT)
VECTORS = blobs(GROUPS, EACH, DIMENSIONS)


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
OF_A_SPACE = [*SEARCHES, "GetIndex", "RemoveRows", "RestoreRows"]


def bits(rows):
    mask = np.zeros(rows.max() + 1, np.bool_)
    mask[rows] = True
    return np.packbits(mask, bitorder="little")


def expected(chosen, limit=5):
    cosines = VECTORS[:7].astype(np.float32) @ VECTORS.T.astype(np.float32)
    cosines[:, ~np.isin(ROWS, chosen)] = -np.inf
    return ROWS[np.argsort(-cosines, axis=1, kind="stable")[:, :limit]]


TESTS = np.arange(COUNT) % 4 == 0
CATS = np.arange(COUNT) % 10 < 3


def write_images(store):
    """Every fourth image that has a vector is of the test split, three of ten are cats; of others nothing is known."""
    manifest = Manifest(store, layout.images(COLLECTION))
    for part in np.unique(ROWS // layout.PART_ROWS):
        of_part = part == ROWS // layout.PART_ROWS
        places = ROWS[of_part] - part * layout.PART_ROWS
        count = int(places[-1]) + 1
        tags, labels = [None] * count, [None] * count
        for place, test, cat in zip(places, TESTS[of_part], CATS[of_part], strict=True):
            tags[place] = ["red", "test" if test else "train"]
            labels[place] = "cat" if cat else "bird"
        table = pa.table(
            {"tags": pa.array(tags, pa.list_(pa.string())), "label": pa.array(labels, pa.string())}
        )
        name = layout.images_part(int(part))
        with store.writer(f"{manifest.folder}/{name}") as out:
            pq.write_table(table, out)
        manifest.add(name, out.artifact, rows=count, ok=count)
    manifest.save()


def write_duplicates(store, run, representative):
    folder = layout.duplicates(COLLECTION, run)
    manifest = Manifest(store, folder)
    path = f"{folder}/{layout.REPRESENTATIVE}"
    manifest.add(layout.REPRESENTATIVE, store.write_array(path, representative))
    make_latest(store, layout.duplicates_latest(COLLECTION), manifest, keep=5)


class IndexContract:
    """What the index service promises, whoever keeps the indexes: inherit, and say who with a fixture `indexed`."""

    @pytest.mark.parametrize("name", OF_A_SPACE)
    def test_a_space_that_is_not_there_is_not_found_with_those_that_are(self, indexed, name):
        write_space(indexed.store, VECTORS, ROWS, space="other@7")
        with pytest.raises(NotFound) as error:
            call(indexed, name, space="toy@9")
        assert "toy@9" in str(error.value)
        assert "other@7, toy@1" in str(error.value)
        assert error.value.metadata["spaces"] == "other@7, toy@1"

    @pytest.mark.parametrize("name", OF_A_SPACE)
    def test_a_collection_that_is_not_there_is_not_found(self, indexed, name):
        with pytest.raises(NotFound) as error:
            call(indexed, name, collection="other")
        assert error.value.field == "collection"

    @pytest.mark.parametrize("name", [*SEARCHES, "GetIndex"])
    def test_without_an_index_it_is_a_failed_precondition(self, indexed, name):
        write_space(indexed.store, VECTORS, ROWS, space="other@7")
        with pytest.raises(Conflict) as error:
            call(indexed, name, space="other@7")
        assert error.value.reason == "NO_INDEX"

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
    def test_a_filtered_search_finds_what_sorting_the_allowed_finds(
        self, indexed, named, few, monkeypatch
    ):
        monkeypatch.setattr(finding, "FEW", few)
        monkeypatch.setattr(asking, "MOST_NAMED", few or 16)
        chosen = ROWS[::3]
        found, _ = indexed.search(VECTORS[:7], limit=5, filter=named(chosen))
        agreement = (found == expected(chosen)).mean()
        assert agreement > 0.9  # codes may swap two that are equally near
        assert np.isin(found, chosen).all()

    def test_filters_add_up(self, indexed):
        told = {
            "rows": int64(ROWS[:50]),
            "without": int64(ROWS[:10]),
            "mask": pack(bits(ROWS[::2])),
        }
        found, _ = indexed.search(VECTORS[:3], limit=100, filter=told)
        assert set(found[0]) - {-1} == set(ROWS[10:50:2])

    @pytest.mark.parametrize(
        "told", [{"rows": int64([])}, {"mask": pack(np.empty(0, np.uint8))}], ids=["rows", "mask"]
    )
    def test_an_empty_choice_finds_nothing(self, indexed, told):
        found, cosines = indexed.search(VECTORS[:3], limit=4, filter=told)
        assert (found == -1).all()
        assert (cosines == 0).all()
        assert all(
            len(rows) == 0 for rows, _ in within(indexed, -1, vectors=VECTORS[:3], filter=told)
        )

    def test_neighbours_of_an_image_that_is_filtered_out_are_found(self, indexed):
        found, _ = indexed.neighbours(ROWS[:1], limit=5, filter={"rows": int64(ROWS[1:EACH])})
        assert np.isin(found, ROWS[1:EACH]).all()

    def test_copies_are_hidden_as_the_newest_run_tells(self, indexed):
        hidden = {"hide_copies": True}
        assert indexed.neighbours(ROWS[:1], limit=3, filter=hidden)[0].min() >= 0  # no run yet
        representative = np.arange(ROWS[COUNT - 10])  # made before the last ten rows came
        representative[ROWS[1:20]] = ROWS[0]
        write_duplicates(indexed.store, "run-1", representative)
        found = set(indexed.search(VECTORS[:1], limit=COUNT, filter=hidden)[0][0]) - {-1}
        assert found == set(ROWS) - set(ROWS[1:20])
        write_duplicates(indexed.store, "run-2", np.arange(ROWS[-1] + 1))
        assert len(set(indexed.search(VECTORS[:1], limit=COUNT, filter=hidden)[0][0])) == COUNT

    def test_a_search_can_be_kept_to_a_cluster(self, indexed):
        run = indexed.finish("Cluster", clusters=8)["clusters"]
        got = indexed.call("GetCluster", clusters=run, number=3, limit=1000)
        members = unpack(got.rows, dtype=np.int64, ndim=1, field="rows")
        told = {"cluster": f"{run}/3"}
        found, _ = indexed.search(VECTORS[:1], limit=COUNT, filter=told)
        assert set(found[0]) - {-1} == set(members)

    @pytest.mark.parametrize(
        ("told", "chosen"),
        [
            ({"tags": ["test"]}, TESTS),
            ({"tags": ["test", "train"]}, np.ones(COUNT, np.bool_)),
            ({"tags": ["none has it"]}, np.zeros(COUNT, np.bool_)),
            ({"source_labels": ["cat"]}, CATS),
            ({"tags": ["test"], "source_labels": ["cat", "dog"]}, TESTS & CATS),
        ],
    )
    def test_a_search_can_be_kept_to_a_split_and_to_labels_of_the_source(
        self, indexed, told, chosen
    ):
        write_images(indexed.store)
        found, _ = indexed.search(VECTORS[:3], limit=COUNT, filter=told)
        assert all(set(rows) - {-1} == set(ROWS[chosen]) for rows in found)
        near = within(indexed, -1, rows=ROWS[:1], filter=told)[0][0]
        assert set(near) == set(ROWS[chosen]) - {ROWS[0]}

    def test_images_that_come_are_in_their_split_at_once(self, indexed):
        told = {"tags": ["test"]}
        assert (indexed.search(VECTORS[:1], filter=told)[0] == -1).all()  # the catalog has none
        write_images(indexed.store)
        assert set(indexed.search(VECTORS[:1], filter=told)[0][0]) <= set(ROWS[TESTS])

    @pytest.mark.parametrize("name", SEARCHES)
    @pytest.mark.parametrize("words", [[""], ["x" * 1001], ["x"] * 101])
    @pytest.mark.parametrize("field", ["tags", "source_labels"])
    def test_words_of_a_filter_have_limits(self, indexed, name, words, field):
        with pytest.raises(InvalidArgument) as error:
            call(indexed, name, filter={field: words})
        assert error.value.field == f"filter.{field}"

    @pytest.mark.parametrize("name", SEARCHES)
    def test_a_cluster_that_is_not_there_is_not_found(self, indexed, name):
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
    def test_a_filter_that_is_none_is_refused(self, indexed, name, told, field):
        with pytest.raises(InvalidArgument) as error:
            call(indexed, name, filter=told)
        assert error.value.field == field

    @pytest.mark.parametrize("name", ["Search", "SearchWithin"])
    def test_vectors_of_another_model_are_refused_with_both_named(self, indexed, name):
        near = {"vectors": pack(VECTORS[:1].astype(np.float32))}
        call(indexed, name, model=SPACE, **near)
        with pytest.raises(InvalidArgument) as error:
            call(indexed, name, model="toy@2", **near)
        assert error.value.field == "model"
        assert "toy@2" in str(error.value)
        assert SPACE in str(error.value)

    @pytest.mark.parametrize("name", ["Search", "SearchWithin"])
    def test_vectors_of_another_dimension_are_refused_with_both_named(self, indexed, name):
        with pytest.raises(InvalidArgument) as error:
            call(indexed, name, vectors=pack(np.ones((1, 24), np.float32)))
        assert error.value.field == "vectors"
        assert "24" in str(error.value)
        assert "16" in str(error.value)

    def test_a_range_search_finds_all_that_is_near_enough(self, indexed):
        cosines = VECTORS.astype(np.float32) @ VECTORS.T.astype(np.float32)
        for each, (rows, near) in enumerate(within(indexed, 0.8, vectors=VECTORS)):
            assert set(ROWS[cosines[each] > 0.801]) <= set(rows)
            assert (near >= 0.8).all()
            assert (np.diff(near) <= 0).all()

    def test_a_range_search_from_images_leaves_them_out(self, indexed):
        by_vector = within(indexed, 0.8, vectors=VECTORS)
        by_row = within(indexed, 0.8, rows=ROWS)
        for row, (alone, _), (others, _) in zip(ROWS, by_vector, by_row, strict=True):
            assert set(others) == set(alone) - {row}

    def test_a_range_search_is_cut_at_its_limit(self, indexed):
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
    def test_a_range_search_has_limits(self, indexed, fields, field):
        with pytest.raises(InvalidArgument) as error:
            within(indexed, 0.5, **fields)
        assert error.value.field == field

    @pytest.mark.parametrize("least", [1.1, -1.1, np.nan, np.inf])
    def test_the_least_similarity_is_a_cosine(self, indexed, least):
        with pytest.raises(InvalidArgument) as error:
            within(indexed, least, rows=[1])
        assert error.value.field == "least"

    def test_a_range_search_from_an_image_without_a_vector_is_not_found(self, indexed):
        with pytest.raises(NotFound):
            within(indexed, 0.5, rows=[2])

    def test_a_damaged_part_is_told_and_the_rest_is_served(self, indexed):
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

    def test_removed_rows_never_come(self, indexed):
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

    def test_removed_rows_stay_away_when_the_index_is_built_again(self, indexed):
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
    @pytest.mark.parametrize(
        "rows", [[], [-1], np.arange(100_001)], ids=["none", "negative", "many"]
    )
    def test_what_can_be_removed_has_limits(self, indexed, name, rows):
        with pytest.raises(InvalidArgument) as error:
            call(indexed, name, rows=int64(rows))
        assert error.value.field == "rows"

    def test_negative_memory_is_refused(self, indexed):
        with pytest.raises(InvalidArgument) as error:
            indexed.start("BuildIndex", memory_bytes=-1)
        assert error.value.field == "memory_bytes"
