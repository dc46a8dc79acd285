"""The index of nearest vectors: exact while that is fast enough, inverted lists above.

Inverted lists hold 8-bit codes (a quarter of float32). How many lists a search looks into is not
guessed: the smallest number that finds RECALL of the true neighbours of a sample is kept.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain import device
from hundredfold.index.domain.parts import VectorParts
from hundredfold.index.domain.progress import Progress, silent

EXACT_BELOW = 200_000
TRAINING_PER_LIST = 40
RECALL = 0.95
PROBES_LEAST = 8
"""What is searched for may lie farther from the collection than its own vectors do."""

JUDGES = 128
"""Vectors of the collection whose true neighbours decide how many lists are looked into."""

DEPTH = 10
MOST_LISTS = 1 << 22
"""No loop while reading an index file is longer: what a broken file could ask for is bounded."""

_reading = threading.Lock()


@dataclass(frozen=True)
class Built:
    """A new index; the number of a vector in it is its position.

    Attributes:
        index: the faiss index, in main memory.
        kind: "flat" or "ivf".
        lists: the number of inverted lists, 0 for "flat".
        probes: how many of them a search looks into.
        recall: the share of the true 10 nearest of a sample that a search finds.
    """

    index: Any
    kind: str
    lists: int
    probes: int
    recall: float


def build(
    vectors: VectorParts,
    *,
    seed: int = 0,
    exact_below: int = EXACT_BELOW,
    progress: Progress = silent,
) -> Built:
    """Index all vectors, block by block, by inner product.

    Args:
        vectors: at least one.
        seed: of the samples that train and judge inverted lists.
        exact_below: from so many vectors on the index has inverted lists.
        progress: told after every block.
    """
    if len(vectors) < exact_below:
        index = faiss.IndexFlatIP(vectors.dimensions)
        _add(index, vectors, progress)
        return Built(index, "flat", 0, 0, 1.0)
    return _build_lists(vectors, seed, progress)


def search(
    index: Any, queries: NDArray[np.float32], limit: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the nearest vectors by cosine.

    Args:
        index: as `build` or `load` gave it.
        queries: float32 [q, d], length 1.
        limit: how many to find for each.

    Returns:
        Positions, int64 [q, limit], nearest first, -1 where there were no more, and their cosines,
        float32 [q, limit], 0 there.
    """
    cosines, positions = index.search(np.ascontiguousarray(queries), limit)
    cosines = np.where(positions >= 0, np.clip(cosines, -1, 1), 0).astype(np.float32)
    return positions, cosines


def without_self(
    positions: NDArray[np.int64], values: NDArray[np.float32], own: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Take each query's own position out of what was found: [q, k] becomes [q, k - 1].

    Where it was not found, the last is dropped.
    """
    drop = positions == own[:, None]
    drop[~drop.any(axis=1), -1] = True
    shape = (len(positions), positions.shape[1] - 1)
    return positions[~drop].reshape(shape), values[~drop].reshape(shape)


def dump(index: Any, write: Callable[[bytes], int]) -> None:
    """Write an index piece by piece."""
    writer: Any = faiss.PyCallbackIOWriter(write)  # type: ignore[attr-defined]  # made by SWIG
    faiss.write_index(index, writer)


def load(path: Path) -> Any:
    """Read an index file whose sha256 the caller has checked; faiss does not defend itself well.

    Raises:
        RuntimeError: faiss finds the file impossible.
    """
    # The limits are the process's, so only one file is read at a time.
    with _reading:
        if hasattr(faiss, "set_deserialization_vector_byte_limit"):
            faiss.set_deserialization_vector_byte_limit(path.stat().st_size + 1)
            faiss.set_deserialization_loop_limit(MOST_LISTS)
        return device.to_device(faiss.read_index(str(path)))


def _build_lists(vectors: VectorParts, seed: int, progress: Progress) -> Built:
    n = len(vectors)
    # faiss advises 4 to 16 times the square root; each list needs some vectors to be trained on.
    lists = max(1, min(round(4 * n**0.5), n // TRAINING_PER_LIST))
    index: Any = faiss.index_factory(
        vectors.dimensions, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT
    )
    index.cp.seed = seed & 0x7FFFFFFF
    index.cp.min_points_per_centroid = 1
    if device.gpus():
        index.clustering_index = device.to_device(faiss.IndexFlatIP(vectors.dimensions))
    index.train(vectors.sample(TRAINING_PER_LIST * lists, seed))
    _add(index, vectors, lambda done, total: progress(done // 2, total))
    judges = np.sort(np.random.default_rng(seed).choice(n, size=min(JUDGES, n), replace=False))
    truth = _true_neighbours(vectors, judges, lambda done, total: progress((n + done) // 2, total))
    recall = _set_probes(index, vectors.take(judges), judges, truth)
    return Built(index, "ivf", lists, int(index.nprobe), recall)


def _add(index: Any, vectors: VectorParts, progress: Progress) -> None:
    for start, block in vectors.blocks():
        index.add(block)
        progress(start + len(block), len(vectors))


def _true_neighbours(
    vectors: VectorParts, judges: NDArray[np.int64], progress: Progress
) -> NDArray[np.int64]:
    """The exact DEPTH nearest of some of the vectors, themselves left out: int64 [q, DEPTH]."""
    queries = vectors.take(judges)
    best = np.full((len(judges), DEPTH + 1), -np.inf, dtype=np.float32)
    positions = np.full(best.shape, -1, dtype=np.int64)
    for start, block in vectors.blocks():
        cosines, found = faiss.knn(queries, block, DEPTH + 1, metric=faiss.METRIC_INNER_PRODUCT)
        found = np.where(found >= 0, found + start, -1)
        both = np.concatenate([best, cosines], axis=1)
        order = np.argsort(-both, axis=1, kind="stable")[:, : DEPTH + 1]
        best = np.take_along_axis(both, order, axis=1)
        positions = np.take_along_axis(np.concatenate([positions, found], axis=1), order, axis=1)
        progress(start + len(block), len(vectors))
    return without_self(positions, best, judges)[0]


def _set_probes(
    index: Any,
    queries: NDArray[np.float32],
    judges: NDArray[np.int64],
    truth: NDArray[np.int64],
) -> float:
    """Double the probes until a search finds RECALL of the truth; return what it finds."""
    probes = PROBES_LEAST
    while True:
        index.nprobe = min(probes, index.nlist)
        found, _ = without_self(*search(index, queries, DEPTH + 1), judges)
        recall = _recall(found, truth)
        if recall >= RECALL or probes >= index.nlist:
            return recall
        probes *= 2


def _recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    hits = [np.isin(t[t >= 0], f).sum() for f, t in zip(found, truth, strict=True)]
    return float(np.sum(hits) / max(1, (truth >= 0).sum()))
