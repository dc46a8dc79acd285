"""From a decision to predictions of every image: `hundredfold bench refit`.

What FitHead does after each decision: read the labels over gRPC, fit and calibrate a head, predict all
images of the space, write that into the store and put it to use. Wall seconds and CPU seconds on this
machine; the aim is less than 2 s at 100,000 images.
"""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import serving
from hundredfold.training.fitting import Fitter
from hundredfold.training.peers import Ledger
from hundredfold.training.scratch import Scratch
from hundredfold.training.spaces import Spaces
from hundredfold.training.store import HeadStore
from hundredfold.training.threads import one_thread_a_product
from tests.contract.cloud_spaces import Clouds, write_clouds
from tests.contract.index_spaces import COLLECTION, SPACE
from tests.contract.ledger_stand_in import LedgerStandIn

REPEATS = 5


@dataclass(frozen=True)
class Case:
    """Images of so many dimensions and classes, and how many labels there are at each step."""

    clouds: Clouds
    labels: tuple[int, ...]


CASES = (
    Case(Clouds(10_000, 1_280, 10), (300, 1_000, 3_000)),
    Case(Clouds(100_000, 1_280, 100), (3_000, 10_000)),
)


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Fit several times at each number of labels, with one decision more each time."""
    one_thread_a_product()
    return {"cases": [_measure(case, say) for case in CASES]}


def _measure(case: Case, say: Callable[[str], None]) -> dict[str, Any]:
    ledger = LedgerStandIn()
    with tempfile.TemporaryDirectory() as folder, serving(ledger.mount()) as channel:
        store = ArtifactStore(folder)
        truth = write_clouds(store, case.clouds)
        threads = os.cpu_count() or 1
        spaces = Spaces(
            store, dimensions=160, most=1, scratch=Scratch("", 1 << 30), threads=threads
        )
        fitter = Fitter(store, spaces, HeadStore(store, keep=5), Ledger(channel, 30.0))
        first = _seconds(fitter, ledger, truth, range(case.clouds.classes))[0]
        say(f"{case.clouds.images:,} images: the first, with reading the space: {first:.2f} s")
        steps = {f"{labels} labels": _step(fitter, ledger, truth, labels) for labels in case.labels}
        say(f"{steps}")
    return {
        "images": case.clouds.images,
        "dimensions": case.clouds.dimensions,
        "classes": case.clouds.classes,
        "seconds_of_the_first": round(first, 3),
        "median_of": steps,
    }


def _step(
    fitter: Fitter, ledger: LedgerStandIn, truth: NDArray[np.int32], labels: int
) -> dict[str, float]:
    _seconds(fitter, ledger, truth, range(labels))
    more = range(labels, labels + REPEATS)
    measured = [_seconds(fitter, ledger, truth, range(row, row + 1)) for row in more]
    wall, processor = (round(median(column), 3) for column in zip(*measured, strict=True))
    return {"seconds": wall, "cpu_seconds": processor}


def _seconds(
    fitter: Fitter, ledger: LedgerStandIn, truth: NDArray[np.int32], rows: range
) -> tuple[float, float]:
    """Wall and CPU seconds of a fit after some labels, and half as many kicks of other images."""
    kicked = [len(truth) - 1 - row for row in rows if row % 2]
    wrong = [(row, int(truth[row]) % int(truth.max()) + 1) for row in kicked]
    seq = ledger.say(labels={row: int(truth[row]) for row in rows}, negatives=wrong)
    begun, processor = time.perf_counter(), time.process_time()
    fitter.fit(COLLECTION, SPACE, seq)
    return time.perf_counter() - begun, time.process_time() - processor
