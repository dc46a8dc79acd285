"""Long work that outlives its caller, and a restart of its service.

A service names its jobs, a function each:

    runs = Runs(store, "hashing", {"hash": hash_collection})
    runs.resume()                                    # once, at start-up
    run = runs.start("hash", "birds", {}, request_id=request.request_id)

A run is a JSON document in the store, so that it is there after a kill. What a job makes is in the
store too, listed in manifests: a job that is run again skips what is listed, and so continues. See
docs/adr/0002-runs-live-in-the-store.md.
"""

import json
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from hundredfold.chassis.engine import Engine, LocalEngine
from hundredfold.chassis.errors import (
    Aborted,
    AlreadyExists,
    InvalidArgument,
    ServiceError,
    Unavailable,
)
from hundredfold.chassis.requests import check_request_id
from hundredfold.chassis.run_book import JSON, Record, Run, RunBook, State
from hundredfold.chassis.run_files import RunFile, file_of
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.uploads import Upload, keep

__all__ = ["JSON", "Cancelled", "Job", "Run", "RunContext", "Runs", "State"]

_log = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")
Prepared = TypeVar("Prepared")

# A run that takes its service down with it must not do so for ever.
MOST_BEGINS = 5
_NAMESPACE = uuid.UUID("6f0e1c1e-9a55-4b7e-8e0f-7d1d3f0a4b11")


class Cancelled(Exception):
    """The run was asked to end; a job lets it pass."""


class RunContext:
    """What a job sees of its run."""

    def __init__(self, run: Run, book: RunBook, engine: Engine, stopping: threading.Event) -> None:
        self.run = run
        self._book = book
        self._engine = engine
        self._stopping = stopping

    def progress(self, done: int, total: int | None = None, *, message: str = "") -> None:
        """Tell how far it is; cheap enough to be called after each image.

        Args:
            done: units done.
            total: units there are; None = as told before.
            message: what it is doing; empty = as told before.
        """
        run_id = self.run.run_id
        self._book.change(run_id, lambda record: record.advanced(done, total, message), lazily=True)

    def check(self) -> None:
        """Raise Cancelled when the run was asked to end, or its service is stopping."""
        if self._stopping.is_set() or self._book.record(self.run.run_id).cancelling:
            raise Cancelled

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task],
        *,
        workers: int | None = None,
    ) -> Iterator[Result]:
        """Do the function for each task in other processes; yield results as they finish.

        See Engine.map. Raises Cancelled as `check` does.
        """
        yield from self._engine.map(function, tasks, workers=workers, check=self.check)

    def map_with(
        self,
        prepare: Callable[[int], Prepared],
        function: Callable[[Prepared, Task], Result],
        tasks: Iterable[Task],
    ) -> Iterator[Result]:
        """Do the function for each task in other processes, each with what it prepared once.

        See Engine.map_with. Raises Cancelled as `check` does.
        """
        yield from self._engine.map_with(prepare, function, tasks, check=self.check)


Job = Callable[[RunContext], Mapping[str, JSON]]


class Runs:
    """The runs of one service. Safe for threads; one process a service and store.

    Args:
        store: where they are kept.
        service: its name.
        jobs: by kind. A job raises ServiceError for what its caller may know; any other exception is
            logged and told as "internal error".
        engine: for `RunContext.map`; None = processes of this machine, one a CPU. `close` closes it.
        at_once: how many runs are at work at a time; others wait in order.
    """

    def __init__(
        self,
        store: ArtifactStore,
        service: str,
        jobs: Mapping[str, Job],
        *,
        engine: Engine | None = None,
        at_once: int = 2,
    ) -> None:
        self._service = service
        self._store = store
        self._jobs = dict(jobs)
        self._engine = engine or LocalEngine()
        self._book = RunBook(store, service)
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # Daemons: a job in the middle of a part must not keep a stopped service alive.
        self._threads = [
            threading.Thread(target=self._work, name=f"{service}-run-{i}", daemon=True)
            for i in range(at_once)
        ]
        for thread in self._threads:
            thread.start()

    def start(
        self,
        kind: str,
        collection: str,
        parameters: Mapping[str, JSON],
        *,
        request_id: str,
        unit: str = "images",
    ) -> Run:
        """Begin a run, or return the one that this request, or an equal one at work, has begun.

        Raises:
            InvalidArgument: no such kind; request_id is none; no name of a collection.
            AlreadyExists: the request_id was used with other parameters.
            Aborted: RUN_ACTIVE, a run of the kind is at work on the collection with other parameters.
            Unavailable: the service is stopping.
        """
        run = self._new(kind, collection, parameters, request_id, unit)
        with self._starting:
            if (same := self._same(run)) is not None:
                return same
            if self._stopping.is_set():
                raise Unavailable("the service is stopping", reason="STOPPING")
            self._book.add(run)
        self._queue.put(run.run_id)
        return run

    def get(self, run_id: str) -> Run:
        """The run as it is now; NotFound when there is none."""
        return self._book.record(run_id).run

    def list(self, collection: str = "", *, after: str = "", limit: int | None = None) -> list[Run]:
        """Runs, newest first.

        Args:
            collection: only those of it; empty = all.
            after: go on behind this run; InvalidArgument when there is none of that id.
            limit: at most this many.
        """
        runs = self._book.runs()
        if after:
            ids = [run.run_id for run in runs]
            if after not in ids:
                raise InvalidArgument("there is no such run to go on behind", field="page_token")
            runs = runs[ids.index(after) + 1 :]
        return [run for run in runs if collection in ("", run.collection)][:limit]

    def file(self, run_id: str) -> tuple[RunFile, ArtifactStore]:
        """What a run has written, and the store it is in; see `run_files.file_of` for the errors."""
        return file_of(self.get(run_id), self._store), self._store

    def take_file(self, name: str, pieces: Iterable[bytes]) -> Upload:
        """Keep a file for a run to read; see `uploads.keep` for the errors."""
        return keep(self._store, self._service, name, pieces)

    def cancel(self, run_id: str) -> Run:
        """Ask a run to end; one that waits ends now, one at work at its next check.

        NotFound when there is none; nothing changes for one that has ended.
        """

        def change(record: Record) -> Record:
            if record.run.state is State.PENDING:
                return record.ended(State.CANCELLED)
            return replace(record, cancelling=True)

        return self._book.change(run_id, change).run

    def wait(self, run_id: str, seconds: float) -> Run:
        """The run when it has ended, or as it is after so many seconds."""
        return self._book.wait(run_id, lambda record: record.run.state.ended, seconds).run

    def changes(self, run_id: str, after: int, seconds: float) -> tuple[int, Run]:
        """Wait until a run is beyond a version, at most so many seconds.

        Returns:
            Its version, which grows with each change, and the run. Begin with `after` = -1.

        Raises:
            NotFound: there is none of that id.
            Unavailable: the service is stopping; the run will be taken up by its next start.
        """
        record = self._book.wait(run_id, lambda record: record.version > after, seconds)
        if self._stopping.is_set() and not record.run.state.ended:
            raise Unavailable("the service is stopping", reason="STOPPING")
        return record.version, record.run

    def resume(self) -> None:
        """Take up what was waiting or at work when the service ended; call it once, at start-up."""
        for run in reversed(self._book.runs()):
            if not run.state.ended:
                self._resume(run)

    def close(self, seconds: float = 10.0) -> None:
        """Stop; runs at work stay RUNNING in the store, and the next start takes them up.

        Args:
            seconds: how long to wait for jobs to reach a check.
        """
        self._stopping.set()
        self._book.wake()
        for _ in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._engine.close()

    def _new(
        self, kind: str, collection: str, parameters: Mapping[str, JSON], request_id: str, unit: str
    ) -> Run:
        if kind not in self._jobs:
            raise InvalidArgument(
                f"{self._service} has no runs of kind {kind[:80]!r}", field="kind"
            )
        check_request_id(request_id)
        if collection:
            layout.check_collection(collection)
        name = json.dumps([self._service, kind, collection, request_id])
        return Run(
            run_id=layout.check_run(f"{kind}-{uuid.uuid5(_NAMESPACE, name).hex}"),
            kind=kind,
            collection=collection,
            unit=unit,
            parameters=_as_stored(parameters),
            created_at=time.time(),
            request_id=request_id,
        )

    def _same(self, run: Run) -> Run | None:
        if (before := self._book.find(run.run_id)) is not None:
            if before.parameters != run.parameters:
                raise AlreadyExists(
                    "this request_id was used with other parameters", field="request_id"
                )
            return before
        for active in self._book.runs():
            if (active.kind, active.collection) == (run.kind, run.collection):
                if active.state.ended:
                    continue
                if (
                    active.parameters != run.parameters
                    or self._book.record(active.run_id).cancelling
                ):
                    raise _busy(active)
                return active
        return None

    def _resume(self, run: Run) -> None:
        record = self._book.record(run.run_id)
        if record.cancelling:
            self._end(run.run_id, State.CANCELLED)
        elif run.kind not in self._jobs:
            self._end(
                run.run_id, State.FAILED, error=f"this version has no runs of kind {run.kind}"
            )
        elif record.begins >= MOST_BEGINS:
            self._end(run.run_id, State.FAILED, error="the service died at it again and again")
        else:
            self._queue.put(run.run_id)

    def _work(self) -> None:
        while (run_id := self._queue.get()) is not None and not self._stopping.is_set():
            self._do(run_id)

    def _do(self, run_id: str) -> None:
        run = self._book.change(run_id, Record.begun).run
        if run.state.ended:  # cancelled while it waited
            return
        try:
            job = self._jobs[run.kind]
            result = _as_stored(job(RunContext(run, self._book, self._engine, self._stopping)))
        except BaseException as error:  # noqa: BLE001  whatever it is, it ends the run, not the thread
            self._failed(run_id, error)
        else:
            self._end(run_id, State.SUCCEEDED, result=result)

    def _failed(self, run_id: str, error: BaseException) -> None:
        if self._book.record(run_id).cancelling:
            self._end(run_id, State.CANCELLED)
        elif self._stopping.is_set():
            # What broke may be the stop itself. It is taken up again, and this begin was none.
            self._book.change(run_id, lambda record: replace(record, begins=0))
        elif isinstance(error, ServiceError):
            self._end(run_id, State.FAILED, error=error.message)
        else:
            _log.error("run %s failed", run_id, exc_info=error)
            self._end(run_id, State.FAILED, error="internal error")

    def _end(
        self,
        run_id: str,
        state: State,
        *,
        error: str = "",
        result: Mapping[str, JSON] | None = None,
    ) -> None:
        self._book.change(run_id, lambda record: record.ended(state, error=error, result=result))


def _busy(active: Run) -> Aborted:
    return Aborted(
        f"run {active.run_id} is at work on {active.collection or 'this'} with other parameters, or is "
        "being cancelled; wait for its end",
        reason="RUN_ACTIVE",
        metadata={"run_id": active.run_id},
    )


def _as_stored(value: Mapping[str, JSON]) -> dict[str, JSON]:
    """The value as it will be after a restart: tuples are lists, keys are strings."""
    stored: dict[str, JSON] = json.loads(json.dumps(dict(value)))
    return stored
