import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.domain import clustering, device, growing, matching
from hundredfold.index.domain.editing import Base
from hundredfold.index.domain.matching import Named, Names
from hundredfold.index.domain.parts import VectorParts
from hundredfold.index.domain.progress import silent
from hundredfold.index.editing import Editor
from hundredfold.index.reclustering import Reclustering
from hundredfold.index.spaces import Spaces
from hundredfold.index.store import IndexStore
from tests.contract.index_spaces import (
    COLLECTION,
    SPACE,
    blobs,
    make_collection,
    scattered_rows,
    write_space,
)

GROUPS, EACH = 8, 30


@pytest.fixture(autouse=True)
def one_thread():
    device.limit_process(1)
    device.limit_thread(1)


def named(assignment, count, next_id=None):
    assignment = np.array(assignment, dtype=np.int32)
    ids = np.arange(count) + 100
    return Named(np.arange(len(assignment)), assignment, Names(ids, next_id or 100 + count))


# --- which cluster is which -----------------------------------------------------------------------


def test_clusters_that_share_most_images_are_the_same():
    before = named([0, 0, 0, 1, 1, 1, 2, 2], 3)
    now = np.array([1, 1, 1, 0, 0, 2, 2, 2], dtype=np.int32)
    assert sorted(matching.matched(before, np.arange(8), now)) == [(0, 1), (1, 0), (2, 2)]


def test_only_images_of_both_clusterings_count():
    before = named([0, 0, 1, 1], 2)
    rows, now = np.array([1, 3, 7, 8, 9]), np.array([1, 0, 0, 0, 0], dtype=np.int32)
    assert sorted(matching.matched(before, rows, now)) == [(0, 1), (1, 0)]
    assert matching.matched(before, np.array([50]), np.zeros(1, np.int32)) == []


def test_a_cluster_that_fell_into_small_pieces_is_gone():
    before = named([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2], 3)
    now = np.array([0, 1, 2, 3] * 3, dtype=np.int32)
    assert matching.matched(before, np.arange(12), now) == []


@given(
    n=st.integers(1, 80),
    before=st.integers(1, 12),
    now=st.integers(1, 12),
    seed=st.integers(0, 999),
)
@settings(max_examples=60)
def test_numbers_and_names_are_each_given_once(n, before, now, seed):
    rng = np.random.default_rng(seed)
    old = named(rng.integers(before, size=n), before)
    assignment = rng.integers(now, size=n).astype(np.int32)
    pairs = matching.matched(old, np.arange(n), assignment)
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    numbers = matching.numbers_kept(pairs, now)
    assert np.array_equal(np.sort(numbers), np.arange(now))
    kept = [(a, int(numbers[b])) for a, b in pairs]
    assert all(a == b for a, b in kept if a < now)
    names = matching.names_kept(old.names, kept, now)
    assert len(set(names.ids.tolist())) == now
    assert names.next_id == old.names.next_id + now - len(pairs)
    assert (names.ids < names.next_id).all()


@given(n=st.integers(1, 80), k=st.integers(1, 12), seed=st.integers(0, 999))
@settings(max_examples=40)
def test_the_same_clusters_under_other_numbers_get_their_numbers_back(n, k, seed):
    rng = np.random.default_rng(seed)
    assignment = rng.integers(k, size=n).astype(np.int32)
    shuffled = rng.permutation(k).astype(np.int32)
    pairs = matching.matched(named(assignment, k), np.arange(n), shuffled[assignment])
    numbers = matching.numbers_kept(pairs, k)
    assert np.array_equal(numbers[shuffled[assignment]], assignment)


# --- images that come -----------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 5])
def test_images_that_come_join_the_nearest_and_all_others_stay(parts):
    vectors = blobs(GROUPS, EACH, noise=0.8)
    there = np.flatnonzero(np.arange(len(vectors)) % 3 > 0)
    base = clustering.cluster(VectorParts([vectors[there]]), 2 * GROUPS, seed=1)
    source = VectorParts(np.array_split(vectors, parts))
    found = growing.grow(
        Base(base.assignment, base.distance, base.centroids), source, there.astype(np.int64)
    )
    assert np.array_equal(found.assignment[there], base.assignment)
    assert np.array_equal(found.centroids, base.centroids)
    come = np.setdiff1d(np.arange(len(vectors)), there)
    cosines = source.take(come) @ base.centroids[base.sizes > 0].T
    assert np.allclose(1 - found.distance[come], cosines.max(axis=1), atol=1e-5)
    assert found.sizes.sum() == len(vectors)


# --- in the store ---------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    store = ArtifactStore(str(tmp_path))
    make_collection(store)
    return store


def write(store, count):
    vectors = blobs(GROUPS, EACH)
    order = np.random.default_rng(0).permutation(len(vectors))[:count]
    write_space(store, vectors[np.sort(order)], scattered_rows(len(vectors))[np.sort(order)])
    return Spaces(store).read(COLLECTION, SPACE)


def cluster(store, run, source, count, seed):
    found = clustering.cluster(source.vectors, count, seed=seed)
    Reclustering(IndexStore(store)).save(COLLECTION, run, found, source, {"space": SPACE})
    return IndexStore(store).read_clusters(COLLECTION, run)


def test_clustering_again_keeps_names_and_numbers(store):
    source = write(store, 200)
    first = cluster(store, "c1", source, GROUPS, 1)
    again = cluster(store, "c2", source, GROUPS, 2)
    assert (first.assignment == again.assignment).mean() > 0.7
    same = [number for number in range(GROUPS) if first.ids[number] == again.ids[number]]
    assert len(same) >= GROUPS // 2
    fewer = cluster(store, "c3", source, GROUPS // 2, 2)
    assert len(set(fewer.ids.tolist())) == GROUPS // 2
    assert fewer.sizes.sum() == 200


def test_a_name_is_never_given_twice(store):
    source = write(store, 240)
    seen = {}
    for number, count in enumerate((4, 30, 3, 30)):
        found = cluster(store, f"c{number}", source, count, number)
        meta = IndexStore(store).latest_clusters(COLLECTION).meta
        assert meta["next_id"] > max(found.ids) >= 0
        new = set(found.ids.tolist()) - set(seen)
        assert all(each >= seen.get("next", 0) for each in new)
        seen.update(dict.fromkeys(new, number))
        seen["next"] = meta["next_id"]


def grow(store, run, source, space=SPACE):
    asked = {"space": space, "only_new": True}
    return Reclustering(IndexStore(store)).grow(COLLECTION, run, source, asked, silent)


def test_new_images_join_the_clusters_that_are_there(store):
    first = cluster(store, "c1", write(store, 150), GROUPS, 1)
    source = write(store, 240)
    assert grow(store, "c2", source) == ("c2", GROUPS)
    grown = IndexStore(store).read_clusters(COLLECTION, "c2")
    assert np.array_equal(grown.rows, source.rows)
    assert np.array_equal(grown.ids, first.ids)
    known = np.isin(grown.rows, first.rows)
    assert np.array_equal(grown.assignment[known], first.assignment)
    assert IndexStore(store).latest_clusters(COLLECTION).run == "c2"
    # A page that asks about a cluster of before still means something.
    pointer = IndexStore(store).latest_clusters(COLLECTION).meta
    assert pointer["edits"] == [["c1", []]]
    assert grow(store, "c3", source) == ("c2", GROUPS)


def test_what_people_change_while_images_join_is_not_lost(store):
    first = cluster(store, "c1", write(store, 150), GROUPS, 1)
    source, kept = write(store, 240), IndexStore(store)
    largest, edited = int(first.sizes.argmax()), []

    def split_once(done, total):
        if not edited:
            editor = Editor(Spaces(store), kept, threads=1)
            edited.append(editor.split(COLLECTION, f"c1/{largest}", 2, "r-1")[0])

    asked = {"space": SPACE, "only_new": True}
    run = Reclustering(kept).grow(COLLECTION, "c2", source, asked, split_once)
    assert run == ("c2", GROUPS + 1)
    assert [name for name, _ in kept.latest_clusters(COLLECTION).meta["edits"]] == ["c1", *edited]


def test_damaged_clusters_of_before_do_not_stop_new_ones(store):
    source = write(store, 240)
    cluster(store, "c1", source, GROUPS, 1)
    store.write_bytes(f"{layout.clusters(COLLECTION, 'c1')}/{layout.CLUSTER_ASSIGNMENT}", b"?")
    assert cluster(store, "c2", source, GROUPS, 2).ids.tolist() == list(range(GROUPS))


def test_what_cannot_grow_is_told(store):
    source = write(store, 240)
    assert grow(store, "c0", source) == ("", 0)
    cluster(store, "c1", source, GROUPS, 1)
    assert grow(store, "c2", source, space="toy@2") == ("", 0)
    assert grow(store, "c2", write(store, 100)) == ("", 0)


# --- more about a cluster -------------------------------------------------------------------------


def test_density_counts_the_images_within_the_same_distance_of_each_centre():
    found = clustering.cluster(VectorParts([blobs(GROUPS, EACH, noise=0.8)]), 20, seed=0)
    assert found.radius == np.median(found.distance)
    for number in range(20):
        own = found.distance[found.assignment == number]
        assert found.densities[number] == (own <= found.radius).sum()


@pytest.mark.parametrize("count", [6, 24])
def test_balanced_clusters_are_of_about_the_same_size(count):
    rng = np.random.default_rng(0)
    sizes = [400, 200, 60, 30, 20, 10]
    vectors = np.concatenate(
        [blobs(1, size, noise=2.0, seed=each) for each, size in enumerate(sizes)]
    )
    source = VectorParts([vectors[rng.permutation(len(vectors))]])
    plain = clustering.cluster(source, count, seed=0)
    even = clustering.cluster(source, count, seed=0, balanced=True)
    assert even.sizes.sum() == len(vectors)
    assert even.sizes.max() <= 2 * len(vectors) / count
    assert even.sizes.std() < plain.sizes.std()
    again = clustering.cluster(source, count, seed=0, balanced=True)
    assert np.array_equal(even.assignment, again.assignment)
