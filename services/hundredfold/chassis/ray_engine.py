"""Bulk work on a Ray cluster; needs the package `ray`, and this program installed on its machines."""

import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Self, TypeVar

import ray

from hundredfold.chassis.engine import CHECK_SECONDS, go_on, raise_if_closed, worker_died
from hundredfold.chassis.ray_crew import Crew

Task = TypeVar("Task")
Result = TypeVar("Result")
State = TypeVar("State")


class RayEngine:
    """The cluster at RAY_ADDRESS, else one of its own on this machine; see `engine.Engine`.

    Args:
        workers: at most this many tasks at once; None = twice the CPUs of the cluster.
    """

    def __init__(self, workers: int | None = None) -> None:
        ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False)
        self._workers = workers
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
        """See Engine. Ray repeats a task once whose worker died."""
        remote = ray.remote(max_retries=1)(_call)
        waiting = iter(tasks)
        pending: list[Any] = []
        try:
            while True:
                raise_if_closed(self._closed)
                room = self._room(workers) - len(pending)
                pending += [remote.remote(function, task) for task in islice(waiting, room)]
                if not pending:
                    return
                check()
                done, pending = ray.wait(pending, timeout=CHECK_SECONDS)
                for reference in done:
                    yield _result(reference)
        finally:
            for reference in pending:
                ray.cancel(reference, force=True)

    def map_with(
        self,
        prepare: Callable[[int], State],
        function: Callable[[State, Task], Result],
        tasks: Iterable[Task],
        *,
        check: Callable[[], None] = go_on,
    ) -> Iterator[Result]:
        """See Engine. The workers are those of a `Crew`, which ends with the map."""
        waiting = iter(tasks)
        with Crew(prepare, function) as crew:
            while True:
                raise_if_closed(self._closed)
                for task in islice(waiting, crew.room(self._workers)):
                    crew.give(task)
                if crew.idle:
                    return
                check()
                yield from crew.results(CHECK_SECONDS)

    def close(self) -> None:
        """See Engine."""
        self._closed.set()
        ray.shutdown()

    def _room(self, workers: int | None) -> int:
        # Asked anew each time: a cluster grows and shrinks.
        return workers or self._workers or 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))


def _call(function: Callable[[Task], Result], task: Task) -> Result:
    return function(task)


def _result(reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause or error) from None
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise worker_died() from error
