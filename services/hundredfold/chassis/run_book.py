"""What a run is, and the book of all runs of a service: newest in memory, in the store soon after."""

import enum
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from hundredfold.chassis.errors import NotFound, ServiceError
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore

_log = logging.getLogger(__name__)

JSON = Any  # None, bool, int, float, str, or lists and string-keyed dicts of these

PERSIST_SECONDS = 1.0


class State(enum.StrEnum):
    """Where a run stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Whether nothing changes any more."""
        return self not in (State.PENDING, State.RUNNING)


@dataclass(frozen=True)
class Run:
    """One piece of long work as it stood at some moment.

    Attributes:
        run_id: unique in its service, and fit for a path.
        kind: which job it does.
        collection: what it works on; may be empty.
        state: where it stands.
        done: units done.
        total: units there are; 0 while unknown.
        unit: what is counted, such as `images`.
        message: what it is doing, a few words.
        error: why it failed; else empty.
        parameters: what it was asked.
        result: what it made; empty until it succeeded.
        created_at: Unix seconds.
        started_at: Unix seconds; 0 before.
        finished_at: Unix seconds; 0 before.
        request_id: of the call that made it.
    """

    run_id: str
    kind: str
    collection: str
    state: State = State.PENDING
    done: int = 0
    total: int = 0
    unit: str = "images"
    message: str = ""
    error: str = ""
    parameters: Mapping[str, JSON] = field(default_factory=dict)
    result: Mapping[str, JSON] = field(default_factory=dict)
    created_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    request_id: str = ""


@dataclass(frozen=True)
class Record:
    """A run with what its service must remember of it.

    Attributes:
        run: as the caller sees it.
        cancelling: it was asked to end.
        best: the most units that were ever done.
        begins: how often it was begun since it last got beyond that.
        version: counts changes since the service started.
        persisted_at: monotonic seconds of the last write.
    """

    run: Run
    cancelling: bool = False
    best: int = 0
    begins: int = 0
    version: int = 0
    persisted_at: float = 0.0

    def begun(self) -> "Record":
        """As it is once a job has begun with it, for the first time or again."""
        started_at = self.run.started_at or time.time()
        run = replace(self.run, state=State.RUNNING, started_at=started_at)
        return replace(self, run=run, begins=self.begins + 1)

    def advanced(self, done: int, total: int | None, message: str) -> "Record":
        """As it is with so many units done; a total of None and an empty message change nothing."""
        run = replace(
            self.run,
            done=done,
            total=self.run.total if total is None else total,
            message=message or self.run.message,
        )
        if done <= self.best:
            return replace(self, run=run)
        return replace(self, run=run, best=done, begins=1)

    def ended(
        self, state: State, *, error: str = "", result: Mapping[str, JSON] | None = None
    ) -> "Record":
        """As it is once it is over."""
        run = replace(
            self.run, state=state, error=error, result=result or {}, finished_at=time.time()
        )
        return replace(self, run=run)


_REMEMBERED = ("cancelling", "best", "begins")


def _document(record: Record) -> dict[str, JSON]:
    return asdict(record.run) | {name: getattr(record, name) for name in _REMEMBERED}


def _record(document: Mapping[str, JSON]) -> Record:
    known = {f.name for f in fields(Run)}
    run = Run(**{name: value for name, value in document.items() if name in known})
    run = replace(run, state=State(run.state))
    return Record(run, **{name: document[name] for name in _REMEMBERED})


class RunBook:
    """Safe for threads; one process writes it."""

    def __init__(self, store: ArtifactStore, service: str) -> None:
        self._store = store
        self._folder = layout.runs(service)
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._records = self._load()
        self._awake = False

    def record(self, run_id: str) -> Record:
        """The newest of a run; NotFound when there is none."""
        with self._changed:
            return self._record(run_id)

    def find(self, run_id: str) -> Run | None:
        """The run, if there is one."""
        with self._changed:
            record = self._records.get(run_id)
        return record.run if record else None

    def runs(self) -> list[Run]:
        """All runs, newest first."""
        with self._changed:
            runs = [record.run for record in self._records.values()]
        return sorted(runs, key=lambda run: (run.created_at, run.run_id), reverse=True)

    def add(self, run: Run) -> None:
        """Enter a new run; it is in the store when this returns."""
        self._write(Record(run))
        with self._changed:
            self._records[run.run_id] = Record(run, persisted_at=time.monotonic())
            self._changed.notify_all()

    def change(
        self, run_id: str, change: Callable[[Record], Record], *, lazily: bool = False
    ) -> Record:
        """Change a run; everybody who waits sees it at once.

        Args:
            run_id: of a run that is there.
            change: makes the new record of the old one. Of a run that has ended nothing is changed.
            lazily: write it to the store only when that was not done for a second.
        """
        with self._changed:
            old = self._record(run_id)
            if old.run.state.ended:
                return old
            record = replace(change(old), version=old.version + 1)
            self._records[run_id] = record
            self._changed.notify_all()
        if not lazily or time.monotonic() - record.persisted_at > PERSIST_SECONDS:
            self._persist(run_id)
        return record

    def wait(
        self, run_id: str, until: Callable[[Record], bool], seconds: float | None = None
    ) -> Record:
        """The record as soon as the condition holds, the time is over or `wake` was called."""
        with self._changed:
            self._changed.wait_for(lambda: self._awake or until(self._record(run_id)), seconds)
            return self._record(run_id)

    def wake(self) -> None:
        """Let nobody wait any longer: the service stops."""
        with self._changed:
            self._awake = True
            self._changed.notify_all()

    def _record(self, run_id: str) -> Record:
        try:
            return self._records[run_id]
        except KeyError:
            raise NotFound(f"there is no run {run_id[:80]}", field="run_id") from None

    def _persist(self, run_id: str) -> None:
        # Reads the newest under the lock, so that an older state never overwrites a newer one.
        with self._writing:
            with self._changed:
                record = replace(self._record(run_id), persisted_at=time.monotonic())
                self._records[run_id] = record
            try:
                self._write(record)
            except (OSError, ServiceError):
                # The work itself may still succeed, and what it made is what counts.
                _log.exception("run %s could not be written to the store", run_id)

    def _write(self, record: Record) -> None:
        self._store.write_json(f"{self._folder}/{record.run.run_id}.json", _document(record))

    def _load(self) -> dict[str, Record]:
        records: dict[str, Record] = {}
        for name in self._store.list(self._folder):
            try:
                record = _record(self._store.read_json(f"{self._folder}/{name}"))
            except (ServiceError, ValueError, TypeError, KeyError, AttributeError):
                _log.exception("%s/%s is no run; it is left out", self._folder, name)
                continue
            records[record.run.run_id] = record
        return records
