"""Images that came after a clustering join the clusters there are."""

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain import assigning
from hundredfold.index.domain.centres import Geometry
from hundredfold.index.domain.clustering import Clustering, summarise
from hundredfold.index.domain.editing import Base
from hundredfold.index.domain.parts import BLOCK, VectorParts
from hundredfold.index.domain.progress import Progress, silent

SPHERE = Geometry(spherical=True)


def grow(
    base: Base,
    vectors: VectorParts,
    positions: NDArray[np.int64],
    *,
    progress: Progress = silent,
) -> Clustering:
    """Give each vector that is in no cluster the one with the nearest centre; all others stay where they are.

    Centres stay where they are too. On real images these were, as often as not, the right ones as often as
    by the main axes that the clustering was made on: docs/adr/0024-clusters-at-scale.md.

    Args:
        base: the clusters of n vectors, at least one of them with members.
        vectors: those n and others: m.
        positions: int64 [n], ascending: where the n are in `vectors`.
        progress: told after every block, in vectors.

    Returns:
        Of all m vectors.
    """
    m = len(vectors)
    assignment = np.full(m, -1, dtype=np.int32)
    distance = np.zeros(m, dtype=np.float32)
    assignment[positions], distance[positions] = base.assignment, base.distance
    come = np.flatnonzero(assignment < 0)
    filled = np.unique(base.assignment)
    centres = SPHERE.at(np.ascontiguousarray(base.centroids[filled], dtype=np.float32))
    find = assigning.finder(centres, SPHERE, _judges(vectors, come), seed=0)
    for start in range(0, len(come), BLOCK):
        block = come[start : start + BLOCK]
        points = vectors.take(block)
        found = find(points)
        assignment[block] = filled[found]
        distance[block] = np.clip(1 - np.einsum("nd,nd->n", points, centres.at[found]), 0, 2)
        progress(len(positions) + start + len(block), m)
    return summarise(assignment, distance, base.centroids)


def _judges(vectors: VectorParts, come: NDArray[np.intp]) -> NDArray[np.float32]:
    return vectors.take(come[:: max(1, len(come) // assigning.JUDGES)])
