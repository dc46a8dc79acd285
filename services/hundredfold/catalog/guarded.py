"""Does dangerous work, such as decoding images of strangers, in processes that may die of it.

Each worker is a process of its own with a limit on memory and open files. The parent watches: a
worker that takes too long over an item or dies is replaced, the item at fault gets a Casualty, and
the others of its batch are done again. Worker and parent exchange JSON and plain bytes, never pickles:
a worker that was taken over by an image can't make the parent run anything.

    pool = GuardedPool("hundredfold.catalog.looking:look", [roots], workers=2)
    for item, outcome in pool.map(items, text=lambda item: item.uri): ...

Another way than `RunContext.map`, which takes whole parts and knows no limits for one image.
"""

import enum
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from hundredfold.chassis.errors import Unavailable

BATCH = 32
ITEM_SECONDS = 10.0
MEMORY_BYTES = 1536 << 20
START_SECONDS = 120.0
MAX_STARTS = 3
MAX_RESULT = 16 << 20
TICK_SECONDS = 0.5

# Threads of numerical libraries and arenas of malloc reserve address space, which is what is limited.
_FRUGAL = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "ARROW_IO_THREADS": "1",
}

Item = TypeVar("Item")


class Casualty(enum.Enum):
    """Why there is no result for an item."""

    TIMEOUT = "it took longer than the time an image may take"
    WORKER_DIED = "the process that decoded it died twice"


@dataclass
class _Slot(Generic[Item]):
    item: Item
    text: str
    outcome: bytes | Casualty | None = None
    deaths: int = 0


@dataclass
class _Worker(Generic[Item]):
    process: subprocess.Popen[bytes]
    pipe: Connection
    since: float
    ready: bool = False
    batch: deque[_Slot[Item]] = field(default_factory=deque)

    @property
    def busy(self) -> bool:
        return bool(self.batch) or not self.ready

    def give(self, batch: Sequence[_Slot[Item]]) -> None:
        self.batch.extend(batch)
        self.since = time.monotonic()
        self.pipe.send_bytes(json.dumps([slot.text for slot in batch]).encode())

    def hear(self) -> None:
        """Take one message: the first says that the worker is ready, others are results in order."""
        message = self.pipe.recv_bytes(MAX_RESULT)
        self.since = time.monotonic()
        if self.ready:
            self.batch.popleft().outcome = message
        self.ready = True

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.pipe.close()


class GuardedPool(Generic[Item]):
    """Workers that do one kind of work; `close` ends them.

    Args:
        work: `module:function`; called with `arguments` in each worker it gives a function from a list
            of texts to an iterator of as many results, each at most MAX_RESULT bytes.
        arguments: for that call, as JSON.
        workers: how many processes.
        seconds: how long one item may take.
        memory: bytes a worker may use beyond what it has after its start.
        check: called about twice a second while waiting; it may raise to end the work.
    """

    def __init__(
        self,
        work: str,
        arguments: Sequence[Any] = (),
        *,
        workers: int,
        seconds: float = ITEM_SECONDS,
        memory: int = MEMORY_BYTES,
        batch: int = BATCH,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = {
            "work": work,
            "arguments": list(arguments),
            "memory": memory,
            "seconds": seconds,
        }
        self._seconds = seconds
        self._batch = batch
        self._check = check
        self._failed_starts = 0
        self._redo: deque[list[_Slot[Item]]] = deque()
        self._workers = [self._start() for _ in range(workers)]
        self._left = time.monotonic()

    def __enter__(self) -> "GuardedPool[Item]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        while self._workers:
            self._workers.pop().end()

    def map(
        self, items: Iterable[Item], text: Callable[[Item], str]
    ) -> Iterator[tuple[Item, bytes | Casualty]]:
        """Each item with its outcome, in order; a few batches are ahead of the one returned.

        Args:
            items: read as they are needed.
            text: what a worker is told of an item.

        Raises:
            Unavailable: workers can't be started.
        """
        slots = (_Slot(item, text(item)) for item in items)
        window: deque[_Slot[Item]] = deque()
        most = 4 * self._batch * len(self._workers)
        while self._feed(slots, window, most) or window:
            while window and window[0].outcome is not None:
                slot = window.popleft()
                yield slot.item, slot.outcome  # type: ignore[misc]  # mypy forgets the line above
            self._listen()

    def _feed(self, slots: Iterator[_Slot[Item]], window: deque[_Slot[Item]], most: int) -> bool:
        """Give work to who has none; False when there was none left to give."""
        for worker in self._workers:
            if worker.busy:
                continue
            if self._redo:
                batch = self._redo.popleft()
            elif len(window) < most:
                batch = list(itertools.islice(slots, self._batch))
                window.extend(batch)
            else:
                return True
            if not batch:
                return False
            self._give(worker, batch)
        return True

    def _give(self, worker: _Worker[Item], batch: list[_Slot[Item]]) -> None:
        try:
            worker.give(batch)
        except OSError:
            self._replace(worker, Casualty.WORKER_DIED)

    def _listen(self) -> None:
        # While the parent did something else nobody was heard; that time is nobody's fault.
        away = time.monotonic() - self._left
        for worker in self._workers:
            worker.since += away
        pipes = {worker.pipe: worker for worker in self._workers if worker.busy}
        heard = wait(list(pipes), timeout=TICK_SECONDS) if pipes else []
        for pipe in heard:
            self._hear(pipes[pipe])  # type: ignore[index]  # these are the pipes just given
        for pipe, worker in pipes.items():
            if pipe not in heard:
                self._watch(worker)
        self._left = time.monotonic()
        self._check()

    def _hear(self, worker: _Worker[Item]) -> None:
        try:
            worker.hear()
            self._failed_starts = 0
        except (EOFError, OSError):
            self._replace(worker, Casualty.WORKER_DIED)

    def _watch(self, worker: _Worker[Item]) -> None:
        limit = self._seconds if worker.ready else START_SECONDS
        if time.monotonic() - worker.since > limit:
            self._replace(worker, Casualty.TIMEOUT)

    def _replace(self, worker: _Worker[Item], casualty: Casualty) -> None:
        worker.end()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_STARTS:
                raise Unavailable("the processes that decode images do not start; see the log")
        if worker.batch:
            self._condemn(worker.batch.popleft(), casualty)
        if worker.batch:
            self._redo.append(list(worker.batch))
        self._workers[self._workers.index(worker)] = self._start()

    def _condemn(self, slot: _Slot[Item], casualty: Casualty) -> None:
        slot.deaths += 1
        # A death may be the machine's doing, such as a lack of memory: alone it gets a second chance.
        if casualty is Casualty.WORKER_DIED and slot.deaths == 1:
            self._redo.append([slot])
        else:
            slot.outcome = casualty

    def _start(self) -> _Worker[Item]:
        ours, theirs = socket.socketpair()
        with theirs:
            # Not multiprocessing: its spawn imports the parent's main module, the whole server.
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                [sys.executable, "-c", _CHILD, str(theirs.fileno()), json.dumps(self._settings)],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={
                    **os.environ,
                    **_FRUGAL,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
            )
        return _Worker(process, Connection(ours.detach()), time.monotonic())


_CHILD = (
    "import sys; from hundredfold.catalog.guarded_worker import serve;"
    " serve(int(sys.argv[1]), sys.argv[2])"
)
