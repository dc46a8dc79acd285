import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.index.domain import clustering, device, kmeans
from hundredfold.index.domain.parts import VectorParts, normalised


@pytest.fixture(autouse=True)
def one_thread():
    device.limit_process(1)
    device.limit_thread(1)


def blobs(groups, each, dimensions, seed=0, noise=0.15):
    rng = np.random.default_rng(seed)
    centres = normalised(rng.normal(size=(groups, dimensions)))
    vectors = np.repeat(centres, each, axis=0)
    vectors = vectors + noise / np.sqrt(dimensions) * rng.normal(size=vectors.shape)
    return normalised(vectors).astype(np.float16), np.repeat(np.arange(groups), each)


def parts_of(vectors, size=64):
    return VectorParts([vectors[start : start + size] for start in range(0, len(vectors), size)])


def check_consistent(found, vectors, count):
    exact = normalised(vectors)
    assert found.sizes.sum() == len(vectors) == len(found.assignment)
    assert np.array_equal(found.sizes, np.bincount(found.assignment, minlength=count))
    assert np.array_equal(np.sort(found.order), np.arange(len(vectors)))
    for number in range(count):
        members = np.flatnonzero(found.assignment == number)
        if not len(members):
            assert found.medoids[number] == -1
            assert found.spreads[number] == 0
            assert not found.centroids[number].any()
            continue
        centre = exact[members].mean(axis=0, keepdims=True)
        assert np.allclose(found.centroids[number], normalised(centre)[0], atol=1e-5)
        distance = np.clip(1 - exact[members] @ found.centroids[number], 0, 2)
        assert np.allclose(found.distance[members], distance, atol=1e-5)
        assert found.medoids[number] in members
        assert found.distance[found.medoids[number]] == found.distance[members].min()
        assert np.isclose(found.spreads[number], found.distance[members].mean(), atol=1e-5)


@given(
    n=st.integers(1, 80),
    dimensions=st.integers(1, 12),
    asked=st.integers(1, 90),
    distinct=st.integers(1, 80),
    seed=st.integers(0, 2**63 - 1),
)
@settings(max_examples=60)
def test_any_vectors_give_clusters_that_add_up(n, dimensions, asked, distinct, seed):
    rng = np.random.default_rng(seed)
    pool = normalised(rng.normal(size=(distinct, dimensions))).astype(np.float16)
    vectors = pool[rng.integers(distinct, size=n)]
    count = clustering.count_for(n, asked)
    found = clustering.cluster(parts_of(vectors, 17), count, seed=seed)
    assert len(found.sizes) == count == min(n, asked)
    check_consistent(found, vectors, count)


def test_well_separated_groups_are_found():
    vectors, truth = blobs(10, 40, 64)
    found = clustering.cluster(parts_of(vectors), 20, seed=1)
    check_consistent(found, vectors, 20)
    for number in range(20):
        assert len(set(truth[found.assignment == number])) <= 1


def test_more_dimensions_than_the_reduction_keeps_are_reduced_and_mapped_back():
    vectors, truth = blobs(6, 60, 300)
    found = clustering.cluster(parts_of(vectors), 6, seed=3)
    assert found.centroids.shape == (6, 300)
    check_consistent(found, vectors, 6)
    assert sorted(np.unique(truth[found.medoids])) == list(range(6))


def test_the_same_seed_gives_the_same_clusters_however_the_parts_are_cut():
    vectors, _ = blobs(8, 30, 32, noise=1.5)
    first = clustering.cluster(parts_of(vectors, 64), 12, seed=5)
    again = clustering.cluster(parts_of(vectors, 64), 12, seed=5)
    assert np.array_equal(first.assignment, again.assignment)
    assert np.array_equal(first.centroids, again.centroids)
    assert np.array_equal(first.order, again.order)


def test_within_a_cluster_the_order_is_nearest_first():
    vectors, _ = blobs(3, 50, 16, noise=1.0)
    found = clustering.cluster(parts_of(vectors), 5, seed=2)
    clusters, distances = found.assignment[found.order], found.distance[found.order]
    assert (np.diff(clusters) >= 0).all()
    assert (np.diff(distances)[np.diff(clusters) == 0] >= 0).all()


def test_identical_vectors_fall_into_one_cluster_and_the_others_are_empty():
    vectors = np.tile(normalised(np.ones((1, 8))), (50, 1)).astype(np.float16)
    found = clustering.cluster(parts_of(vectors), 4, seed=0)
    check_consistent(found, vectors, 4)
    assert sorted(found.sizes) == [0, 0, 0, 50]
    assert found.distance.max() < 1e-5


def test_a_single_vector_is_its_own_cluster():
    vectors = normalised(np.array([[1.0, 2.0]])).astype(np.float16)
    found = clustering.cluster(parts_of(vectors), 1, seed=0)
    assert found.sizes.tolist() == [1]
    assert found.medoids.tolist() == [0]


def test_as_many_clusters_as_vectors_hold_one_each():
    vectors = np.eye(6, dtype=np.float16)
    found = clustering.cluster(parts_of(vectors), 6, seed=9)
    assert found.sizes.tolist() == [1] * 6


@pytest.mark.parametrize(
    ("vectors", "asked", "count"),
    [(1, 0, 1), (20, 0, 2), (64, 0, 8), (6000, 0, 55), (1_000_000, 0, 707), (5, 9, 5), (90, 9, 9)],
)
def test_the_number_of_clusters(vectors, asked, count):
    assert clustering.count_for(vectors, asked) == count


def test_progress_rises_to_the_number_of_vectors():
    vectors, _ = blobs(4, 40, 16)
    told = []
    clustering.cluster(
        parts_of(vectors), 4, seed=0, progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (160, 160)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_what_progress_raises_ends_the_work():
    vectors, _ = blobs(4, 40, 16)

    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        clustering.cluster(parts_of(vectors), 4, seed=0, progress=stop)


@given(n=st.integers(1, 60), k=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_each_point_is_given_its_nearest_centre(n, k, seed):
    rng = np.random.default_rng(seed)
    points, centres = (normalised(rng.normal(size=(m, 7))) for m in (n, k))
    found = kmeans.nearest(points, kmeans.nearest_index(centres))
    cosines = points @ centres.T
    assert np.allclose(cosines[np.arange(n), found], cosines.max(axis=1), atol=1e-5)


def test_training_fits_better_than_the_points_it_starts_from():
    vectors, _ = blobs(12, 30, 24, noise=1.0)
    points = normalised(vectors)
    start = kmeans.first_centres(points, 12, np.random.default_rng(4))
    centres = kmeans.train(points, 12, seed=4)
    assert (points @ centres.T).max(axis=1).sum() > (points @ start.T).max(axis=1).sum()


def test_kmeans_plus_plus_takes_one_point_of_each_group_of_copies():
    points = np.repeat(np.eye(5, dtype=np.float32), 20, axis=0)
    chosen = kmeans.first_centres(points, 5, np.random.default_rng(0))
    assert np.array_equal(np.sort(chosen.argmax(axis=1)), np.arange(5))


@pytest.mark.parametrize(("n", "count"), [(5000, 4000), (9000, 1500)], ids=["random", "of a pool"])
def test_many_centres_start_from_distinct_points(n, count):
    assert n * count > kmeans.SEEDING
    points = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    chosen = kmeans.first_centres(normalised(points), count, np.random.default_rng(0))
    assert len(np.unique(chosen, axis=0)) == count
