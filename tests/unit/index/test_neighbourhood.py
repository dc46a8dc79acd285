import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.index.domain import device, neighbourhood, spreading


@pytest.fixture(autouse=True)
def one_thread():
    device.limit_process(1)
    device.limit_thread(1)


def dense(graph, n):
    matrix = np.zeros((n, n))
    weights = np.diff(graph.up_to)
    for point in range(n):
        span = slice(graph.starts[point], graph.starts[point + 1])
        matrix[point, graph.neighbours[span]] = weights[span]
    return matrix


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 80), p=st.integers(1, 8))
def test_being_neighbours_is_mutual_and_the_nearest_is_one_for_sure(seed, n, p):
    points = np.random.default_rng(seed).normal(size=(n, p)).astype(np.float32)
    found = dense(neighbourhood.graph(points), n)
    assert np.allclose(found, found.T, atol=1e-6)
    assert (found >= 0).all()
    assert found.max() <= 1 + 1e-6
    assert not found.diagonal().any()
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert np.allclose(found[np.arange(n), apart.argmin(axis=1)], 1, atol=1e-6)


def test_among_many_the_neighbours_are_found_by_lists():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(neighbourhood.EXACT_BELOW, 4)).astype(np.float32)
    apart, near = neighbourhood.Near(points).find(points[:200], 10)
    exact = np.linalg.norm(points[:200, None] - points[None], axis=2) ** 2
    true = np.argsort(exact, axis=1)[:, :10]
    assert np.mean([np.isin(a, b).mean() for a, b in zip(near, true, strict=True)]) > 0.95
    assert np.allclose(apart[:, 1], np.take_along_axis(exact, near[:, 1:2], 1)[:, 0], atol=1e-4)


@pytest.mark.parametrize("n", [16, 40])
def test_points_that_are_all_alike_have_finite_neighbourhoods(n):
    found = neighbourhood.graph(np.ones((n, 3), np.float32))
    assert np.isfinite(found.up_to).all()
    drawn = found.draw(np.random.default_rng(0))
    assert (drawn != np.arange(n)).all()


def test_neighbours_are_drawn_as_often_as_they_weigh():
    points = np.random.default_rng(3).normal(size=(30, 4)).astype(np.float32)
    graph = neighbourhood.graph(points)
    rng = np.random.default_rng(0)
    counts = np.zeros((30, 30))
    for _ in range(4000):
        counts[np.arange(30), graph.draw(rng)] += 1
    weights = dense(graph, 30)
    assert np.allclose(counts / 4000, weights / weights.sum(1, keepdims=True), atol=0.05)


def test_a_chain_is_unrolled():
    along = np.linspace(0, 4, 200)[:, None]
    chain = np.hstack([np.cos(along), np.sin(along), along]).astype(np.float32)
    laid = spreading.spread_out(neighbourhood.graph(chain), chain[:, :2], seed=0)
    steps = np.linalg.norm(np.diff(laid, axis=0), axis=1)
    assert np.median(steps) < 0.2 * np.linalg.norm(laid[0] - laid[-1])
