import numpy as np
import pytest

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
    points = plane.lay_out(vectors, seed=1)
    assert points.dtype == np.float32
    assert np.abs(points).max() == pytest.approx(1, abs=1e-5)
    assert share_of_own_kind(points, truth) > 0.95


def test_vectors_that_are_no_landmarks_are_put_among_their_kind():
    vectors, truth = blobs(4, 100)
    points = plane.lay_out(vectors, seed=1, landmarks=80)
    assert np.isfinite(points).all()
    assert share_of_own_kind(points, truth) > 0.95


def test_the_same_seed_gives_the_same_map():
    vectors, _ = blobs(4, 30)
    assert np.array_equal(
        plane.lay_out(vectors, seed=4, landmarks=60), plane.lay_out(vectors, seed=4, landmarks=60)
    )


@pytest.mark.parametrize("n", [1, 2, 3, 8, 29, 30, 31])
def test_few_vectors_have_a_map(n):
    rng = np.random.default_rng(n)
    vectors = VectorParts([normalised(rng.normal(size=(n, 6))).astype(np.float16)])
    points = plane.lay_out(vectors, seed=0)
    assert points.shape == (n, 2)
    assert np.isfinite(points).all()
    assert np.abs(points).max() <= 1
    assert len(np.unique(points, axis=0)) == n


@pytest.mark.parametrize("n", [1, 5, 100])
def test_identical_vectors_lie_on_one_point(n):
    vectors = VectorParts([np.tile(np.float16([[0.6, 0.8]]), (n, 1))])
    points = plane.lay_out(vectors, seed=0)
    assert not points.any()


def test_vectors_of_one_dimension_lie_on_a_line():
    vectors = VectorParts([np.float16([[1], [-1], [1]])])
    points = plane.lay_out(vectors, seed=0)
    assert points[:, 1].tolist() == [0, 0, 0]
    assert np.abs(points[:, 0]).tolist() == [1, 1, 1]
    assert points[0, 0] == points[2, 0] == -points[1, 0]
