"""Workers on the nodes of a Ray cluster, each with what it prepared once: what `RayEngine.map_with` works with."""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from hundredfold.chassis.engine import worker_died

_log = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")
State = TypeVar("State")

_CPUS = 16
"""Of one worker at most: with more threads, Python's lock is what they would wait for."""

_LOOK_SECONDS = 5.0
"""How often new nodes are looked for."""

_MOST_DEATHS = 2
"""A task whose worker died so often is told; so is a node whose workers died so often before their first task."""


@dataclass(frozen=True)
class Share:
    """What a worker uses of its node."""

    cpus: int
    gpus: int

    @property
    def reserved(self) -> float:
        """CPUs that are kept from others: half, so that short tasks, such as predictions, go on beside long runs."""
        return self.cpus // 2 or 0.5


def shares(resources: Mapping[str, float]) -> list[Share]:
    """The workers of a node with such resources, as Ray tells them: one a GPU, else one, or one for each 16 CPUs."""
    cpus, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    if not cpus:  # such as the head of a cluster that is kept free of work
        return []
    count = gpus or -(-cpus // _CPUS)
    return [Share(max(1, cpus // count), min(1, gpus))] * count


@dataclass(frozen=True)
class _Try(Generic[Task]):
    task: Task
    deaths: int = 0


class _Actor:
    """The worker itself, in a process on its node."""

    def prepare(
        self, prepare: Callable[[int], State], function: Callable[[State, Task], Result], cpus: int
    ) -> None:
        self._state: Any = prepare(cpus)
        self._function: Any = function

    def do(self, task: Any) -> Any:
        return self._function(self._state, task)


class _Worker:
    """A worker as it is seen from here."""

    def __init__(
        self,
        node: Mapping[str, Any],
        share: Share,
        prepare: Callable[..., Any],
        function: Callable[..., Any],
    ) -> None:
        self.node: str = node["NodeID"]
        self.machine: str = node["NodeManagerHostname"]
        self.room = 2 * share.cpus
        self.busy = 0
        options = ray.remote(_Actor).options(
            num_cpus=share.reserved,
            num_gpus=share.gpus,
            max_concurrency=self.room,
            scheduling_strategy=NodeAffinitySchedulingStrategy(self.node, soft=False),
        )
        self._actor = options.remote()
        self.prepared = self._actor.prepare.remote(prepare, function, share.cpus)

    def do(self, task: Any) -> Any:
        self.busy += 1
        return self._actor.do.remote(task)

    def kill(self) -> None:
        if ray.is_initialized():  # else it has ended with all that was in the cluster
            ray.kill(self._actor)


class Crew(Generic[Task, Result]):
    """Workers on all nodes of the cluster, for one map; they end with it. For one thread.

    Workers are started when the first result is asked for, and on nodes that come later. Two tasks a CPU are
    with a worker, so that the next lies ready. What was with one that died goes to others.

    Args:
        prepare: see `Engine.map_with`.
        function: likewise.
    """

    def __init__(
        self, prepare: Callable[[int], State], function: Callable[[State, Task], Result]
    ) -> None:
        self._prepare = prepare
        self._function = function
        self._waiting: deque[_Try[Task]] = deque()
        self._workers: list[_Worker] = []
        self._ready: list[_Worker] = []
        self._preparing: dict[Any, _Worker] = {}
        self._at_work: dict[Any, tuple[_Worker, _Try[Task]]] = {}
        self._looked_at = 0.0
        self._unfit: Counter[str] = Counter()
        self._why: BaseException = worker_died()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()

    @property
    def idle(self) -> bool:
        """Whether every task that was given has its result."""
        return not self._waiting and not self._at_work

    def room(self, most: int | None) -> int:
        """How many tasks may be given now; one when it is idle, before there is any worker.

        Args:
            most: tasks at once; None = as many as the workers take.
        """
        room = sum(worker.room for worker in self._ready)
        room = room if most is None else min(room, most)
        return max(1 if self.idle else 0, room - len(self._waiting) - len(self._at_work))

    def give(self, task: Task) -> None:
        """Take a task."""
        self._waiting.append(_Try(task))

    def results(self, seconds: float) -> Iterator[Result]:
        """What has been done, after waiting for at most so long.

        Raises:
            ResourceExhausted: WORKER_DIED, a task killed its worker twice.
            Exception: see `Engine.map_with`.
        """
        if not self._workers or time.monotonic() - self._looked_at > _LOOK_SECONDS:
            self._look()
        self._hand_out()
        awaited = [*self._preparing, *self._at_work]
        if not awaited:  # no node is there: one may come
            time.sleep(seconds)
            return
        ray.wait(awaited, timeout=seconds)
        # All of them at once: to ask for one at a time costs as much as looking at all.
        done, _ = ray.wait(awaited, num_returns=len(awaited), timeout=0)
        for reference in done:
            if reference in self._preparing:
                self._prepared(self._preparing.pop(reference), reference)
            else:
                yield from self._finished(reference)

    def _look(self) -> None:
        """Start workers on nodes that have none, or fewer than they are to have."""
        self._looked_at = time.monotonic()
        nodes = [node for node in ray.nodes() if node["Alive"] and shares(node["Resources"])]
        there = Counter(worker.node for worker in self._workers)
        for node in nodes:
            name = node["NodeID"]
            if self._unfit[name] < _MOST_DEATHS:
                for share in shares(node["Resources"])[there[name] :]:
                    self._start(_Worker(node, share, self._prepare, self._function))
        if nodes and not self._workers:
            raise self._why

    def _start(self, worker: _Worker) -> None:
        self._workers.append(worker)
        self._preparing[worker.prepared] = worker

    def _prepared(self, worker: _Worker, reference: Any) -> None:
        try:
            ray.get(reference)
            self._ready.append(worker)
        except ray.exceptions.RayTaskError as error:
            self._why = error.cause or error
            self._unfit[worker.node] = _MOST_DEATHS
            _log.warning("%s is not used: %s", worker.machine, self._why)
            self._drop(worker)
        except ray.exceptions.RayError as error:
            self._why = worker_died()
            self._unfit[worker.node] += 1
            _log.warning("a worker on %s died while it prepared: %s", worker.machine, error)
            self._drop(worker)

    def _hand_out(self) -> None:
        while self._waiting and self._ready:
            worker = min(self._ready, key=lambda each: each.busy / each.room)
            if worker.busy >= worker.room:
                return
            some = self._waiting.popleft()
            self._at_work[worker.do(some.task)] = worker, some

    def _finished(self, reference: Any) -> Iterator[Result]:
        worker, some = self._at_work.pop(reference)
        worker.busy -= 1
        try:
            result = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise (error.cause or error) from None
        except ray.exceptions.RayError as error:
            # The other tasks of the worker come here too, one by one.
            if some.deaths + 1 >= _MOST_DEATHS:
                raise worker_died() from error
            self._waiting.appendleft(_Try(some.task, some.deaths + 1))
            if worker in self._ready:
                _log.warning("a worker on %s died; others do what was with it", worker.machine)
                self._drop(worker)
        else:
            yield result

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        if worker in self._ready:
            self._ready.remove(worker)
        worker.kill()
