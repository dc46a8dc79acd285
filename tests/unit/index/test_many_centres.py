import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.index.domain import assigning, clustering, device, kmeans, lloyd
from hundredfold.index.domain.cells import Cells
from hundredfold.index.domain.centres import Centres, Geometry, Groups, best_among
from hundredfold.index.domain.parts import VectorParts, normalised
from hundredfold.index.domain.seeding import divided, first_centres


@pytest.fixture(autouse=True)
def one_thread():
    device.limit_process(1)
    device.limit_thread(1)


geometries = st.booleans().map(lambda spherical: Geometry(spherical=spherical))


def cloud(n, geometry, dimensions=6, seed=0, distinct=0):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(distinct or n, dimensions)).astype(np.float32)
    points = normalised(points) if geometry.spherical else points
    return points[rng.integers(distinct, size=n)] if distinct else points


def centres_of(k, geometry, seed, priced):
    centres = geometry.at(cloud(k, geometry, seed=seed + 1))
    prices = np.random.default_rng(seed).uniform(0, 0.3, k).astype(np.float32) * priced
    return Centres(centres.at, centres.offset - prices)


def best_scores(points, centres):
    return (points @ centres.at.T + centres.offset).max(axis=1)


def blobs(groups, each, dimensions=16, noise=0.3):
    rng = np.random.default_rng(7)
    middles = np.repeat(normalised(rng.normal(size=(groups, dimensions))), each, axis=0)
    made = middles + noise / np.sqrt(dimensions) * rng.normal(size=middles.shape)
    return normalised(made), np.repeat(np.arange(groups), each)


@given(
    n=st.integers(1, 60),
    k=st.integers(1, 70),
    geometry=geometries,
    priced=st.booleans(),
    seed=st.integers(0, 2**32 - 2),
)
@settings(max_examples=60)
def test_in_all_cells_the_nearest_of_all_centres_is_found(n, k, geometry, priced, seed):
    points, centres = cloud(n, geometry, seed=seed), centres_of(k, geometry, seed, priced)
    cells = Cells(centres, geometry, seed=0)
    numbers, scores = cells.nearest(points, len(cells))
    expected = best_scores(points, centres)
    assert np.allclose(scores, expected, atol=1e-5)
    own = np.einsum("np,np->n", points, centres.at[numbers]) + centres.offset[numbers]
    assert np.allclose(own, expected, atol=1e-5)


@given(n=st.integers(1, 50), k=st.integers(1, 50), geometry=geometries, seed=st.integers(0, 999))
@settings(max_examples=30)
def test_looking_into_more_cells_never_finds_a_farther_centre(n, k, geometry, seed):
    points, centres = cloud(n, geometry, seed=seed), centres_of(k, geometry, seed, False)
    cells = Cells(centres, geometry, seed=0)
    found = [cells.nearest(points, probes)[1] for probes in range(1, len(cells) + 1)]
    assert all((more >= less).all() for less, more in itertools.pairwise(found))


@given(k=st.integers(1, 60), geometry=geometries, seed=st.integers(0, 999))
@settings(max_examples=40)
def test_beside_a_centre_are_itself_and_the_nearest(k, geometry, seed):
    centres = centres_of(k, geometry, seed, False)
    cells = Cells(centres, geometry, seed=0)
    beside = cells.around(5, probes=len(cells))
    assert beside.shape == (k, min(5, k))
    assert np.array_equal(beside[:, 0], np.arange(k))
    scores = centres.scores(centres.at)
    for number, others in enumerate(beside):
        left = np.setdiff1d(np.arange(k), others)
        if len(left) and len(others) > 1:
            assert scores[number, others[1:]].min() >= scores[number, left].max() - 1e-5


@given(
    n=st.integers(2, 300),
    k=st.integers(1, 40),
    distinct=st.integers(0, 60),
    geometry=geometries,
    seed=st.integers(0, 999),
)
@settings(max_examples=40)
def test_no_round_makes_the_fit_worse_and_every_point_stays_in_one_cluster(
    n, k, distinct, geometry, seed
):
    k = min(k, n)
    points = cloud(n, geometry, seed=seed, distinct=distinct)
    rng = np.random.default_rng(seed)
    centres = first_centres(points, k, geometry, rng)
    assert centres.at.shape == (k, points.shape[1])
    state = lloyd.Fit(points, geometry, centres, Cells(centres, geometry, 0).nearest(points, 1))
    before = np.inf
    for number in range(5):
        state.assign(lloyd.look(state, geometry, seed, wide=number == 2))
        loss = state.losses().sum(dtype=np.float64)
        assert loss <= before + 1e-4 * n
        before = loss
        assert np.array_equal(state.sizes, np.bincount(state.numbers, minlength=k))
        sums = np.zeros(state.sums.shape)
        np.add.at(sums, state.numbers, points)
        assert np.allclose(state.sums, sums, atol=1e-3)
        state.move(rng)


def test_a_centre_without_points_goes_where_the_fit_is_worst():
    plane = Geometry(spherical=False)
    points = np.array([[0, 0], [0, 1], [50, 0], [90, 0]], dtype=np.float32)
    centres = plane.at(np.array([[0, 0.5], [70, 0], [-900, 0]], dtype=np.float32))
    state = lloyd.Fit(points, plane, centres, centres.best(points))
    state.move(np.random.default_rng(0))
    assert state.centres.at[2].tolist() in [[50, 0], [90, 0]]


@pytest.mark.parametrize("spherical", [True, False])
def test_groups_that_are_apart_are_found(spherical):
    points, truth = blobs(60, 50)
    state = lloyd.fit(points, 120, Geometry(spherical=spherical), seed=3)
    for number in range(120):
        assert len(set(truth[state.numbers == number])) <= 1


def test_threads_do_not_change_what_is_found():
    points, _ = blobs(40, 50, noise=1.5)
    one = lloyd.fit(points, 100, Geometry(spherical=True), seed=3)
    device.limit_thread(2)
    two = lloyd.fit(points, 100, Geometry(spherical=True), seed=3)
    assert np.array_equal(one.numbers, two.numbers)
    assert np.array_equal(one.centres.at, two.centres.at)


@given(
    data=st.lists(st.tuples(st.floats(0, 1e9), st.integers(0, 20)), min_size=1, max_size=30),
    share=st.floats(0, 1),
)
@settings(max_examples=100)
def test_a_number_is_divided_with_nothing_left(data, share):
    weights, most = (np.array(column) for column in zip(*data, strict=True))
    count = round(share * int(most.sum()))
    shares = divided(count, weights.astype(np.float64), most)
    assert shares.sum() == count
    assert (shares >= 0).all()
    assert (shares <= most).all()


def test_points_are_compared_with_the_candidates_of_their_group_only():
    plane = Geometry(spherical=False)
    centres = plane.at(np.array([[0.0], [1.0], [2.0]], dtype=np.float32))
    points = np.array([[0.0], [0.0], [1.9]], dtype=np.float32)
    groups = Groups(np.array([0, 1, 1]), 2)
    numbers, _ = best_among(points, groups, centres, np.array([[0, 1], [1, 2]], np.int32))
    assert numbers.tolist() == [0, 1, 2]


# --- which centre is found ------------------------------------------------------------------------


@pytest.mark.parametrize("spherical", [True, False])
@pytest.mark.parametrize("priced", [True, False])
@pytest.mark.parametrize("k", [40, assigning.MANY])
def test_what_finds_centres_finds_almost_the_nearest(k, priced, spherical):
    geometry = Geometry(spherical=spherical)
    points = blobs(100, 30)[0]
    centres = geometry.at(blobs(k // 4, 4)[0])
    prices = np.linspace(0, 0.01, k, dtype=np.float32) * priced
    centres = Centres(centres.at, centres.offset - prices)
    find = assigning.finder(centres, geometry, points[::3], seed=1)
    numbers = find(points)
    found = np.einsum("np,np->n", points, centres.at[numbers]) + centres.offset[numbers]
    lost = best_scores(points, centres) - found
    assert lost.min() >= -1e-5
    assert lost.sum() <= 0.01 * geometry.losses(points, best_scores(points, centres)).sum()


def test_as_many_cells_are_looked_into_as_the_points_need():
    sphere = Geometry(spherical=True)
    grouped, scattered = blobs(32, 32, noise=0.1)[0], blobs(1024, 1)[0]
    probes = [
        assigning.enough_probes(Cells(sphere.at(at), sphere, 0), sphere, points)
        for at, points in ((grouped, blobs(32, 60, noise=0.1)[0]), (scattered, blobs(500, 4)[0]))
    ]
    assert probes[0] < probes[1]


# --- the whole ------------------------------------------------------------------------------------


def test_large_work_gives_the_same_clusters_however_the_parts_are_cut(tmp_path):
    rng = np.random.default_rng(0)
    middles = normalised(rng.normal(size=(300, 8)))
    vectors = normalised(
        middles[rng.integers(300, size=100_000)] + rng.normal(size=(100_000, 8)) / 9
    )
    vectors = vectors.astype(np.float16)
    count = assigning.MANY
    assert len(vectors) * count > kmeans.CHEAP
    whole = clustering.cluster(VectorParts([vectors]), count, seed=5)
    parts = []
    for number, part in enumerate(np.array_split(vectors, 7)):
        np.save(tmp_path / f"{number}.npy", part)
        parts.append(np.load(tmp_path / f"{number}.npy", mmap_mode="r"))
    cut = clustering.cluster(VectorParts(parts), count, seed=5)
    # A block of another size may round the last bit of a score differently.
    assert (whole.assignment == cut.assignment).mean() > 0.9999
    assert np.isclose(whole.distance.sum(), cut.distance.sum(), rtol=1e-5)
    assert cut.sizes.sum() == len(vectors)
    assert np.array_equal(np.sort(cut.order), np.arange(len(vectors)))


def test_large_training_ends_when_told_to():
    points = blobs(500, 200, dimensions=8)[0]
    assert len(points) * 512 > kmeans.CHEAP

    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        kmeans.train(points, 512, seed=0, progress=stop)
