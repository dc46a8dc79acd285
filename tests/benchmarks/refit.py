"""From a decision to predictions of every image: `hundredfold bench refit`.

What FitHead does after each decision: read the labels over gRPC, fit and calibrate a head, predict all
images of the space, write that into the store and put it to use. Wall seconds on this machine.
"""

import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import serving
from hundredfold.training.fitting import Fitter
from hundredfold.training.peers import Ledger
from hundredfold.training.spaces import Spaces
from hundredfold.training.store import HeadStore
from tests.contract.index_spaces import COLLECTION, SPACE, make_collection, write_space
from tests.contract.ledger_stand_in import LedgerStandIn

IMAGES, DIMENSIONS, CLASSES = 10_000, 1_280, 10
LABELS = (300, 1_000, 3_000)
REPEATS = 5


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Fit several times at each number of labels, with one decision more each time."""
    ledger = LedgerStandIn()
    with tempfile.TemporaryDirectory() as folder, serving(ledger.mount()) as channel:
        store = ArtifactStore(folder)
        vectors, classes = _clouds(np.random.default_rng(0))
        make_collection(store)
        write_space(store, vectors, np.arange(IMAGES))
        spaces = Spaces(store, dimensions=160, most=1)
        fitter = Fitter(store, spaces, HeadStore(store, keep=5), Ledger(channel, 30.0))
        first = _seconds(fitter, ledger, {row: int(classes[row]) for row in range(CLASSES)})
        say(f"the first, with reading the space: {first:.2f} s")
        steps = {f"{labels} labels": _step(fitter, ledger, classes, labels) for labels in LABELS}
    return {
        "images": IMAGES,
        "dimensions": DIMENSIONS,
        "classes": CLASSES,
        "seconds_of_the_first": round(first, 3),
        "median_seconds": steps,
    }


def _clouds(generator: np.random.Generator) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Vectors of length 1, float16 [n, d], around a centre a class, and the class of each, from 1."""
    classes = np.arange(IMAGES) % CLASSES
    centres = generator.normal(size=(CLASSES, DIMENSIONS))
    vectors = centres[classes] + 3.0 * generator.normal(size=(IMAGES, DIMENSIONS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16), classes + 1


def _step(fitter: Fitter, ledger: LedgerStandIn, classes: NDArray[np.int64], labels: int) -> float:
    _seconds(fitter, ledger, {row: int(classes[row]) for row in range(labels)})
    more = range(labels, labels + REPEATS)
    return round(median(_seconds(fitter, ledger, {row: int(classes[row])}) for row in more), 3)


def _seconds(fitter: Fitter, ledger: LedgerStandIn, labels: dict[int, int]) -> float:
    seq = ledger.say(labels=labels)
    begun = time.perf_counter()
    fitter.fit(COLLECTION, SPACE, seq)
    return time.perf_counter() - begun
