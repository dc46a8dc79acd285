import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.index.domain import separating
from hundredfold.index.domain.parts import VectorParts, normalised


def two_groups(seed, d, each):
    """Two groups that differ along one direction and scatter much more along another."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(d, d)))[0]
    side = np.repeat([-1, 1], each)[:, None]
    noise = rng.normal(size=(2 * each, d)) * 0.05
    along = rng.normal(size=(2 * each, 1))
    vectors = normalised(2 * axes[0] + 0.3 * side * axes[1] + along * axes[2] + noise)
    return vectors[:each], vectors[each:]


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), d=st.integers(4, 40), each=st.integers(30, 80))
def test_the_groups_lie_on_their_sides_and_the_axes_are_at_right_angles(seed, d, each):
    a, b = two_groups(seed, d, each)
    seen = separating.plane(a, b)
    assert np.allclose(seen.axes.T @ seen.axes, np.eye(2), atol=1e-4)
    at_a, at_b = seen.apply(a)[:, 0], seen.apply(b)[:, 0]
    assert at_a.mean() < 0 < at_b.mean()
    assert np.isclose(at_a.mean(), -at_b.mean(), atol=1e-4)
    assert (at_a < 0).mean() > 0.95
    assert (at_b > 0).mean() > 0.95


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), d=st.integers(1, 12), a=st.integers(1, 5), b=st.integers(1, 5))
def test_a_few_images_always_give_a_finite_view_within_one(seed, d, a, b):
    rng = np.random.default_rng(seed)
    vectors = normalised(rng.normal(size=(a + b + 9, d)))
    seen = separating.plane(vectors[:a], vectors[a : a + b])
    points = separating.lay_out(VectorParts([vectors.astype(np.float16)]), seen)
    assert points.shape == (a + b + 9, 2)
    assert points.dtype == np.float32
    assert np.isfinite(points).all()
    assert np.abs(points).max() <= 1


def test_the_second_axis_is_where_the_images_differ_most_otherwise():
    a, b = two_groups(1, 10, 60)
    seen = separating.plane(a, b)
    rest = np.concatenate([a - a.mean(0), b - b.mean(0)])
    rest = rest - np.outer(rest @ seen.axes[:, 0], seen.axes[:, 0])
    most = np.linalg.svd(rest, full_matrices=False)[2][0]
    assert abs(most @ seen.axes[:, 1]) > 0.99


def test_groups_that_are_the_same_still_have_a_view():
    same = np.tile(np.eye(1, 5, dtype=np.float32), (4, 1))
    points = separating.plane(same, same).apply(same)
    assert np.isfinite(points).all()
