"""hnswlib and usearch on the same vectors, in an environment of their own; needs numpy and them, nothing else.

    python peers.py VECTORS.npy QUERIES.npy TRUTH.npy RECALL

Both as their documentation starts, float32 and cosine; the candidates they look at are doubled until they
find RECALL of the truth. One thread.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

LIMIT = 10
DEGREE = 16
BUILD_CANDIDATES = 128
CANDIDATES = (16, 32, 64, 128, 256, 512, 1024)
BLOCK = 8192


def main(vectors_file: str, queries_file: str, truth_file: str, wanted: str) -> None:
    """Print what was measured as JSON."""
    vectors = np.load(vectors_file, mmap_mode="r")
    queries, truth = np.load(queries_file), np.load(truth_file)
    told = {}
    for name, build in (("hnswlib", _hnswlib), ("usearch", _usearch)):
        try:
            told[name] = _measured(build, vectors, queries, truth, float(wanted))
        except ImportError as error:
            told[name] = {"skipped": str(error)}
    print(json.dumps(told))  # noqa: T201 - its result


def _measured(build: Any, vectors: Any, queries: Any, truth: Any, wanted: float) -> dict[str, Any]:
    begun = time.process_time()
    search, memory = build(vectors)
    built = time.process_time() - begun
    found: dict[str, Any] = {}
    for candidates in CANDIDATES:
        begun = time.process_time()
        rows = search(queries, candidates)
        taken = time.process_time() - begun
        pairs = zip(rows, truth, strict=True)
        recall = float(np.mean([np.isin(true, near).mean() for near, true in pairs]))
        found = {
            "recall": round(recall, 4),
            "candidates": candidates,
            "queries_per_cpu_s": round(len(queries) / taken),
        }
        if recall >= wanted:
            break
    return {**found, "build_cpu_s": round(built, 1), "memory_bytes": memory}


Search = Callable[[Any, int], Any]


def _hnswlib(vectors: Any) -> tuple[Search, int]:
    hnswlib: Any = importlib.import_module("hnswlib")

    index = hnswlib.Index(space="cosine", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), M=DEGREE, ef_construction=BUILD_CANDIDATES)
    index.set_num_threads(1)
    for start, block in _blocks(vectors):
        index.add_items(block, np.arange(start, start + len(block)))

    def search(queries: Any, candidates: int) -> Any:
        index.set_ef(candidates)
        return index.knn_query(queries, k=LIMIT)[0].astype(np.int64)

    return search, int(index.index_file_size())


def _usearch(vectors: Any) -> tuple[Search, int]:
    usearch: Any = importlib.import_module("usearch.index")
    index = usearch.Index(
        ndim=vectors.shape[1],
        metric="cos",
        dtype="f32",
        connectivity=DEGREE,
        expansion_add=BUILD_CANDIDATES,
    )
    for start, block in _blocks(vectors):
        index.add(np.arange(start, start + len(block)), block, threads=1)

    def search(queries: Any, candidates: int) -> Any:
        index.expansion_search = candidates
        return index.search(queries, LIMIT, threads=1).keys.astype(np.int64)

    return search, int(index.memory_usage)


def _blocks(vectors: Any) -> Iterator[tuple[int, Any]]:
    for start in range(0, len(vectors), BLOCK):
        yield start, np.asarray(vectors[start : start + BLOCK], dtype=np.float32)


if __name__ == "__main__":
    main(*sys.argv[1:])
