"""Many vectors into many clusters: `hundredfold bench cluster`.

A million unit vectors of 128 dimensions into 4,096 clusters: ours beside `faiss.Kmeans` (all points, as many
iterations, the same seed) and scikit-learn's `MiniBatchKMeans`. Each side gets the same float32 array and
one thread; CPU seconds count training and the assignment of every row. `sse` is the sum over all rows of the
squared distance to the mean of the row's cluster, `purity` the share of rows in the commonest group of their
cluster. `job` is what the Cluster run does: reading parts, main axes, distances, medoids and all.

The vectors are clustered Gaussian and, with `--option features=FOLDER`, real: FOLDER holds `NAME.npz` with
`vectors` float [n, d] and `labels` [n]. These are pulled a little towards a near neighbour, and shaken, until
there are enough; and are clustered as they are, into twice as many clusters as classes, for the purity of
small collections. `--option disk=10000000` clusters so many from memory-mapped parts in a process of its own
and tells the most memory that had; they take 256 bytes each where temporary files go.
"""

import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain import clustering, device, lloyd, reduction
from hundredfold.index.domain.centres import Geometry
from hundredfold.index.domain.parts import VectorParts, normalised

DIMENSIONS = 128
PART = 65_536
BLOCK = 65_536
SMALL_SEEDS = 5
JOB_SEED = 0

Say = Callable[[str], None]
Assignment = NDArray[np.int32]


@dataclass(frozen=True)
class Cloud:
    """What is clustered: unit vectors, float16 [n, 128], and the group of each, int64 [n]."""

    vectors: NDArray[np.float16]
    groups: NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """What each side is asked for: so many clusters by at most so many rounds, and the seed."""

    clusters: int
    rounds: int
    seed: int


def measure(
    say: Say,
    *,
    rows: str = "1000000",
    clusters: str = "4096",
    rounds: str = "25",
    seed: str = "1",
    features: str = "",
    disk: str = "0",
    peers: str = "faiss,minibatch",
    clouds: str = "gaussian,real",
    threads: str = "1",
) -> dict[str, Any]:
    """Cluster each cloud with each side, then what was asked for besides."""
    device.limit_process(int(threads))
    device.limit_thread(int(threads))
    task, asked = Task(int(clusters), int(rounds), int(seed)), peers.split(",")
    found: dict[str, Any] = {"rows": int(rows), "clusters": task.clusters, "rounds": task.rounds}
    if "gaussian" in clouds.split(","):
        cloud = gaussian(int(rows), task.clusters // 4, task.seed)
        found["gaussian"] = _compare(cloud, task, asked, say)
    if features and "real" in clouds.split(","):
        sets = _read(Path(features))
        found["real"] = _compare(jittered(sets, int(rows), task.seed), task, asked, say)
        found["as_they_are"] = {name: _small(*each) for name, each in sets.items()}
        say(f"as they are: {found['as_they_are']}")
    if int(disk):
        found["disk"] = _from_disk(int(disk), task.clusters, say)
    return found


def gaussian(rows: int, groups: int, seed: int) -> Cloud:
    """Clouds of several widths whose axes differ in length, as those of real vectors do."""
    vectors = np.empty((rows, DIMENSIONS), dtype=np.float16)
    labels = np.empty(rows, dtype=np.int64)
    for start, block, of_block in _gaussian(rows, groups, seed):
        vectors[start : start + len(block)] = block
        labels[start : start + len(block)] = of_block
    return Cloud(vectors, labels)


def _gaussian(
    rows: int, groups: int, seed: int
) -> Iterator[tuple[int, NDArray[np.float16], NDArray[np.int64]]]:
    random = np.random.default_rng(seed)
    lengths = (1 / np.sqrt(1 + np.arange(DIMENSIONS) / 8)).astype(np.float32)
    middles = random.standard_normal((groups, DIMENSIONS), dtype=np.float32) * lengths
    widths = random.uniform(0.4, 1.0, (groups, 1)).astype(np.float32)
    for start in range(0, rows, PART):
        own = random.integers(groups, size=min(PART, rows - start))
        noise = random.standard_normal((len(own), DIMENSIONS), dtype=np.float32) * lengths
        yield start, normalised(middles[own] + widths[own] * noise).astype(np.float16), own


def jittered(sets: dict[str, tuple[NDArray[Any], NDArray[Any]]], rows: int, seed: int) -> Cloud:
    """Real vectors on their main axes, each some way towards one of its 8 nearest, and a little noise."""
    random = np.random.default_rng(seed)
    vectors = normalised(np.concatenate([vectors for vectors, _ in sets.values()]))
    names = np.concatenate([np.char.add(f"{name}/", of) for name, (_, of) in sets.items()])
    groups = np.unique(names, return_inverse=True)[1]
    points = reduction.fit(vectors, DIMENSIONS).directions(vectors)
    near = faiss.knn(points, points, 9, metric=faiss.METRIC_INNER_PRODUCT)[1]
    made = np.empty((rows, DIMENSIONS), dtype=np.float16)
    own = random.integers(len(points), size=rows)
    for start in range(0, rows, BLOCK):
        some = own[start : start + BLOCK]
        other = near[some, random.integers(1, 9, size=len(some))]
        share = random.uniform(0, 0.7, (len(some), 1)).astype(np.float32)
        noise = random.standard_normal((len(some), DIMENSIONS), dtype=np.float32) * 0.02
        moved = points[some] + share * (points[other] - points[some]) + noise
        made[start : start + len(some)] = normalised(moved)
    return Cloud(made, groups[own].astype(np.int64))


def _compare(cloud: Cloud, task: Task, peers: list[str], say: Say) -> dict[str, Any]:
    points = normalised(cloud.vectors)
    sides: dict[str, Callable[[], Assignment]] = {
        "hundredfold": lambda: _ours(points, task),
        "job": lambda: _job(cloud.vectors, task),
    }
    found: dict[str, Any] = {}
    if "faiss" in peers:
        sides["faiss"] = lambda: _faiss(points, task)
    if "minibatch" in peers:
        if importlib.util.find_spec("sklearn"):
            sides["minibatch"] = lambda: _minibatch(points, task)
        else:
            found["minibatch"] = {"skipped": "scikit-learn is not installed"}
    for name, side in sides.items():
        found[name] = _timed(side, points, cloud.groups, task.clusters)
        say(f"{name}: {found[name]}")
    if "faiss" in found:
        _add_ratios(found)
    return found


def _add_ratios(found: dict[str, Any]) -> None:
    for name in ("hundredfold", "job"):
        ours, theirs = found[name], found["faiss"]
        ours["sse_of_faiss"] = round(ours["sse"] / theirs["sse"], 4)
        times = theirs["cpu_seconds"] / max(ours["cpu_seconds"], 0.01)
        ours["times_fewer_cpu_seconds"] = round(times, 1)


def _timed(
    side: Callable[[], Assignment],
    points: NDArray[np.float32],
    groups: NDArray[np.int64],
    count: int,
) -> dict[str, float]:
    wall, processor = time.perf_counter(), time.process_time()
    assignment = side()
    processor, wall = time.process_time() - processor, time.perf_counter() - wall
    return {
        "cpu_seconds": round(processor, 2),
        "seconds": round(wall, 1),
        "sse": round(_sse(points, assignment, count), 3),
        "purity": round(purity(assignment, groups), 4),
        "empty": int((np.bincount(assignment, minlength=count) == 0).sum()),
    }


def _ours(points: NDArray[np.float32], task: Task) -> Assignment:
    plane = Geometry(spherical=False)
    return lloyd.fit(points, task.clusters, plane, seed=task.seed, rounds=task.rounds).numbers


def _job(vectors: NDArray[np.float16], task: Task) -> Assignment:
    parts = [vectors[start : start + PART] for start in range(0, len(vectors), PART)]
    return clustering.cluster(VectorParts(parts), task.clusters, seed=JOB_SEED).assignment


def _faiss(points: NDArray[np.float32], task: Task) -> Assignment:
    solver: Any = faiss.Kmeans(
        DIMENSIONS,
        task.clusters,
        niter=task.rounds,
        seed=task.seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(points),
    )
    solver.train(points)
    return np.asarray(solver.index.search(points, 1)[1][:, 0], dtype=np.int32)


def _minibatch(points: NDArray[np.float32], task: Task) -> Assignment:
    solver = importlib.import_module("sklearn.cluster").MiniBatchKMeans(
        task.clusters,
        init="random",
        n_init=1,
        max_iter=task.rounds,
        batch_size=4 * task.clusters,
        random_state=task.seed,
    )
    return np.asarray(solver.fit(points).predict(points), dtype=np.int32)


def _sse(points: NDArray[np.float32], assignment: Assignment, count: int) -> float:
    """Of unit vectors: each cluster's is its size less the squared length of its sum by its size."""
    sums = np.zeros((count, points.shape[1]))
    total = 0.0
    for start in range(0, len(points), BLOCK):
        block = points[start : start + BLOCK].astype(np.float64)
        np.add.at(sums, assignment[start : start + BLOCK], block)
        total += float((block**2).sum())
    sizes = np.maximum(np.bincount(assignment, minlength=count), 1)
    return total - float(((sums**2).sum(axis=1) / sizes).sum())


def purity(assignment: Assignment, groups: NDArray[np.int64]) -> float:
    """The share of rows in the commonest group of their cluster."""
    pairs, counts = np.unique(
        assignment.astype(np.int64) * (int(groups.max()) + 1) + groups, return_counts=True
    )
    cluster = pairs // (int(groups.max()) + 1)
    best = np.zeros(int(cluster.max()) + 1, dtype=np.int64)
    np.maximum.at(best, cluster, counts)
    return float(best.sum() / len(groups))


def _read(folder: Path) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    sets = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as file:
            sets[path.stem] = file["vectors"], file["labels"]
    if not sets:
        raise FileNotFoundError(f"no NAME.npz in {folder}")
    return sets


def _small(vectors: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    """Mean purity over seeds, into twice as many clusters as classes."""
    groups = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    count = 2 * (int(groups.max()) + 1)
    parts = VectorParts([np.asarray(vectors, dtype=np.float16)])
    points = normalised(vectors)
    ours, theirs = [], []
    for seed in range(SMALL_SEEDS):
        ours.append(purity(clustering.cluster(parts, count, seed=seed).assignment, groups))
        solver: Any = faiss.Kmeans(points.shape[1], count, niter=25, seed=seed + 1, spherical=True)
        solver.train(points)
        theirs.append(purity(solver.index.search(points, 1)[1][:, 0].astype(np.int32), groups))
    return {
        "hundredfold": round(float(np.mean(ours)), 3),
        "faiss": round(float(np.mean(theirs)), 3),
    }


def _from_disk(rows: int, count: int, say: Say) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        for start, block, _ in _gaussian(rows, count // 4, 0):
            np.save(f"{folder}/part-{start // PART:05d}.npy", block)
        say(f"{rows:,} vectors are on disk")
        told = subprocess.run(
            [sys.executable, __file__, folder, str(count)],
            check=True,
            capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    found = json.loads(told.stdout)
    say(f"from disk: {found}")
    return {"rows": rows, **found}


def cluster_folder(folder: str, count: int) -> dict[str, Any]:
    """Cluster the parts in a folder; what it took, with the memory of this process at its highest."""
    device.limit_thread(1)
    parts = [np.load(path, mmap_mode="r") for path in sorted(Path(folder).glob("*.npy"))]
    wall = time.perf_counter()
    found = clustering.cluster(VectorParts(parts), count, seed=JOB_SEED)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "clusters": count,
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "seconds": round(time.perf_counter() - wall, 1),
        "peak_gb": round(used.ru_maxrss / 1e6, 2),
        "mean_distance": round(float(found.distance.mean(dtype=np.float64)), 4),
        "empty": int((found.sizes == 0).sum()),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(cluster_folder(sys.argv[1], int(sys.argv[2]))))
