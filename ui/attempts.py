"""How often somebody may try to sign in: so many failures in so much time, per name and per address."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from hundredfold.chassis.errors import ResourceExhausted
from ui.words import say

_MOST_REMEMBERED = 10_000


class Attempts:
    """Counts failures in a window of time; remembers a bounded number of names. Thread-safe."""

    def __init__(
        self, most: int, seconds: float, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._now = now
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def begin(self, who: str) -> None:
        """Count an attempt as failed until `forgive`: many at once count as well.

        Raises:
            ResourceExhausted: there were too many; the message says how long to wait.
        """
        with self._lock:
            now = self._now()
            recent = [each for each in self._failures.pop(who, []) if now - each < self._seconds]
            self._failures[who] = recent
            if len(recent) >= self._most:
                wait = max(1, round((recent[0] + self._seconds - now) / 60))
                raise ResourceExhausted(say("sign_in.too_often", count=wait))
            recent.append(now)
            while len(self._failures) > _MOST_REMEMBERED:
                self._failures.popitem(last=False)

    def forgive(self, who: str) -> None:
        """Forget the failures of somebody who got in."""
        with self._lock:
            self._failures.pop(who, None)

    def uncount(self, who: str) -> None:
        """Take the last attempt back, and no more: at an address are others too."""
        with self._lock:
            if self._failures.get(who):
                self._failures[who].pop()

    def __len__(self) -> int:
        return len(self._failures)
