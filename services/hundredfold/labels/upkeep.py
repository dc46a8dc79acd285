"""What the service does by itself: threads that repeat a task until they are closed."""

import logging
import threading
from collections.abc import Callable

from hundredfold.chassis.errors import ServiceError
from hundredfold.labels.leasing import Leasing
from hundredfold.labels.ledger import Ledger

_log = logging.getLogger("hundredfold.labels.upkeep")


class Repeat:
    """A thread that does a task again and again. A task that fails is logged and done again.

    Args:
        name: of the thread.
        task: what to do.
        pause: called between two times, so it decides how often; it returns at the latest soon after
            `wake` was called.
        wake: ends a pause.
    """

    def __init__(
        self,
        name: str,
        task: Callable[[], object],
        *,
        pause: Callable[[], object],
        wake: Callable[[], object],
    ) -> None:
        self._task = task
        self._pause = pause
        self._wake = wake
        self._closed = False
        self._failure = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End after the task at hand."""
        self._closed = True
        self._wake()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            try:
                self._task()
                self._failure = ""
            except Exception as error:  # noqa: BLE001  whatever it is, the next time may go well
                self._tell(error)
            self._pause()

    def _tell(self, error: Exception) -> None:
        # Once, not every second while a database is away.
        if self._failure != str(error):
            self._failure = str(error)
            known = isinstance(error, ServiceError)
            _log.warning("%s failed: %s", self._thread.name, error, exc_info=not known)


def every(seconds: float, name: str, task: Callable[[], object]) -> Repeat:
    """Do a task at once and then again after so many seconds."""
    closing = threading.Event()
    return Repeat(name, task, pause=lambda: closing.wait(seconds), wake=closing.set)


class Upkeep:
    """Folds new events and writes snapshots, ends leases that ran out, reconciles.

    Args:
        ledger: to follow.
        leasing: to sweep and to reconcile.
        sweep_seconds: between two sweeps.
        reconcile_seconds: between two reconciliations.
    """

    def __init__(
        self, ledger: Ledger, leasing: Leasing, *, sweep_seconds: float, reconcile_seconds: float
    ) -> None:
        self._threads = (
            Repeat("labels-follow", ledger.follow, pause=ledger.wait_for_any, wake=ledger.wake),
            every(sweep_seconds, "labels-sweep", leasing.sweep),
            every(reconcile_seconds, "labels-reconcile", leasing.reconcile_all),
        )

    def close(self) -> None:
        """End all threads."""
        for thread in self._threads:
            thread.close()
