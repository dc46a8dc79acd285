"""The index of a space: `hundredfold bench index`.

Builds the index that a quarter of the memory of float32 allows, as the service does, and searches it in a process of its
own, on one thread, for vectors that are not in it. Told: recall@10 against exact search, bytes, seconds; and what hnswlib and usearch
do at the same recall on float32, where they can be installed. Speeds are per CPU-second.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.domain import device, factory, nearest
from hundredfold.index.domain.parts import VectorParts, normalised
from hundredfold.index.indexes import Indexes
from hundredfold.index.spaces import Spaces
from tests.benchmarks.vectors import peers as peers_script
from tests.benchmarks.vectors.made import Maker, maker
from tests.benchmarks.vectors.searched import COLLECTION, LIMIT, SPACE
from tests.benchmarks.vectors.stored import write_made

_ROOT = Path(__file__).parents[2]
_INSTALL_SECONDS = 300
_QUERY_SEED = 1


def measure(
    say: Callable[[str], None],
    *,
    rows: str = "1000000",
    dimensions: str = "0",
    folder: str = "",
    memory: str = "0",
    queries: str = "1000",
    peers: str = "yes",
    temporary: str = "",
) -> dict[str, Any]:
    """Make vectors, index and search them.

    Args:
        say: progress, in words.
        rows: how many vectors.
        dimensions: of each; 0 = those of the features, or 128 for made up ones.
        folder: of `.npz` with `vectors`, features of images; "" = clustered noise.
        memory: bytes that the index may take; 0 = a quarter of float32.
        queries: how many are searched for.
        peers: "no" to leave them out, else a Python that has them, or "yes" to install them.
        temporary: where files go: 2 bytes a number, and 4 more for the peers.
    """
    device.limit_thread(1)
    made = maker(folder, int(dimensions))
    with tempfile.TemporaryDirectory(dir=temporary or None) as scratch:
        root = Path(scratch)
        store = ArtifactStore(str(root / "store"))
        write_made(store, COLLECTION, SPACE, made, int(rows))
        say(f"{int(rows):,} vectors are in the store: {made.what}")
        built = _build(store, int(memory), say)
        _truth(store, made, int(queries), root)
        searched = _child(root, "-m", "tests.benchmarks.vectors.searched", str(root / "store"))
        say(f"found {searched['recall']:.1%} of the truth")
        memory = _memory(4 * built["rows"] * built["dimensions"], searched)
        say(
            "resident after the searches, of float32: {own:.1%} that the process needs, {all:.1%} with "
            "the mapped pages, which can be given back".format(
                own=memory["own_share_of_float32"], all=memory["resident_share_of_float32"]
            )
        )
        return {
            "vectors": made.what,
            **built,
            **searched,
            **memory,
            "peers": _peers(store, root, peers, searched["recall"], say),
        }


def _build(store: ArtifactStore, memory: int, say: Callable[[str], None]) -> dict[str, Any]:
    source = Spaces(store).read(COLLECTION, SPACE)
    rows, dimensions = len(source.rows), source.vectors.dimensions
    float32 = 4 * rows * dimensions
    plan = factory.choose(rows, dimensions, memory or float32 // 4)
    say(f"building {plan.factory}")
    wall, cpu = time.perf_counter(), time.process_time()
    built = nearest.build(source.vectors, plan)
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    Indexes(store).save(COLLECTION, SPACE, built, source)
    entries = Manifest.load(store, layout.index(COLLECTION, SPACE)).entries
    file = entries[layout.INDEX_FILE].bytes
    return {
        "rows": rows,
        "dimensions": dimensions,
        "factory": plan.factory,
        "probes": built.probes,
        "depth": built.depth,
        "recall_told": round(built.recall, 4),
        "held_out": built.queries,
        "build_wall_s": round(seconds[0], 1),
        "build_cpu_s": round(seconds[1], 1),
        "planned_bytes": plan.memory,
        "file_bytes": file,
        "bytes_a_vector": round(file / rows, 1),
        "share_of_float32": round(plan.memory / float32, 4),
    }


def _memory(float32: int, searched: dict[str, Any]) -> dict[str, Any]:
    """What is resident after the searches, without and with the pages mapped from the vectors and the index."""
    own = searched["own_memory_bytes"]
    resident = own + searched["mapped_and_resident_bytes"]
    return {
        "float32_bytes": float32,
        "resident_bytes": resident,
        "own_share_of_float32": round(own / float32, 4),
        "resident_share_of_float32": round(resident / float32, 4),
    }


def _truth(store: ArtifactStore, made: Maker, count: int, root: Path) -> None:
    """Write queries and their ten nearest, by comparing all."""
    queries = normalised(np.concatenate(list(made.draw(count, _QUERY_SEED))))
    vectors = Spaces(store).read(COLLECTION, SPACE).vectors
    np.save(root / "queries.npy", queries)
    np.save(root / "truth.npy", _exact(vectors, queries))


def _exact(vectors: VectorParts, queries: NDArray[np.float32]) -> NDArray[np.int64]:
    best = np.full((len(queries), LIMIT), -np.inf, dtype=np.float32)
    rows = np.full(best.shape, -1, dtype=np.int64)
    for start, block in vectors.blocks():
        cosines, found = faiss.knn(queries, block, LIMIT, metric=faiss.METRIC_INNER_PRODUCT)
        both = np.concatenate([best, cosines], axis=1)
        order = np.argsort(-both, axis=1, kind="stable")[:, :LIMIT]
        best = np.take_along_axis(both, order, axis=1)
        rows = np.take_along_axis(np.concatenate([rows, found + start], axis=1), order, axis=1)
    return rows


def _child(root: Path, *arguments: str, python: str = sys.executable) -> Any:
    """What a process of its own measures of the queries."""
    # OpenBLAS reads its number of threads as it is loaded.
    alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    path = os.pathsep.join([str(_ROOT / "services"), str(_ROOT)])
    files = [str(root / "queries.npy"), str(root / "truth.npy")]
    done = subprocess.run(
        [python, *arguments, *files],
        env={**os.environ, **alone, "PYTHONPATH": path},
        cwd=_ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout)


def _peers(
    store: ArtifactStore, root: Path, asked: str, recall: float, say: Callable[[str], None]
) -> Any:
    if asked == "no":
        return {"skipped": "not asked for"}
    try:
        python = _installed(root / "peers") if asked == "yes" else asked
    except subprocess.SubprocessError as error:
        return {"skipped": f"hnswlib and usearch can't be installed: {error}"}
    say("building the graphs of the peers")
    vectors = Spaces(store).read(COLLECTION, SPACE).vectors
    shape = (len(vectors), vectors.dimensions)
    file = root / "vectors.npy"
    whole = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
    for start, block in vectors.blocks():
        whole[start : start + len(block)] = block
    whole.flush()
    script = str(peers_script.__file__)
    files = [str(root / "queries.npy"), str(root / "truth.npy")]
    done = subprocess.run(
        [python, script, str(file), *files, str(recall)], check=True, stdout=subprocess.PIPE
    )
    return json.loads(done.stdout)


def _installed(folder: Path) -> str:
    """A Python with the peers, in an environment of its own."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    command = [python, "-m", "pip", "install", "--quiet", "numpy", "hnswlib", "usearch"]
    subprocess.run(command, check=True, timeout=_INSTALL_SECONDS, stdout=sys.stderr)
    return python
