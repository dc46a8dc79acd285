"""How much each of some points belongs to the neighbourhood of each other: the fuzzy graph of UMAP.

McInnes, Healy and Melville, UMAP: Uniform Manifold Approximation and Projection (2018), section 3.1.
"""

from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hundredfold.index.domain import device
from hundredfold.index.domain.finding import without_self

NEIGHBOURS = 15
EXACT_BELOW = 10_000
PROBES = 8
ROUNDS = 5
"""Of the k-means that makes the lists: they need only be about the same size."""

HALVINGS = 32
NARROWEST = 1e-3
"""Of the mean distance: among points that are all alike no scale would be small enough."""


class Near:
    """Finds the nearest of some points, nearly always all of them.

    Args:
        features: float32 [l, p].
    """

    def __init__(self, features: NDArray[np.float32]) -> None:
        self._index = device.to_device(_index(features))

    def find(
        self, features: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Squared distances and numbers of the nearest, float32 and int64 [n, count], nearest first.

        Where fewer were found the number is -1 and the distance larger than any.
        """
        apart, near = self._index.search(features, count)
        return apart, near


@dataclass(frozen=True)
class Graph:
    """Who is whose neighbour, and how much: both ways, compressed by row.

    Attributes:
        starts: int64 [n + 1], where the neighbours of each point begin.
        neighbours: int32 [e].
        up_to: float64 [e + 1]: the sum of all weights before each; weights are above 0 and up to 1.
    """

    starts: NDArray[np.int64]
    neighbours: NDArray[np.int32]
    up_to: NDArray[np.float64]

    def draw(self, rng: np.random.Generator) -> NDArray[np.int32]:
        """A neighbour of each point, int32 [n], in proportion to the weights."""
        begin, end = self.up_to[self.starts[:-1]], self.up_to[self.starts[1:]]
        at = begin + rng.random(len(begin)) * (end - begin)
        drawn = np.searchsorted(self.up_to, at, side="right") - 1
        # A sum that is rounded up may point past the last of them.
        return self.neighbours[np.minimum(drawn, self.starts[1:] - 1)]


def graph(features: NDArray[np.float32]) -> Graph:
    """The neighbourhoods of points: float32 [n, p], n >= 2."""
    n = len(features)
    count = min(NEIGHBOURS, n - 1)
    apart, near = Near(features).find(features, count + 1)
    near, apart = without_self(near, apart, np.arange(n))
    weights = _weights(np.sqrt(np.where(near < 0, np.inf, np.maximum(apart, 0))))
    starts = np.arange(0, n * count + 1, count)
    one_way = sparse.csr_matrix((weights.ravel(), np.maximum(near, 0).ravel(), starts), (n, n))
    one_way.sum_duplicates()
    one_way.eliminate_zeros()
    # Neighbours if either takes the other for one: the sum of probabilities less that of both.
    both = (one_way + one_way.T - one_way.multiply(one_way.T)).tocsr()
    both.sort_indices()
    up_to = np.concatenate([[0.0], np.cumsum(both.data, dtype=np.float64)])
    return Graph(both.indptr.astype(np.int64), both.indices.astype(np.int32), up_to)


def _index(features: NDArray[np.float32]) -> faiss.Index:
    n, dimensions = features.shape
    flat = faiss.IndexFlatL2(dimensions)
    if n < EXACT_BELOW:
        flat.add(features)
        return flat
    lists = faiss.IndexIVFFlat(flat, dimensions, round(n**0.5))
    lists.cp.niter = ROUNDS
    lists.train(features)
    lists.add(features)
    lists.nprobe = PROBES
    return lists


def _weights(apart: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 [n, k] within 0 to 1, the nearest 1, those of a point adding up to log2(k) if they can.

    Args:
        apart: distances, float32 [n, k], nearest first; infinite = no neighbour.
    """
    beyond = apart - apart[:, :1]
    typical = float(apart[np.isfinite(apart)].mean()) or 1.0
    wanted = np.log2(apart.shape[1]) if apart.shape[1] > 1 else 1.0
    low = np.full((len(apart), 1), NARROWEST * typical, dtype=np.float32)
    high = np.full_like(low, 1 / NARROWEST * typical)
    for _ in range(HALVINGS):
        scale = np.sqrt(low * high)
        much = np.exp(-beyond / scale).sum(axis=1, keepdims=True) > wanted
        high, low = np.where(much, scale, high), np.where(much, low, scale)
    return np.asarray(np.exp(-beyond / high), dtype=np.float32)
