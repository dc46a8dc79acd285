"""From a decision to the pages that follow: `hundredfold bench round`, `--option images=10000000`.

One whole round in the space of many images: training reads the labels over gRPC, fits a head, predicts
all images part by part, writes that into the store and puts it to use; selection reads it, opens the
pool and composes pages. The aim: 10 s for a million images of 128 dimensions and 100 classes, 60 s for
ten million (which take 5 GB of disk), both on two cores with nothing else to do. Wall seconds, CPU
seconds and the most memory the process has had, which counts mapped files: the kernel may drop those.
"""

import os
import resource
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import serving
from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.discovery import Discovery
from hundredfold.selection.domain.policies import DEFAULT, POLICIES, Asked
from hundredfold.selection.domain.pool import Labels, Said, open_pool
from hundredfold.selection.domain.rounds import Standing, compose
from hundredfold.selection.store import SelectionStore
from hundredfold.training.fitting import Fitter
from hundredfold.training.peers import Ledger
from hundredfold.training.scratch import Scratch
from hundredfold.training.spaces import Spaces
from hundredfold.training.store import HeadStore
from hundredfold.training.threads import one_thread_a_product
from tests.contract.cloud_spaces import Clouds, write_clouds
from tests.contract.index_spaces import COLLECTION, SPACE
from tests.contract.ledger_stand_in import LedgerStandIn

DIMENSIONS, CLASSES = 128, 100
LABELS, KICKS = 20_000, 10_000
ROUNDS = 3
PAGES, PAGE = 64, 48


class Timer:
    """Wall and CPU seconds of steps, by name."""

    def __init__(self) -> None:
        self.steps: dict[str, dict[str, float]] = {}
        self._at = time.perf_counter(), time.process_time()

    def step(self, name: str) -> None:
        """What was done since the step before is this step."""
        now = time.perf_counter(), time.process_time()
        wall, processor = (
            round(late - early, 2) for late, early in zip(now, self._at, strict=True)
        )
        self.steps[name] = {"seconds": wall, "cpu_seconds": processor}
        self._at = time.perf_counter(), time.process_time()


def measure(say: Callable[[str], None], *, images: str = "1000000") -> dict[str, Any]:
    """Make a space, label some of it, and time rounds with one decision more each time."""
    one_thread_a_product()
    ledger = LedgerStandIn()
    with tempfile.TemporaryDirectory() as folder, serving(ledger.mount()) as channel:
        store = ArtifactStore(folder)
        truth = write_clouds(store, Clouds(int(images), DIMENSIONS, CLASSES))
        say("the space is made")
        spaces = Spaces(
            store, dimensions=160, most=1, scratch=Scratch("", 0), threads=os.cpu_count() or 1
        )
        fitter = Fitter(store, spaces, HeadStore(store, keep=1), Ledger(channel, 60.0))
        clusters = _clusters(truth)
        rounds = []
        for number in range(ROUNDS):
            _say_more(ledger, truth, number)
            rounds.append(_round(store, fitter, ledger, clusters))
            say(f"{rounds[-1]}")
    return {
        "images": int(images),
        "dimensions": DIMENSIONS,
        "classes": CLASSES,
        "labels": LABELS,
        "rounds": rounds,
        "most_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def _clusters(truth: NDArray[np.int32]) -> Clusters:
    """Two clusters a class, as good ones would be."""
    number = 2 * truth + np.arange(len(truth)) % 2 - 2
    order = np.argsort(number, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=2 * CLASSES))])
    return Clusters("made", order, starts)


def _say_more(ledger: LedgerStandIn, truth: NDArray[np.int32], number: int) -> None:
    """Labels and kicks evenly over the collection at first, a page more each time."""
    step = len(truth) // (LABELS + KICKS)
    rows = np.arange(LABELS + KICKS) * step if not number else np.arange(PAGE) * step + number
    kicked = rows % (3 * step) == number
    labels = {int(row): int(truth[row]) for row in rows[~kicked]}
    ledger.say(labels=labels, negatives=[(row, truth[row] % CLASSES + 1) for row in rows[kicked]])


def _round(
    store: ArtifactStore, fitter: Fitter, ledger: LedgerStandIn, clusters: Clusters
) -> dict[str, Any]:
    timer, kept = Timer(), SelectionStore(store)
    card = fitter.fit(COLLECTION, SPACE, ledger.seq)
    timer.step("fit, predict, write")
    vectors, guesses = kept.vectors(COLLECTION, SPACE), kept.guesses(COLLECTION, card.model)
    timer.step("read")
    rows = np.array(sorted(ledger.labels), np.int64)
    labels = Labels(rows, np.array([ledger.labels[row] for row in rows], np.int32))
    kicked = np.array([row for row, _ in ledger.negatives], np.int64)
    pool = open_pool(vectors.rows, Said(labels, kicked, rows[:0]), vectors.of, guesses)
    timer.step("open the pool")
    standing = Standing(pool, labels, clusters, Discovery(), seeded=True)
    asked = Asked(PAGES, PAGE, CostModel.load("page"), np.random.default_rng(0))
    made = compose(standing, POLICIES[DEFAULT], asked)
    timer.step("compose")
    total = {
        kind: round(sum(step[kind] for step in timer.steps.values()), 2)
        for kind in ("seconds", "cpu_seconds")
    }
    return {**total, "pages": len(made.pages), "steps": timer.steps}
