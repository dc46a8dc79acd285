import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.index.domain import device, unlabelled
from hundredfold.index.domain.parts import VectorParts, normalised


@pytest.fixture(autouse=True)
def one_thread():
    device.limit_process(1)


def in_parts(vectors, size=17):
    halves = vectors.astype(np.float16)
    return VectorParts([halves[start : start + size] for start in range(0, len(halves), size)])


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000), d=st.integers(4, 14), n=st.integers(20, 90), c=st.integers(0, 5)
)
def test_the_view_is_that_of_a_decomposition_of_all_vectors_at_once(seed, d, n, c):
    rng = np.random.default_rng(seed)
    parts = in_parts(normalised(rng.normal(size=(n, d)) * np.geomspace(1, 0.2, d)))
    vectors = parts.take(np.arange(n)).astype(np.float64)
    classes = rng.integers(0, c + 1, size=n)  # 0 = none
    classes[0] = 0
    left = classes == 0
    means = unlabelled.class_means(vectors[~left].astype(np.float32), classes[~left])
    found = unlabelled.view(parts, left, means)

    explained = np.zeros((0, d))
    if len(means) > 1:
        values, directions = np.linalg.svd(means - means.mean(0), full_matrices=False)[1:]
        explained = directions[: min(len(means) - 1, d - 2)]
        assert len(explained) <= np.count_nonzero(values > 1e-7)
    centred = vectors[left] - vectors[left].mean(0)
    rest = centred - centred @ explained.T @ explained
    values = np.linalg.svd(rest, compute_uv=False)
    for number in range(min(2, len(values))):
        along = rest @ found.plane.axes[:, number]
        assert np.linalg.norm(along) == pytest.approx(values[number], rel=1e-3, abs=1e-4)
        share = values[number] ** 2 / max((centred**2).sum(), 1e-12)
        assert found.shares[number] == pytest.approx(share, rel=1e-2, abs=1e-4)
    assert np.allclose(explained @ found.plane.axes, 0, atol=1e-5)
    assert np.allclose(found.plane.axes.T @ found.plane.axes, np.eye(2), atol=1e-4)
    assert np.allclose(found.plane.apply(vectors[left]).mean(0), 0, atol=1e-5)


def test_a_class_nobody_has_named_stands_out_once_the_others_are_taken_out():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    kind = np.repeat([0, 1, 2, 3], 60)
    # Two named kinds lie far apart, the two that are not only a little.
    middles = np.stack(
        [axes[0] + axes[1], axes[0] - axes[1], axes[0] + 0.3 * axes[2], axes[0] - 0.3 * axes[2]]
    )
    vectors = normalised(middles[kind] + 0.02 * rng.normal(size=(240, 20)))
    named = (kind < 2) & (np.arange(240) % 2 == 0)
    means = unlabelled.class_means(vectors[named], kind[named])
    points = unlabelled.view(in_parts(vectors), ~named, means).plane.apply(vectors)
    assert (np.sign(points[kind == 2, 0]) != np.sign(points[kind == 3, 0])).all()
    before = unlabelled.view(in_parts(vectors), ~named, means[:0]).plane.apply(vectors)
    assert np.abs(before[kind < 2, 0]).min() > np.abs(before[kind > 1, 0]).max()


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("classes", [1, 2, 9])
def test_few_dimensions_and_many_classes_always_have_a_view(d, classes):
    rng = np.random.default_rng(d)
    vectors = normalised(rng.normal(size=(40, d)))
    means = unlabelled.class_means(vectors[:30], rng.integers(classes, size=30))
    left = np.arange(40) >= 30
    found = unlabelled.view(in_parts(vectors), left, means)
    assert found.plane.axes.shape == (d, 2)
    assert np.isfinite(found.plane.axes).all()
    assert all(0 <= share <= 1 for share in found.shares)


def test_images_that_are_all_alike_have_a_view():
    same = np.tile(np.eye(1, 5, dtype=np.float32), (9, 1))
    found = unlabelled.view(in_parts(same), np.ones(9, np.bool_), np.zeros((0, 5)))
    assert np.isfinite(found.plane.apply(same)).all()
    assert found.shares == (0.0, 0.0)
