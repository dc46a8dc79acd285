"""Searches an index that is there, in a process of its own, and tells speed, recall and memory.

python -m tests.benchmarks.vectors.searched STORE QUERIES.npy TRUTH.npy
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.domain import device
from hundredfold.index.filters import Filter
from hundredfold.index.searching import Searcher
from hundredfold.index.spaces import Spaces
from hundredfold.index.store import IndexStore

COLLECTION, SPACE = "bench", "made@1"
LIMIT = 10
BATCH = 256
ALONE = 100


def resident() -> dict[str, int]:
    """Bytes of this process in memory: its own, and mapped from files."""
    words = (line.split() for line in Path("/proc/self/status").read_text("ascii").splitlines())
    kinds = {each[0]: int(each[1]) << 10 for each in words if each[0] in {"RssAnon:", "RssFile:"}}
    return {"own": kinds["RssAnon:"], "mapped": kinds["RssFile:"]}


def main(root: str, queries_file: str, truth_file: str) -> None:
    """Print what was measured as JSON."""
    device.limit_process(1)
    device.limit_thread(1)
    queries, truth = np.load(queries_file), np.load(truth_file)
    store = ArtifactStore(root)
    kept = IndexStore(store)
    searcher = Searcher(Spaces(store), kept, threads=1, open_indexes=1)
    before = resident()
    begun = time.perf_counter()
    searcher.search(COLLECTION, SPACE, queries[:1], LIMIT)
    opened = time.perf_counter() - begun
    print(json.dumps({"open_s": round(opened, 2), **_speed(searcher, queries, truth, before)}))  # noqa: T201 - its result


def _speed(
    searcher: Searcher,
    queries: NDArray[np.float32],
    truth: NDArray[np.int64],
    before: dict[str, int],
) -> dict[str, object]:
    for batch in _batches(queries):  # from the disk into the page cache
        searcher.search(COLLECTION, SPACE, batch, LIMIT)
    begun = time.process_time()
    found = [searcher.search(COLLECTION, SPACE, batch, LIMIT).rows for batch in _batches(queries)]
    many = time.process_time() - begun
    taken = []
    for query in queries[:ALONE]:
        begun = time.process_time()
        searcher.search(COLLECTION, SPACE, query[None], LIMIT)
        taken.append(time.process_time() - begun)
    after = resident()
    half = np.packbits(np.arange(truth.max() + 1) % 2 == 0, bitorder="little")
    begun = time.process_time()
    searcher.search(COLLECTION, SPACE, queries[:BATCH], LIMIT, wanted=Filter(mask=half))
    filtered = time.process_time() - begun
    return {
        "recall": round(recall_of(np.concatenate(found), truth), 4),
        "queries_per_cpu_s": round(len(queries) / many),
        "alone_cpu_ms_p50": round(1e3 * float(np.median(taken)), 2),
        "half_filtered_queries_per_cpu_s": round(min(BATCH, len(queries)) / filtered),
        "own_memory_bytes": after["own"] - before["own"],
        "mapped_and_resident_bytes": after["mapped"] - before["mapped"],
    }


def _batches(queries: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return [queries[start : start + BATCH] for start in range(0, len(queries), BATCH)]


def recall_of(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """The share of the true rows that were found."""
    pairs = zip(found, truth, strict=True)
    return float(np.mean([np.isin(true, near).mean() for near, true in pairs]))


if __name__ == "__main__":
    main(*sys.argv[1:])
