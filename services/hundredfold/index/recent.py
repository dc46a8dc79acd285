"""What was opened last stays open, up to a number."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Values by name, each of some version; the one that was used longest ago goes first.

    Safe for threads. One value is opened at a time; those that are open are not kept waiting by it.

    Args:
        most: how many values are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, tuple[str, T]] = OrderedDict()
        self._lock = threading.Lock()
        self._opening = threading.Lock()

    def get(self, name: Hashable, version: str, open_value: Callable[[], T]) -> T:
        """Return the value of this name and version; open it when another or none is there.

        What `open_value` raises passes, and the value that was there stays.
        """
        if (found := self._find(name, version)) is not None:
            return found
        with self._opening:
            if (found := self._find(name, version)) is None:
                found = open_value()
                self._keep(name, version, found)
        return found

    def _find(self, name: Hashable, version: str) -> T | None:
        with self._lock:
            kept, value = self._values.get(name, ("", None))
            if value is None or kept != version:
                return None
            self._values.move_to_end(name)
            return value

    def _keep(self, name: Hashable, version: str, value: T) -> None:
        with self._lock:
            self._values[name] = version, value
            self._values.move_to_end(name)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
