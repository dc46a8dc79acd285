"""Over-clustering of a space: many small clusters, so that most hold one class.

Vectors are seen from their mean, reduced to their main axes and brought to length 1 again; spherical
k-means runs on a sample of these, then every vector is assigned in one pass. Centres and distances
are given in the original space. That this gives purer clusters than k-means on the vectors as they
are was measured: docs/adr/0005-clusters-on-reduced-directions.md. How it gets along with many vectors
and clusters: docs/adr/0024-clusters-at-scale.md.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain import assigning, balancing, kmeans, reduction
from hundredfold.index.domain.centres import Centres, Geometry
from hundredfold.index.domain.parts import BLOCK, VectorParts, normalised
from hundredfold.index.domain.progress import Progress, silent

DIMENSIONS = 128
POINTS_PER_CENTRE = 256
"""More points do not make centres measurably better (the habit of faiss)."""

MOST_SAMPLE = 2_000_000
AXES_SAMPLE = 50_000
SPHERE = Geometry(spherical=True)
NUMBERS = 1 << 24
"""Numbers of a block where there are many centres: the more points, the more of them look into the same cell."""


@dataclass(frozen=True)
class Clustering:
    """The clusters of `n` vectors; positions number the vectors.

    Attributes:
        assignment: int32 [n], the cluster of each vector.
        distance: float32 [n], 1 - cosine to the centre of its cluster.
        order: int64 [n], positions by cluster, within a cluster the nearest to the centre first.
        centroids: float32 [k, d], the mean of the members at length 1; zeros for an empty cluster.
        medoids: int64 [k], the position nearest to each centre, -1 for an empty cluster.
        sizes: int64 [k].
        spreads: float32 [k], the mean distance, 0 for an empty cluster.
        densities: int64 [k], members within `radius` of the centre, which is the same for all clusters.
        radius: the median of all distances.
    """

    assignment: NDArray[np.int32]
    distance: NDArray[np.float32]
    order: NDArray[np.int64]
    centroids: NDArray[np.float32]
    medoids: NDArray[np.int64]
    sizes: NDArray[np.int64]
    spreads: NDArray[np.float32]
    densities: NDArray[np.int64]
    radius: float


def count_for(vectors: int, asked: int = 0) -> int:
    """Return the number of clusters: what was asked, at most one a vector.

    When 0 is asked: the square root of half the vectors, at least 8 if that leaves 8 vectors a
    cluster. 6,000 vectors give 55 clusters, a million 707. Whoever knows how many classes there
    are asks for 2 to 4 times as many.
    """
    if asked:
        return min(asked, vectors)
    return max(1, min(max(8, round(math.sqrt(vectors / 2))), vectors // 8))


def cluster(
    vectors: VectorParts,
    count: int,
    *,
    seed: int,
    balanced: bool = False,
    progress: Progress = silent,
) -> Clustering:
    """Cluster all vectors into `count` clusters, of which some may stay empty.

    The same vectors, count and seed give the same clusters. Progress counts vectors: half of it is
    the training, half the two passes over all.

    Args:
        vectors: at least one.
        count: 1 to the number of vectors.
        seed: of the sample and of the starts.
        balanced: make clusters of about the same size.
        progress: told after every iteration and every block.
    """
    n = len(vectors)
    axes = reduction.fit(vectors.sample(AXES_SAMPLE, seed), DIMENSIONS)
    sample = _sample(vectors, axes, count, seed)
    centres = _train(
        sample,
        count,
        seed=seed,
        balanced=balanced,
        progress=lambda done, total: progress(n * done // total // 2, n),
    )
    find = assigning.finder(centres, SPHERE, _judges(sample, seed), seed=seed)
    del sample
    assignment, centroids = _assign(
        vectors, axes, centres, find, lambda done, total: progress((n + done // 2) // 2, total)
    )
    distance = _distances(
        vectors,
        assignment,
        centroids,
        lambda done, total: progress((n + n // 2 + done // 2) // 2, total),
    )
    return summarise(assignment, distance, centroids)


def _train(
    sample: NDArray[np.float32], count: int, *, seed: int, balanced: bool, progress: Progress
) -> Centres:
    share = 2 if balanced else 1
    centres = SPHERE.at(
        kmeans.train(
            sample, count, seed=seed, progress=lambda done, total: progress(done, total * share)
        )
    )
    if not balanced:
        return centres
    return balancing.balanced(
        sample,
        centres,
        SPHERE,
        seed=seed,
        progress=lambda done, total: progress(total + done, 2 * total),
    )


def _sample(
    vectors: VectorParts, axes: reduction.Reduction, count: int, seed: int
) -> NDArray[np.float32]:
    """Directions of a sample of the vectors, block by block: float32 [s, p]."""
    size = min(len(vectors), max(min(POINTS_PER_CENTRE * count, MOST_SAMPLE), 40 * count))
    drawn = np.random.default_rng(seed).choice(len(vectors), size=size, replace=False)
    drawn.sort()
    sample = np.empty((size, axes.axes.shape[1]), dtype=np.float32)
    for start in range(0, size, BLOCK):
        block = slice(start, start + BLOCK)
        sample[block] = axes.directions(vectors.take(drawn[block]))
    return sample


def _judges(sample: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    size = min(len(sample), assigning.JUDGES)
    return sample[np.sort(np.random.default_rng(seed).choice(len(sample), size, replace=False))]


def _assign(
    vectors: VectorParts,
    axes: reduction.Reduction,
    centres: Centres,
    find: assigning.Assign,
    progress: Progress,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Assign every vector to its nearest centre; return also the mean direction of each cluster."""
    size = BLOCK if len(centres) < assigning.MANY else max(BLOCK, NUMBERS // vectors.dimensions)
    assignment = np.empty(len(vectors), dtype=np.int32)
    sums = np.zeros((len(centres), vectors.dimensions), dtype=np.float64)
    for start, block in vectors.blocks(size):
        found = find(axes.directions(block))
        assignment[start : start + len(block)] = found
        _add_members(sums, found, block)
        progress(start + len(block), len(vectors))
    return assignment, normalised(sums)


def _add_members(
    sums: NDArray[np.float64], found: NDArray[np.int32], block: NDArray[np.float32]
) -> None:
    """Add each vector to the sum of its cluster, touching only the clusters that occur."""
    order = np.argsort(found, kind="stable")
    numbers, starts = np.unique(found[order], return_index=True)
    sums[numbers] += np.add.reduceat(block[order], starts, axis=0)


def _distances(
    vectors: VectorParts,
    assignment: NDArray[np.int32],
    centroids: NDArray[np.float32],
    progress: Progress,
) -> NDArray[np.float32]:
    """1 - cosine of each vector to the centre of its cluster: float32 [n], 0 to 2."""
    distance = np.empty(len(vectors), dtype=np.float32)
    for start, block in vectors.blocks():
        own = centroids[assignment[start : start + len(block)]]
        cosine = np.einsum("nd,nd->n", block, own)
        distance[start : start + len(block)] = np.clip(1 - cosine, 0, 2)
        progress(start + len(block), len(vectors))
    return distance


def summarise(
    assignment: NDArray[np.int32], distance: NDArray[np.float32], centroids: NDArray[np.float32]
) -> Clustering:
    """What follows from the assignment int32 [n], the distances float32 [n] and the centres float32 [k, d]."""
    count = len(centroids)
    order = np.lexsort((distance, assignment)).astype(np.int64)
    sizes = np.bincount(assignment, minlength=count).astype(np.int64)
    first = np.cumsum(sizes) - sizes
    filled = sizes > 0
    medoids = np.full(count, -1, dtype=np.int64)
    medoids[filled] = order[first[filled]]
    totals = np.bincount(assignment, weights=distance, minlength=count)
    spreads = (totals / np.maximum(sizes, 1)).astype(np.float32)
    radius = float(np.median(distance))
    densities = np.bincount(assignment[distance <= radius], minlength=count)
    return Clustering(
        assignment, distance, order, centroids, medoids, sizes, spreads, densities, radius
    )


def renumbered(found: Clustering, numbers: NDArray[np.int32]) -> Clustering:
    """The same clusters under other numbers: int32 [k], each of 0 to k - 1 once."""
    centroids = np.empty_like(found.centroids)
    centroids[numbers] = found.centroids
    return summarise(numbers[found.assignment], found.distance, centroids)
