"""A circuit breaker: who calls a server that is away is told at once, and one call finds out when it is back."""

import enum
import threading
import time
from collections.abc import Callable


class Circuit(enum.StrEnum):
    """CLOSED: calls go through. OPEN: none does. HALF_OPEN: one is on its way to find out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Opens after failures in a row, and then lets one call through at a time. Safe for threads.

    Args:
        failures: how many in a row open it.
        seconds: how long it stays open before a call may try.
        clock: seconds, only ever growing.
    """

    def __init__(
        self,
        failures: int = 5,
        seconds: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._opened_at = 0.0
        self._state = Circuit.CLOSED

    @property
    def state(self) -> Circuit:
        """What calls meet now."""
        return self._state

    def admit(self) -> float:
        """0 when the caller may call, and then has to say how it went; else seconds to wait and ask again."""
        with self._lock:
            if self._state == Circuit.CLOSED:
                return 0.0
            if self._state == Circuit.HALF_OPEN:
                return self._seconds
            left = self._opened_at + self._seconds - self._clock()
            if left > 0:
                return left
            self._state = Circuit.HALF_OPEN
            return 0.0

    def succeeded(self) -> None:
        """The server answered, be it with an error."""
        with self._lock:
            self._failures = 0
            self._state = Circuit.CLOSED

    def given_up(self) -> None:
        """The caller did not wait for the end: nothing is known, and if it was to find out, the next one is."""
        with self._lock:
            if self._state == Circuit.HALF_OPEN:
                self._state = Circuit.OPEN

    def failed(self) -> None:
        """The server did not answer."""
        with self._lock:
            self._failures += 1
            if self._state == Circuit.HALF_OPEN or self._failures >= self._most:
                self._state = Circuit.OPEN
                self._opened_at = self._clock()
