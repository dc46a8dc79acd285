import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness

from hundredfold.index.domain import device, plane
from hundredfold.index.domain.parts import VectorParts, normalised


@pytest.fixture(autouse=True)
def one_thread():
    device.limit_process(1)
    device.limit_thread(1)


def blobs(groups, each, dimensions=20, seed=0):
    rng = np.random.default_rng(seed)
    centres = normalised(rng.normal(size=(groups, dimensions)))
    noise = rng.normal(size=(groups * each, dimensions)) * 0.1 / np.sqrt(dimensions)
    vectors = normalised(np.repeat(centres, each, axis=0) + noise)
    return VectorParts([vectors.astype(np.float16)]), np.repeat(np.arange(groups), each)


def share_of_own_kind(points, truth):
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return float((truth[apart.argmin(axis=1)] == truth).mean())


def test_look_alikes_are_near_each_other():
    vectors, truth = blobs(5, 40)
    points = plane.lay_out(vectors, seed=1).points
    assert points.dtype == np.float32
    assert np.abs(points).max() == pytest.approx(1, abs=1e-5)
    assert share_of_own_kind(points, truth) > 0.95


def test_vectors_that_are_no_landmarks_are_put_among_their_kind():
    vectors, truth = blobs(4, 100)
    points = plane.lay_out(vectors, seed=1, landmarks=80).points
    assert np.isfinite(points).all()
    assert share_of_own_kind(points, truth) > 0.95


def test_the_same_seed_gives_the_same_map():
    vectors, _ = blobs(4, 30)
    one, other = (plane.lay_out(vectors, seed=4, landmarks=60) for _ in range(2))
    assert np.array_equal(one.points, other.points)
    assert not np.array_equal(one.points, plane.lay_out(vectors, seed=5, landmarks=60).points)


def test_a_map_is_turned_as_it_was():
    vectors, _ = blobs(4, 30)
    made = plane.lay_out(vectors, seed=4, landmarks=60).points
    mirrored = made[20:90, ::-1] * np.float32([-1, 1])
    again = plane.lay_out(
        vectors, seed=4, landmarks=60, before=plane.Seen(np.arange(20, 90), mirrored)
    )
    assert np.allclose(again.points, made[:, ::-1] * np.float32([-1, 1]), atol=1e-4)
    assert np.abs(again.landmarks.points).max() <= 1


@given(seed=st.integers(0, 10_000), n=st.integers(3, 60))
def test_the_turn_is_the_one_that_was_made(seed, n):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, size=(n, 2)).astype(np.float32)
    made = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    found = plane.turn(points, points @ made + rng.normal(size=2))
    assert np.allclose(found @ found.T, np.eye(2), atol=1e-5)
    assert np.allclose(points @ found, points @ made, atol=1e-4)


def test_nothing_to_turn_by_leaves_a_map_as_it_is():
    none = np.empty((0, 2), np.float32)
    assert np.array_equal(plane.turn(none, none), np.eye(2))


def test_what_comes_later_is_put_where_it_would_have_been():
    vectors, _ = blobs(4, 100)
    made = plane.lay_out(vectors, seed=1, landmarks=80)
    guides = (made.points[:, None] == made.landmarks.points[None]).all(axis=2).any(axis=1)
    rest = np.flatnonzero(~guides)
    assert len(rest) == 320
    placed = plane.place(vectors, rest, made.landmarks)
    assert np.abs(placed - made.points[rest]).max() < 1e-3


def test_a_map_is_as_true_to_its_neighbours_as_of_old():
    vectors, _ = blobs(12, 50, dimensions=40)
    points = plane.lay_out(vectors, seed=0, landmarks=300).points
    assert trustworthiness(vectors.take(np.arange(600)), points, n_neighbors=15) > 0.9


def test_whoever_asks_how_far_it_is_can_end_it():
    vectors, _ = blobs(4, 100)
    told = []

    def progress(done, total):
        told.append((done, total))
        if done > 100:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        plane.lay_out(vectors, seed=0, progress=progress)
    assert told[0] == (0, 400)
    assert told == sorted(told)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 29, 30, 31])
def test_few_vectors_have_a_map(n):
    rng = np.random.default_rng(n)
    vectors = VectorParts([normalised(rng.normal(size=(n, 6))).astype(np.float16)])
    points = plane.lay_out(vectors, seed=0).points
    assert points.shape == (n, 2)
    assert np.isfinite(points).all()
    assert np.abs(points).max() <= 1
    assert len(np.unique(points, axis=0)) == n


@pytest.mark.parametrize("n", [1, 5, 100])
def test_identical_vectors_lie_on_one_point(n):
    vectors = VectorParts([np.tile(np.float16([[0.6, 0.8]]), (n, 1))])
    points = plane.lay_out(vectors, seed=0).points
    assert not points.any()


def test_vectors_of_one_dimension_lie_on_a_line():
    vectors = VectorParts([np.float16([[1], [-1], [1]])])
    points = plane.lay_out(vectors, seed=0).points
    assert points[:, 1].tolist() == [0, 0, 0]
    assert np.abs(points[:, 0]).tolist() == [1, 1, 1]
    assert points[0, 0] == points[2, 0] == -points[1, 0]
