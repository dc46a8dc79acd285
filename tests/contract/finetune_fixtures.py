"""What the tests of fine-tuning share: a collection of three colours, and a service that trains on it."""

import json
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hundredfold.api.training.v1 import training_pb2, training_pb2_grpc
from hundredfold.chassis.client import connect
from hundredfold.chassis.holdout import held_out
from hundredfold.chassis.runs import Run, Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import running, serving
from hundredfold.training.finetune.recipe import FineTuneRecipe
from hundredfold.training.finetune_job import KIND, FineTune, Tuner
from hundredfold.training.fitting import Fitter
from hundredfold.training.judging import Judge
from hundredfold.training.peers import Ledger
from hundredfold.training.scratch import Scratch
from hundredfold.training.servicer import TrainingServicer, training_mount
from hundredfold.training.spaces import Spaces
from hundredfold.training.store import HeadStore
from tests.contract.embedding_fixtures import png, put_collection, write_images
from tests.contract.index_spaces import unit, write_space
from tests.contract.ledger_stand_in import LedgerStandIn

COLLECTION = "shirts"
LITE0 = "efficientnet-lite0@1"
COUNT = 80
ROWS = np.arange(COUNT, dtype=np.int64)
CLASSES = (5, 9, 20)
TRUTH = np.array([CLASSES[row % 3] for row in range(COUNT)], np.int32)
TINY = FineTuneRecipe(
    pixels=32,
    batch=8,
    epochs=1,
    least_steps=16,
    confidence=0.4,
    checkpoint_seconds=0.3,
)


def shirt(row: int) -> bytes:
    """A noisy PNG in the colour of its class."""
    noise = np.random.default_rng(row).integers(0, 60, (40, 48, 3))
    noise[..., row % 3] += 180
    return png(noise.astype(np.uint8))


def to_learn_from() -> NDArray[np.int64]:
    """Rows that are not held out."""
    return ROWS[~held_out(ROWS)]


class Bench:
    """The service on a store that has the default backbone, and a ledger."""

    def __init__(self, root: Path, ledger: LedgerStandIn, address: str) -> None:
        self.root = root
        self.store = ArtifactStore(str(root / "store"))
        self.ledger = ledger
        self.address = address
        self.requests = 0

    def label(self, rows: NDArray[np.int64], **how: int) -> None:
        self.ledger.say(labels={int(row): int(TRUTH[row]) for row in rows}, **how)

    def models(self) -> list[str]:
        return self.store.list("models")

    def folder(self) -> Path:
        return self.root / "store" / "finetune" / COLLECTION

    def trainers(self) -> list[int]:
        """The processes that train in this store."""
        names = (path.name for path in Path("/proc").iterdir())
        return [pid for pid in map(int, filter(str.isdecimal, names)) if self._is(pid)]

    def _is(self, pid: int) -> bool:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return (
            b"hundredfold.training.finetune" in command and str(self.folder()).encode() in command
        )

    @contextmanager
    def service(self, recipe: FineTuneRecipe = TINY) -> Iterator["Trainings"]:
        with ExitStack() as stack:
            ledger = Ledger(stack.enter_context(connect(self.address)), 5.0)
            runs = training_runs(self.root, ledger, recipe)
            stack.callback(runs.close)
            heads = HeadStore(self.store, keep=1)
            spaces = Spaces(
                self.store, dimensions=8, most=1, scratch=Scratch("", 1 << 20), threads=1
            )
            fitter, judge = (made(self.store, spaces, heads, ledger) for made in (Fitter, Judge))
            tuner = Tuner(job_of(self.root, ledger, recipe), runs)
            servicer = TrainingServicer(self.store, heads, fitter, judge, tuner)
            channel = stack.enter_context(serving(training_mount(servicer), runs_mount(runs)))
            yield Trainings(self, runs, training_pb2_grpc.TrainingServiceStub(channel))


class Trainings:
    """A caller of the service."""

    def __init__(
        self, bench: Bench, runs: Runs, stub: training_pb2_grpc.TrainingServiceStub
    ) -> None:
        self._bench = bench
        self._stub = stub
        self.runs = runs

    def start(self, **fields: str | int) -> str:
        self._bench.requests += 1
        asked = {
            "collection": COLLECTION,
            "space": LITE0,
            "seed": -7,
            "request_id": str(self._bench.requests),
        }
        request = training_pb2.TrainRequest(**asked | fields)
        return str(self._stub.Train(request).run.run_id)

    def ended(self, run_id: str) -> Run:
        return self.runs.wait(run_id, 120)

    def done(self, run_id: str) -> int:
        return self.runs.get(run_id).done


def job_of(root: Path, ledger: Ledger, recipe: FineTuneRecipe) -> FineTune:
    store = ArtifactStore(str(root / "store"))
    return FineTune(store, ledger, sources=(str(root / "images"),), threads=1, recipe=recipe)


def training_runs(root: Path, ledger: Ledger, recipe: FineTuneRecipe) -> Runs:
    store = ArtifactStore(str(root / "store"))
    return Runs(store, "training", {KIND: job_of(root, ledger, recipe)}, at_once=1)


@contextmanager
def bench_in(root: Path, lite0: ArtifactStore) -> Iterator[Bench]:
    """A collection whose images are all in the space, nothing labelled."""
    backbone = Path("models") / "efficientnet-lite0"
    shutil.copytree(Path(lite0.root) / backbone, root / "store" / backbone)
    (root / "images").mkdir()
    store = ArtifactStore(str(root / "store"))
    images = write_images(root / "images", {f"{row}.png": shirt(row) for row in range(COUNT)})
    put_collection(store, COLLECTION, images)
    vectors = unit(np.random.default_rng(0).normal(size=(COUNT, 8)))
    write_space(store, vectors, ROWS, collection=COLLECTION, space=LITE0)
    ledger = LedgerStandIn()
    with running(ledger.mount()) as server:
        yield Bench(root, ledger, server.address)


def arguments(bench: Bench, recipe: FineTuneRecipe) -> list[str]:
    """Of this file as a program."""
    return [str(bench.root), bench.address, json.dumps(asdict(recipe))]


def main(root: str, address: str, recipe: str) -> None:
    """A service that takes up its runs and works until it is killed."""
    values: Mapping[str, float] = json.loads(recipe)
    with connect(address) as channel:
        runs = training_runs(Path(root), Ledger(channel, 5.0), FineTuneRecipe(**values))  # type: ignore[arg-type]
        runs.start(
            KIND,
            COLLECTION,
            {"space": LITE0, "base": LITE0, "seconds": 0, "seed": 3},
            request_id="killed",
            unit="steps",
        )
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
