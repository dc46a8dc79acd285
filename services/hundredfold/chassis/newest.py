"""What calls read again and again, kept in memory until the store has something newer."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Slot(Generic[T]):
    lock: threading.Lock
    version: Hashable = None
    value: T | None = None


class Newest(Generic[T]):
    """The newest version of some things, the last used few of them. Safe for threads.

    Args:
        most: how many things are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._slots: OrderedDict[Hashable, _Slot[T]] = OrderedDict()

    def get(self, name: Hashable, version: Hashable, load: Callable[[], T]) -> T:
        """The thing of that name in that version; loaded once, however many ask at a time."""
        slot = self._slot(name)
        with slot.lock:
            if slot.value is None or slot.version != version:
                slot.value, slot.version = None, None  # let go of the old before the new is there
                slot.value, slot.version = load(), version
            return slot.value

    def _slot(self, name: Hashable) -> _Slot[T]:
        with self._lock:
            slot = self._slots.setdefault(name, _Slot(threading.Lock()))
            self._slots.move_to_end(name)
            if len(self._slots) > self._most:
                self._slots.popitem(last=False)
            return slot
