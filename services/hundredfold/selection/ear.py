"""Following the ledger of a collection."""

import threading
from collections.abc import Callable
from typing import Any

from hundredfold.chassis.errors import ServiceError
from hundredfold.selection.peers import Ledger

_FIRST_WAIT = 0.1


class Ear:
    """A thread that tells the newest event, as events come; it connects again when the ledger was away.

    Args:
        ledger: to follow.
        collection: whose.
        after: gives the event to begin after, at each connection.
        hear: is told the newest event.
        most_wait: longest pause between two connections, in seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        collection: str,
        *,
        after: Callable[[], int],
        hear: Callable[[int], None],
        most_wait: float,
    ) -> None:
        self._ledger = ledger
        self._collection = collection
        self._after = after
        self._hear = hear
        self._most_wait = most_wait
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._call: Any = None
        self._thread = threading.Thread(target=self._run, name=f"ear-{collection}", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end."""
        self._stopping.set()
        with self._lock:
            if self._call is not None:
                self._call.cancel()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def _run(self) -> None:
        wait = _FIRST_WAIT
        while not self._stopping.is_set():
            try:
                for message in self._connect():
                    self._hear(message.head_seq)
                    wait = _FIRST_WAIT
            except (ServiceError, ValueError):
                pass  # away, or the channel was closed; what keeps the loop from work is said there
            self._stopping.wait(wait)
            wait = min(2 * wait, self._most_wait)

    def _connect(self) -> Any:
        with self._lock:
            self._call = self._ledger.watch(self._collection, self._after())
            if self._stopping.is_set():
                self._call.cancel()
            return self._call
