"""Threads for functions that let go of the GIL, and the channel that their results go through."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

_Task = TypeVar("_Task")
_Item = TypeVar("_Item")


class Closed(Exception):
    """Nobody reads the channel any more."""


@dataclass(frozen=True)
class Threads:
    """So many threads, the caller's and others made for each run; these do not keep a process from its end."""

    number: int

    @classmethod
    def of(cls, number: int) -> "Threads":
        """`number` threads; 0 means one for each core that this process may use."""
        cores = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
        return cls(number or len(cores))

    def run(self, function: Callable[[_Task], object], tasks: Sequence[_Task]) -> None:
        """Call the function with each task; the first error ends all and is raised."""
        number = min(self.number, len(tasks))
        if number <= 1:
            for task in tasks:
                function(task)
            return
        todo, lock, errors = iter(tasks), threading.Lock(), list[BaseException]()

        def work() -> None:
            try:
                while not errors:
                    with lock:
                        task = next(todo)
                    function(task)
            except StopIteration:
                pass
            except BaseException as error:  # noqa: BLE001  it is raised in the caller's thread
                errors.append(error)

        workers = [threading.Thread(target=work, daemon=True) for _ in range(number - 1)]
        for worker in workers:
            worker.start()
        work()
        for worker in workers:
            worker.join()
        if errors:
            raise errors[0]


class Channel(Generic[_Item]):
    """A queue of at most `room` items: who puts into a full one waits."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._items: deque[_Item] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None

    def put(self, item: _Item) -> None:
        """Add an item.

        Raises:
            Closed: nobody reads any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._room)
            if self._closed:
                raise Closed
            self._items.append(item)
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Say that no item follows, or that one can't be made."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """Say that nobody reads any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[_Item]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._ended)
                if self._error is not None:
                    raise self._error
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item


def slices(begin: int, end: int, number: int) -> list[tuple[int, int]]:
    """At most `number` nearly equal, nonempty slices of a range."""
    number = max(min(number, end - begin), 1)
    bounds = [begin + (end - begin) * i // number for i in range(number + 1)]
    return list(pairwise(bounds)) if end > begin else []
