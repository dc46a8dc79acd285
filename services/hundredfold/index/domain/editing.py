"""What people change about a clustering: one cluster split, or several merged. All others stay as they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain.clustering import Clustering, cluster, summarise
from hundredfold.index.domain.parts import BLOCK, VectorParts, normalised


@dataclass(frozen=True)
class Base:
    """The clustering that is changed; arrays as in `Clustering`."""

    assignment: NDArray[np.int32]
    distance: NDArray[np.float32]
    centroids: NDArray[np.float32]


def split(
    base: Base, vectors: VectorParts, positions: NDArray[np.int64], number: int, into: int
) -> Clustering | None:
    """Split a cluster by k-means of its own vectors.

    The largest part keeps the number; the others get numbers after the last, larger ones first. Parts
    that stay empty are left out.

    Args:
        base: n vectors in k clusters.
        vectors: those that were clustered, perhaps among others.
        positions: int64 [n], where the vector of each is in `vectors`.
        number: of the cluster, which has at least `into` images.
        into: at least 2.

    Returns:
        The clustering; None when the images are too alike to tell parts.
    """
    members = np.flatnonzero(base.assignment == number)
    own = VectorParts([vectors.take(positions[members]).astype(np.float16)])
    found = cluster(own, into, seed=0)
    ranked = np.argsort(-found.sizes, kind="stable")[: int((found.sizes > 0).sum())]
    if len(ranked) < 2:
        return None
    count = len(base.centroids)
    names = np.full(into, -1, np.int32)
    names[ranked] = [number, *range(count, count + len(ranked) - 1)]
    assignment, distance = base.assignment.copy(), base.distance.copy()
    assignment[members] = names[found.assignment]
    distance[members] = found.distance
    centroids = np.concatenate([base.centroids, found.centroids[ranked[1:]]])
    centroids[number] = found.centroids[ranked[0]]
    return summarise(assignment, distance, centroids)


def merge(
    base: Base, vectors: VectorParts, positions: NDArray[np.int64], numbers: Sequence[int]
) -> Clustering:
    """Merge clusters into the one with the smallest number; the others are empty from then on.

    Args:
        base: n vectors in k clusters.
        vectors: as in `split`.
        positions: as in `split`.
        numbers: at least two, each once.
    """
    into, *others = sorted(numbers)
    members = np.flatnonzero(np.isin(base.assignment, numbers))
    blocks = [
        (block, vectors.take(positions[block]))
        for block in np.array_split(members, max(1, -(-len(members) // BLOCK)))
    ]
    centre = normalised(sum(each.sum(axis=0, dtype=np.float64) for _, each in blocks)[None])[0]
    assignment, distance = base.assignment.copy(), base.distance.copy()
    assignment[members] = into
    for block, each in blocks:
        distance[block] = np.clip(1 - each @ centre, 0, 2)
    centroids = base.centroids.copy()
    centroids[into], centroids[others] = centre, 0
    return summarise(assignment, distance, centroids)
