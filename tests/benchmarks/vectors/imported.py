"""Imports of vectors, each in a process of its own."""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.domain.vectors import unit_vectors
from hundredfold.embedding.import_job import KIND, ImportVectors
from hundredfold.embedding.vector_files import Asked


def alone(function: Callable[..., None], root: Path, rows: int, *arguments: Any) -> dict[str, Any]:
    """What a function takes in a process of its own: seconds, and megabytes above those of its imports."""
    spawned = multiprocessing.get_context("spawn")
    answer: Any = spawned.SimpleQueue()
    process = spawned.Process(target=_timed, args=(answer, function, root, *arguments))
    process.start()
    cpu, wall, peak, before = answer.get()
    process.join()
    return {
        "cpu_seconds": round(cpu, 2),
        "seconds": round(wall, 2),
        "vectors_per_cpu_second": round(rows / cpu),
        "memory_mb": round(peak - before),
    }


def _timed(answer: Any, function: Callable[..., None], root: Path, *arguments: Any) -> None:
    before, cpu, wall = _peak(), time.process_time(), time.monotonic()
    function(root, *arguments)
    answer.put((time.process_time() - cpu, time.monotonic() - wall, _peak(), before))


def _peak() -> float:
    """Most memory so far, megabytes; `getrusage` would tell that of the parent, if it had more."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def imported(root: Path, name: str, asked: Asked) -> None:
    """Take a file in, by the run of the service."""
    store = ArtifactStore(str(root / "store"))
    job = ImportVectors(store, ModelRepository(store), Sources((str(root),)))
    runs = Runs(store, "embedding", {KIND: job})
    space = f"{name.replace('_', '-')}@1"
    digest = job.check("many", space, asked)
    parameters = {**asked.to_json(), "space": space, "digest": digest, "duplicates": ""}
    run = runs.wait(runs.start(KIND, "many", parameters, request_id=name).run_id, 3600)
    runs.close()
    if run.error:
        raise RuntimeError(run.error)


def bare(root: Path) -> None:
    """What no import can do without."""
    store = ArtifactStore(str(root / "bare"))
    vectors = np.load(root / "ordered.npy", mmap_mode="r")
    for number, begin in enumerate(range(0, len(vectors), layout.PART_ROWS)):
        unit, _ = unit_vectors(np.asarray(vectors[begin : begin + layout.PART_ROWS]))
        store.write_array(layout.vectors_part(number), unit.astype(np.float16))
