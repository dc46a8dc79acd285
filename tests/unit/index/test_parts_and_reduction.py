import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.index.domain import reduction
from hundredfold.index.domain.parts import VectorParts, normalised


def some(n, dimensions, seed=0):
    rng = np.random.default_rng(seed)
    return normalised(rng.normal(size=(n, dimensions))).astype(np.float16)


@given(
    cuts=st.lists(st.integers(0, 30), min_size=1, max_size=6).filter(any),
    size=st.integers(1, 20),
    data=st.data(),
)
@settings(max_examples=50)
def test_blocks_and_picks_are_the_vectors_in_order(cuts, size, data):
    whole = some(sum(cuts), 3)
    parts = VectorParts(np.split(whole, np.cumsum(cuts)[:-1]))
    blocks = list(parts.blocks(size))
    assert len(parts) == len(whole)
    assert np.array_equal(np.concatenate([block for _, block in blocks]), normalised(whole))
    assert [start for start, _ in blocks] == [
        sum(len(block) for _, block in blocks[:number]) for number in range(len(blocks))
    ]
    picked = np.array(data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=20)), dtype=int)
    assert np.array_equal(parts.take(picked), normalised(whole[picked]))


def test_a_sample_has_no_vector_twice_and_is_the_same_for_the_same_seed():
    parts = VectorParts([some(40, 2), some(30, 2, seed=1)])
    sample = parts.sample(25, seed=3)
    assert len(np.unique(sample, axis=0)) == 25
    assert np.array_equal(sample, parts.sample(25, seed=3))
    assert len(parts.sample(1000, seed=3)) == 70


def test_normalising_leaves_zeros_alone():
    assert np.array_equal(normalised(np.zeros((2, 3))), np.zeros((2, 3)))


@pytest.mark.parametrize(("n", "dimensions", "kept"), [(1, 4, 4), (3, 10, 5), (200, 10, 10)])
def test_axes_are_orthonormal_and_the_first_has_most_variance(n, dimensions, kept):
    found = reduction.fit(normalised(some(n, dimensions)), kept)
    assert np.allclose(found.axes.T @ found.axes, np.eye(kept), atol=1e-5)
    variances = found.apply(normalised(some(n, dimensions))).var(axis=0)
    assert (np.diff(variances) <= 1e-6).all()


def test_all_axes_keep_the_distances():
    vectors = normalised(some(50, 6))
    reduced = reduction.fit(vectors, 6).apply(vectors)
    before = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    after = np.linalg.norm(reduced[:, None] - reduced[None], axis=2)
    assert np.allclose(before, after, atol=1e-5)
