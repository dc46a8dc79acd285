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
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def place(self, check: Check) -> Iterator[None]:
        """Be inside for the block, which may have to wait; what `check` raises meanwhile ends the wait."""
        self._enter(check)
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def _enter(self, check: Check) -> None:
        me = object()
        with self._changed:
            self._queue.append(me)
            try:
                while self._queue[0] is not me or self._inside >= self._limit():
                    if not self._changed.wait(LOOK_SECONDS):
                        check()
                self._inside += 1
            finally:
                self._queue.remove(me)
                self._changed.notify_all()
