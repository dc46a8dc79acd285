"""Bulk work: one pure function over many tasks, in other processes or on other machines.

    with engine("local") as pool:
        for result in pool.map(hash_part, tasks): ...
        for result in pool.map_with(load_model, embed_part, tasks): ...

The function is top-level and, like tasks and results, can be pickled. It may run twice for one task
(its worker died, or its run was taken up again), so what it writes must not differ: artifacts do not.

A further engine is a class as `Engine`, a line in ENGINES, and a class in its test suite.
"""

import logging
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import lru_cache, partial
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from types import MappingProxyType
from typing import Any, Protocol, Self, TypeVar

from hundredfold.chassis.errors import InvalidArgument, ResourceExhausted, Unavailable

_log = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")
State = TypeVar("State")

# How often a waiting map looks whether it should end.
CHECK_SECONDS = 0.5
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def go_on() -> None:
    """No reason to end."""


class Engine(Protocol):
    """Where bulk work is done. Safe for threads."""

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task],
        *,
        workers: int | None = None,
        check: Callable[[], None] = go_on,
    ) -> Iterator[Result]:
        """Yield the result of each task as it finishes, in any order.

        Tasks are taken from the iterable as there is room, never all at once.

        Args:
            function: what to do with a task.
            tasks: any number.
            workers: at most this many tasks of this map at once; None = as the engine likes.
            check: called a few times a second; what it raises ends the map.

        Raises:
            ResourceExhausted: WORKER_DIED, a task killed its worker twice.
            Exception: what the function raised for a task; tasks not begun are dropped.
        """

    def map_with(
        self,
        prepare: Callable[[int], State],
        function: Callable[[State, Task], Result],
        tasks: Iterable[Task],
        *,
        check: Callable[[], None] = go_on,
    ) -> Iterator[Result]:
        """As `map`, for a function that needs what takes long to make, such as a loaded model.

        Args:
            prepare: makes the state of a worker, once, before its first task; given how many CPUs the
                worker is to use. As many tasks and more are at work on one state at once, so it must be safe
                for threads. Where it raises, that machine is not used.
            function: what to do with the state of the worker and a task.
            tasks: any number.
            check: called a few times a second; what it raises ends the map.

        Raises:
            ResourceExhausted: WORKER_DIED, a task killed its worker twice.
            Exception: what the function raised for a task, or what `prepare` raised when no machine is left.
        """

    def close(self) -> None:
        """End the workers, at work or not."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def _prepare_worker(alive: Connection) -> None:
    # Ctrl-C reaches every process of the terminal; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(alive,), daemon=True).start()


def _end_with_parent(alive: Connection) -> None:
    # Nothing is ever sent: it becomes readable when the parent closes its end, or is gone. (Not
    # PR_SET_PDEATHSIG: that signal comes when the *thread* that made the worker ends.)
    alive.poll(None)
    os._exit(1)


class _OneThreadProcess(SpawnProcess):
    """A worker whose numeric libraries use one thread: the workers are the parallelism."""

    _starting = threading.Lock()

    def start(self) -> None:
        # Libraries read the environment when they load: in a spawned process that is, with the
        # module that was started, before any initializer could set it.
        with self._starting, _environment(dict.fromkeys(_THREADS, "1")):
            super().start()


class _Spawning(SpawnContext):
    Process = _OneThreadProcess


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class _Pool:
    """A process pool whose workers can be ended at work, and end with their parent."""

    def __init__(self, workers: int) -> None:
        context = _Spawning()
        self._alive, self._end = context.Pipe(duplex=False)
        self._executor = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_prepare_worker, initargs=(self._alive,)
        )

    def submit(self, function: Callable[[Task], Result], task: Task) -> "Future[Result]":
        return self._executor.submit(function, task)

    def close(self) -> None:
        self._end.close()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._alive.close()


class LocalEngine:
    """Processes of this machine, made at the first map and kept until `close`.

    When a worker dies, each task that was under way is repeated alone in a fresh process: so it is
    certain which of them, if any, killed it, and maps of other threads do not suffer from it.

    Args:
        workers: how many processes; None = one a CPU.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise InvalidArgument("an engine needs one worker or more", field="workers")
        self._workers = workers or os.cpu_count() or 1
        self._lock = threading.Lock()
        self._pool: _Pool | None = None
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task],
        *,
        workers: int | None = None,
        check: Callable[[], None] = go_on,
    ) -> Iterator[Result]:
        """See Engine."""
        # Twice the workers: the next task lies ready when one ends.
        room = 2 * self._workers if workers is None else min(workers, self._workers)
        waiting = iter(tasks)
        pending: dict[Future[Result], Task] = {}
        with closing(_Alone(self._closed, check)) as alone:
            try:
                while True:
                    for task in islice(waiting, room - len(pending)):
                        pending[self._submit(function, task)] = task
                    if not pending:
                        return
                    check()
                    done, _ = wait(pending, CHECK_SECONDS, FIRST_COMPLETED)
                    for future in done:
                        yield _result(future, function, pending.pop(future), alone)
            finally:
                for future in pending:
                    future.cancel()

    def map_with(
        self,
        prepare: Callable[[int], State],
        function: Callable[[State, Task], Result],
        tasks: Iterable[Task],
        *,
        check: Callable[[], None] = go_on,
    ) -> Iterator[Result]:
        """See Engine. A worker is a process of one CPU; it keeps the state until it needs others."""
        prepared = pickle.dumps(prepare)
        yield from self.map(partial(_with_state, prepared, function), tasks, check=check)

    def close(self) -> None:
        """See Engine. A map that is under way raises Unavailable."""
        self._closed.set()
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def _submit(self, function: Callable[[Task], Result], task: Task) -> "Future[Result]":
        with self._lock:
            raise_if_closed(self._closed)
            self._pool = self._pool or _Pool(self._workers)
            try:
                return self._pool.submit(function, task)
            except BrokenProcessPool:
                _log.warning("a worker process died; starting a fresh pool")
                self._pool.close()
                self._pool = _Pool(self._workers)
                return self._pool.submit(function, task)


def _with_state(prepare: bytes, function: Callable[[State, Task], Result], task: Task) -> Result:
    return function(_state(prepare), task)


@lru_cache(maxsize=2)
def _state(prepare: bytes) -> Any:
    """What was prepared in this worker process; pickled functions are equal where they themselves are not."""
    return pickle.loads(prepare)(1)  # noqa: S301  from the parent of this process


class _Alone:
    """Repeats tasks one at a time in a process of their own, which is made when it is needed."""

    def __init__(self, closed: threading.Event, check: Callable[[], None]) -> None:
        self._closed = closed
        self._check = check
        self._pool: _Pool | None = None

    def run(self, function: Callable[[Task], Result], task: Task) -> Result:
        raise_if_closed(self._closed)
        self._pool = self._pool or _Pool(1)
        future = self._pool.submit(function, task)
        while not wait([future], CHECK_SECONDS).done:
            raise_if_closed(self._closed)
            self._check()
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise worker_died() from error

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()


def _result(
    future: "Future[Result]", function: Callable[[Task], Result], task: Task, alone: _Alone
) -> Result:
    try:
        return future.result()
    except BrokenProcessPool:
        return alone.run(function, task)


def worker_died() -> ResourceExhausted:
    """The error of a task whose worker died, and died again when it was repeated."""
    return ResourceExhausted(
        "a task killed its worker process twice; most likely it ran out of memory",
        reason="WORKER_DIED",
    )


def raise_if_closed(closed: threading.Event) -> None:
    """Raise Unavailable if the engine was closed."""
    if closed.is_set():
        raise Unavailable("the service is stopping", reason="STOPPING")


def _ray(workers: int | None) -> Engine:
    try:
        from hundredfold.chassis.ray_engine import RayEngine  # noqa: PLC0415  an optional package
    except ImportError as error:
        raise InvalidArgument("the engine `ray` needs hundredfold[ray]", field="engine") from error
    return RayEngine(workers)


ENGINES: Mapping[str, Callable[[int | None], Engine]] = MappingProxyType(
    {"local": LocalEngine, "ray": _ray}
)


def engine(name: str, workers: int | None = None) -> Engine:
    """Make the engine of that name.

    Raises:
        InvalidArgument: there is none.
    """
    if name not in ENGINES:
        raise InvalidArgument(
            f"no engine {name!r}; there is {', '.join(sorted(ENGINES))}", field="engine"
        )
    return ENGINES[name](workers)
