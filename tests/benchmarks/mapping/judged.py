"""How true a map is to its vectors: trustworthiness (Venna and Kaski, 2001)."""

import faiss
import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness

from hundredfold.index.domain.finding import without_self
from hundredfold.index.domain.parts import VectorParts

NEIGHBOURS = 15
SAMPLE = 5000
ASKED = 500
AT_A_TIME = 50
ROUNDING = np.float32(1e-6)


def judged(vectors: VectorParts, points: NDArray[np.float32]) -> dict[str, float]:
    """Of a map, float32 [n, 2]: that of a sample by scikit-learn, and that of some points among all."""
    rng = np.random.default_rng(9)
    n = len(vectors)
    sample = np.sort(rng.choice(n, size=min(SAMPLE, n), replace=False))
    by_sklearn = trustworthiness(vectors.take(sample), points[sample], n_neighbors=NEIGHBOURS)
    asked = np.sort(rng.choice(n, size=min(ASKED, n), replace=False))
    return {
        "trustworthiness_of_sample": round(float(by_sklearn), 4),
        "trustworthiness_among_all": round(among_all(vectors, points, asked), 4),
    }


def among_all(vectors: VectorParts, points: NDArray[np.float32], asked: NDArray[np.int64]) -> float:
    """The trustworthiness that some of the points have among all n, 2 n > 3 NEIGHBOURS + 1; exact."""
    near = _nearest(points, asked)
    nearer = np.zeros(near.shape, dtype=np.int64)
    own, others = vectors.take(asked), vectors.take(near.ravel()).reshape(*near.shape, -1)
    # No vector is nearer than itself because its cosine was summed up in another order.
    to_near = np.einsum("qd,qkd->qk", own, others) + ROUNDING
    for _, block in vectors.blocks():
        for begin in range(0, len(asked), AT_A_TIME):
            some = slice(begin, begin + AT_A_TIME)
            cosines = own[some] @ block.T
            nearer[some] += (cosines[:, None] > to_near[some, :, None]).sum(axis=2)
    # The image itself is nearer than any, and takes the 0 of the ranks that count from 1.
    beyond = np.maximum(nearer - NEIGHBOURS, 0).sum()
    n = len(points)
    return float(1 - 2 * beyond / (len(asked) * NEIGHBOURS * (2 * n - 3 * NEIGHBOURS - 1)))


def _nearest(points: NDArray[np.float32], asked: NDArray[np.int64]) -> NDArray[np.int64]:
    """The nearest on the map: int64 [len(asked), NEIGHBOURS]."""
    index = faiss.IndexFlatL2(2)
    index.add(np.ascontiguousarray(points, dtype=np.float32))
    apart, found = index.search(np.ascontiguousarray(points[asked]), NEIGHBOURS + 1)
    return without_self(found, apart, asked)[0]
