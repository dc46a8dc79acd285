"""A gate that lets some callers through at once, in the order in which they came."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hundredfold.embedding.backends.base import LOOK_SECONDS, Check


class Gate:
    """A semaphore that is fair and whose number may change. Safe for threads.

    A plain one lets whoever leaves in again before those who waited, so that one may wait for ever.

    Args:
        limit: how many may be inside; asked whenever somebody waits.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._inside = 0
        self._lock = threading.Lock()
        # Each waits on a condition of his own, so that only he is woken whose turn it is.
        self._queue: deque[threading.Condition] = deque()

    @contextmanager
    def place(self, check: Check) -> Iterator[None]:
        """Be inside for the block, which may have to wait; what `check` raises meanwhile ends the wait."""
        with self._lock:
            self._enter(check)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                self._wake()

    def _enter(self, check: Check) -> None:
        turn = threading.Condition(self._lock)
        self._queue.append(turn)
        try:
            while self._queue[0] is not turn or self._inside >= self._limit():
                if not turn.wait(LOOK_SECONDS):
                    check()
            self._inside += 1
        finally:
            self._queue.remove(turn)
            self._wake()

    def _wake(self) -> None:
        if self._queue:
            self._queue[0].notify()
