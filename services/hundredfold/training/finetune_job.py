"""The run behind Train: a process of its own does the work, this watches it."""

import json
import logging
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import ERRORS, Conflict, NotFound, ServiceError
from hundredfold.chassis.holdout import held_out
from hundredfold.chassis.requests import check_between
from hundredfold.chassis.runs import Run, RunContext, Runs
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import require_collection, require_one_class
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.training.finetune.recipe import FineTuneRecipe
from hundredfold.training.finetune.task import TASK, Task, TaskLabels
from hundredfold.training.peers import Ledger

KIND = "finetune"

_log = logging.getLogger(__name__)

_NEEDED = (
    "torch",
    "torchvision",
    "efficientnet_lite_pytorch",
    "onnx",
    "onnxruntime",
    "safetensors",
    "PIL",
    "pyarrow",
)
_RESULT = "result.json"
_LEAST_SECONDS, _MOST_SECONDS = 10, 86_400
_STARTS = 4
_TICK_SECONDS = 0.5

# glibc gives memory of large tensors back to the kernel and asks for it anew at every step, whose
# page faults were measured to cost half to three quarters of the speed of training on a processor.
# And beside other work a thread that spins while it waits for the others of a layer keeps them from
# running: on a busy machine training was measured to take three times as long.
_ENVIRON = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "MALLOC_MMAP_THRESHOLD_": str(8 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


_Lines: TypeAlias = "queue.SimpleQueue[str | None]"
"""What a process writes, line by line; None = it has ended."""


class FineTune:
    """The job; see `RunContext` for how it is run, and the proto for its result.

    Images and checkpoints of a collection's training are in one folder. It stays when the training is
    cut off, so that the same training goes on there; another one begins it anew.

    Args:
        store: the artifact store.
        ledger: labels.
        sources: folders and URI prefixes that images may be read from.
        folder: for images and checkpoints, on a disk of this machine; empty = `finetune` in the store,
            or, where that is no folder of this machine, in the system's folder for temporary files.
        threads: to train with; 0 = one a core.
        recipe: the numbers.
    """

    def __init__(
        self,
        store: ArtifactStore,
        ledger: Ledger,
        *,
        sources: Sequence[str],
        folder: str = "",
        threads: int = 0,
        recipe: FineTuneRecipe | None = None,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._repository = ModelRepository(store)
        self._sources = tuple(sources)
        self._folder = Path(folder) if folder else _default_folder(store.root)
        self._threads = threads or len(os.sched_getaffinity(0))
        self._recipe = recipe or FineTuneRecipe()

    def check(self, collection: str, space: str, base: str) -> str:
        """Refuse what can't be trained; the backbone to begin from, `name@version`.

        Raises:
            InvalidArgument: no name of a space or backbone.
            NotFound: the collection, the space or the base.
            Conflict: NO_TORCH, TOO_FEW_LABELS, SEVERAL_CLASSES.
            Unavailable: the ledger is away.
        """
        require_collection(self._store, collection)
        require_one_class(self._store, collection, "training a backbone")
        if not self._store.exists(layout.vectors(collection, space)):
            raise NotFound(f"{collection} has no space {space}", field="space")
        field, base = ("base", base) if base else ("space", space)
        if not self._repository.has(layout.check_model(base, field)):
            raise NotFound(f"there is no backbone {base}", field=field)
        _check_installed()
        self._labels(collection)
        return base

    def __call__(self, context: RunContext) -> Mapping[str, Any]:
        """Fine-tune, or go on where the same training was cut off.

        Raises:
            Conflict: TOO_FEW_LABELS; DIVERGED; NO_WEIGHTS; TRAINING_KILLED, the process dies again and again.
            Unavailable: the ledger, or the place of the images, is away.
            ResourceExhausted: NO_SPACE.
        """
        folder = self._prepared(context)
        result = folder / _RESULT
        if not result.exists():
            try:
                made = self._trained(context, folder)
            except Conflict:
                shutil.rmtree(folder)  # the same again would end the same
                raise
            _keep_only(folder, made)
        document: Mapping[str, Any] = json.loads(result.read_text("utf-8"))
        context.progress(document["steps"], document["steps"], message="done")
        return document

    def _prepared(self, context: RunContext) -> Path:
        """The folder with the task in it: that of before if it is the same, else a new one."""
        folder = self._folder / context.run.collection
        try:
            before = Task.read(folder)
        except (OSError, ValueError):
            before = None
        if before and before.run_id == context.run.run_id:
            return folder
        seq, labels = self._labels(context.run.collection)
        task = self._task(context, seq)
        if before and task.same_work(before) and not (folder / _RESULT).exists():
            task.write(folder)
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        labels.write(folder)
        task.write(folder)
        return folder

    def _task(self, context: RunContext, seq: int) -> Task:
        asked = context.run.parameters
        return Task(
            run_id=context.run.run_id,
            store=self._store.root,
            sources=self._sources,
            collection=context.run.collection,
            space=str(asked["space"]),
            base=str(asked["base"]),
            seconds=int(asked["seconds"]),
            seed=int(asked["seed"]) % (1 << 63),
            labels_seq=seq,
            threads=self._threads,
            recipe=self._recipe,
        )

    def _labels(self, collection: str) -> tuple[int, TaskLabels]:
        """The newest event, and what a backbone may learn from: what people said of images not held out."""
        every = self._ledger.labels(collection)
        said = every.by_people()
        order = np.argsort(said.rows)
        rows, class_ids = said.rows[order], said.class_ids[order]
        kept = ~held_out(rows)
        labels = TaskLabels(
            rows[kept],
            class_ids[kept],
            every.negative_rows,
            every.negative_class_ids,
            np.sort(every.rows),
        )
        counts = np.unique(labels.class_ids, return_counts=True)[1]
        if (counts >= 2).sum() < 2:
            raise Conflict(
                "two classes need two labels each of images that are not held out to measure with",
                reason="TOO_FEW_LABELS",
            )
        return every.seq, labels

    def _trained(self, context: RunContext, folder: Path) -> Mapping[str, Any]:
        done = context.run.done
        for _ in range(_STARTS):
            with _process(folder) as (process, lines):
                for message in _messages(lines, context.check):
                    if "result" in message:
                        made: Mapping[str, Any] = message["result"]
                        return made
                    if "error" in message:
                        raise _error(**message["error"])
                    done = _told(context, done, **message)
            if process.returncode >= 0:
                raise RuntimeError(f"the process that trains ended with {process.returncode}")
            _log.warning("the process that trains was ended by signal %d", -process.returncode)
        raise Conflict(
            f"the process that trains was killed {_STARTS} times; is there enough memory?",
            reason="TRAINING_KILLED",
        )


class Tuner:
    """Starts trainings of backbones.

    Args:
        job: what a run does.
        runs: of the service.
    """

    def __init__(self, job: FineTune, runs: Runs) -> None:
        self._job = job
        self._runs = runs

    def start(
        self, collection: str, space: str, base: str, *, seconds: int, seed: int, request_id: str
    ) -> Run:
        """Start a training, as the RPC says, whose errors it raises."""
        if seconds:
            check_between(seconds, _LEAST_SECONDS, _MOST_SECONDS, "seconds")
        base = self._job.check(collection, space, base)
        parameters = {"space": space, "base": base, "seconds": seconds, "seed": seed}
        return self._runs.start(KIND, collection, parameters, request_id=request_id, unit="steps")


def _default_folder(root: str) -> Path:
    if "://" in root and not root.startswith("file://"):
        return Path(tempfile.gettempdir()) / "hundredfold-finetune"
    return Path(root.removeprefix("file://")).absolute() / layout.finetune()


def _check_installed() -> None:
    missing = [name for name in _NEEDED if not _is_there(name)]
    if missing:
        raise Conflict(
            f"training a backbone needs {', '.join(missing)}: pip install 'hundredfold[finetune]'",
            reason="NO_TORCH",
        )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def _process(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", "_Lines"]]:
    """The process at work, and what it writes; it ends with this block, and with this process, as its stdin then does."""
    process = subprocess.Popen(  # noqa: S603  our own interpreter and code
        [sys.executable, "-m", "hundredfold.training.finetune", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, **_ENVIRON, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    lines: _Lines = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process, lines), name="finetune-read")
    with process:
        reader.start()
        try:
            yield process, lines
        except BaseException:
            process.kill()
            raise
        finally:
            assert process.stdin is not None  # noqa: S101  it is a pipe
            process.stdin.close()  # which ends it
            reader.join()  # before what it reads is closed


def _messages(lines: "_Lines", check: Callable[[], None]) -> Iterator[dict[str, Any]]:
    """What the process tells until it ends; `check` is called twice a second and may raise."""
    while True:
        check()
        try:
            line = lines.get(timeout=_TICK_SECONDS)
        except queue.Empty:
            continue
        if line is None:
            return
        message: dict[str, Any] = json.loads(line)
        yield message


def _read(process: "subprocess.Popen[str]", lines: "_Lines") -> None:
    assert process.stdout is not None  # noqa: S101  it is a pipe
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _told(
    context: RunContext, before: int, *, message: str, done: int = -1, total: int | None = None
) -> int:
    """Pass on what the process says; the steps done, which it leaves out while it does something else."""
    done = max(done, before) if done < 0 else done
    context.progress(done, total, message=message)
    return done


def _error(*, code: str, reason: str, message: str) -> ServiceError:
    kind = next((each for each in ERRORS if each.code == code), ServiceError)
    return kind(message, reason=reason)


def _keep_only(folder: Path, result: Mapping[str, Any]) -> None:
    """Keep the result for a service that is killed before the run counts as done; drop all else."""
    (folder / "result.tmp").write_text(json.dumps(dict(result)), "utf-8")
    (folder / "result.tmp").replace(folder / _RESULT)
    for file in folder.iterdir():
        if file.name not in (_RESULT, TASK):
            file.unlink()
