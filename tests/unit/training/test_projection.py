"""Fewer dimensions."""

import numpy as np

from hundredfold.training.domain.projection import fit_projection


def unit(count, dimensions, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def test_features_have_the_dimensions_asked_for_and_unit_spread():
    features = fit_projection(unit(500, 32), 8)(unit(500, 32))
    assert features.shape == (500, 8)
    assert features.dtype == np.float32
    assert abs(features.std() - 1) < 0.01


def test_no_more_dimensions_than_there_are():
    assert fit_projection(unit(50, 6), 160)(unit(3, 6)).shape == (3, 6)


def test_fewer_vectors_than_dimensions_are_enough():
    features = fit_projection(unit(3, 32), 8)(unit(3, 32))
    assert np.isfinite(features).all()


def test_vectors_that_are_all_alike_become_zeros():
    vectors = np.repeat(unit(1, 16), 10, axis=0)
    np.testing.assert_allclose(fit_projection(vectors, 4)(vectors), 0, atol=1e-3)


def test_a_head_on_features_equals_its_pull_back_on_vectors():
    vectors, random = unit(100, 24), np.random.default_rng(1)
    projection = fit_projection(vectors, 6)
    weights = random.normal(size=(6, 3)).astype(np.float32)
    bias = random.normal(size=3).astype(np.float32)
    whole = projection.pull_back(weights, bias)
    expected = projection(vectors) @ weights + bias
    np.testing.assert_allclose(
        vectors.astype(np.float32) @ whole[0] + whole[1], expected, atol=1e-3
    )
