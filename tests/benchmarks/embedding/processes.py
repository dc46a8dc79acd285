"""What this process and all that it began spend of the processors, also those that end meanwhile."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

_LOOK_SECONDS = 0.2
_TICK = 1 / os.sysconf("SC_CLK_TCK")


class Processes:
    """CPU seconds of this process and of its descendants; a process that ends keeps what was last seen."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}
        self._lock = threading.Lock()

    @classmethod
    @contextmanager
    def watched(cls) -> Iterator[Self]:
        """Look at them every so often: Ray reaps its workers in a way that leaves no trace of their time."""
        processes, ends = cls(), threading.Event()

        def look() -> None:
            while not ends.wait(_LOOK_SECONDS):
                processes._look()

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield processes
        finally:
            ends.set()
            thread.join()

    def spent(self) -> float:
        """CPU seconds so far."""
        self._look()
        with self._lock:
            return time.process_time() + sum(self._seen.values())

    def _look(self) -> None:
        parents, spent = {}, {}
        for file in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = file.read_text("ascii", "replace").rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            pid = int(file.parent.name)
            parents[pid] = int(fields[1])
            spent[pid] = (int(fields[11]) + int(fields[12])) * _TICK
        ours = {pid for pid in spent if _descends(pid, parents)}
        with self._lock:
            self._seen |= {pid: spent[pid] for pid in ours}


def _descends(pid: int, parents: dict[int, int]) -> bool:
    """Whether a process is a descendant of this one."""
    while (pid := parents.get(pid, 0)) not in {0, 1}:
        if pid == os.getpid():
            return True
    return False
