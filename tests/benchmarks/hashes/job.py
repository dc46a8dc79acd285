"""FindDuplicates as the service runs it, on a collection of made-up hashes."""

import uuid
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np

from hundredfold.chassis.runs import Runs
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.hashing.duplicates_job import KIND, FindDuplicates
from tests.benchmarks.hashes.written import copied, made_up, write_hashed

_HOURS = 3600.0


def grouped(
    folder: str, rows: int, radius: int, say: Callable[[str], None], clock: Callable[[], Any]
) -> dict[str, Any]:
    """Seconds from hashes in a store to groups in it; every tenth image is a copy."""
    store = ArtifactStore(folder)
    with ProcessPoolExecutor(
        1, get_context("spawn")
    ) as other:  # the memory of making them is not ours
        other.submit(_write, folder, rows).result()
    say(f"{rows:,} images are written")
    runs = Runs(store, "hashing", {KIND: FindDuplicates(store)})
    timed = clock()
    run = runs.start(KIND, "job", {"radius": radius}, request_id=str(uuid.uuid4()))
    while not (run := runs.wait(run.run_id, _HOURS)).state.ended:
        pass
    seconds = timed.read("job")
    runs.close()
    if run.error:
        raise AssertionError(f"the run failed: {run.error}")
    expected = rows - len(np.unique(copied(rows)))
    if run.result["copies"] != expected:
        raise AssertionError(f"{run.result['copies']} copies were found, not {expected}")
    return {"rows": rows, "radius": radius, **seconds, "copies": expected}


def _write(folder: str, rows: int) -> None:
    write_hashed(ArtifactStore(folder), "job", *made_up(rows, np.random.default_rng(0)))
