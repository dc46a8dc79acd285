import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from hundredfold.index.domain.parts import VectorParts
from tests.benchmarks.mapping.judged import among_all


@pytest.mark.parametrize("true", [True, False])
def test_of_all_points_it_is_what_scikit_learn_says(true):
    rng = np.random.default_rng(0)
    halves = rng.normal(size=(400, 20)).astype(np.float16)
    vectors = VectorParts([halves[:150], halves[150:]])
    every = vectors.take(np.arange(400))
    points = every[:, :2] if true else rng.normal(size=(400, 2)).astype(np.float32)
    found = among_all(vectors, points, np.arange(400))
    assert found == pytest.approx(trustworthiness(every, points, n_neighbors=15), abs=1e-5)
