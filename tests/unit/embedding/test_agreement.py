"""How near vectors are that were calculated with fewer bits."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hundredfold.embedding.domain.agreement import Agreement, agreement


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / lengths).astype(np.float32)


@pytest.fixture
def exact() -> NDArray[np.float32]:
    return unit(np.random.default_rng(0).normal(size=(60, 16)))


def test_the_same_vectors_agree_wholly(exact: NDArray[np.float32]) -> None:
    measured = agreement(exact, exact)
    assert (measured.images, measured.overlap) == (60, 1.0)
    assert measured.cosine == pytest.approx(1)
    assert measured.passes


def test_neighbours_are_those_that_a_full_sort_gives(exact: NDArray[np.float32]) -> None:
    noise = np.random.default_rng(1).normal(size=exact.shape)
    nearly = unit(exact + 0.05 * noise)
    likeness = [vectors @ vectors.T - 2 * np.eye(60) for vectors in (exact, nearly)]
    mine, others = (np.argsort(-each, axis=1)[:, :10] for each in likeness)
    kept = [len(set(a) & set(b)) / 10 for a, b in zip(mine.tolist(), others.tolist(), strict=True)]
    measured = agreement(exact, nearly)
    assert measured.overlap == pytest.approx(np.mean(kept))
    assert measured.cosine == pytest.approx((exact * nearly).sum(axis=1).mean())


@pytest.mark.parametrize(
    ("cosine", "overlap", "passes"),
    [(0.999, 0.97, True), (0.9989, 1, False), (1, 0.9699, False), (float("nan"), 1, False)],
)
def test_both_must_be_near(cosine: float, overlap: float, passes: bool) -> None:
    assert Agreement(512, cosine, overlap).passes == passes
