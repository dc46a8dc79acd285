"""A hashing service in a process of its own, and the CPU seconds of both sides."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hundredfold.chassis.client import connect
from hundredfold.chassis.errors import ServiceError
from hundredfold.chassis.testing import free_ports, wait_for
from hundredfold.client.hashing import HashingClient

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Serving:
    """A running service.

    Attributes:
        client: calls it.
        pid: its process.
    """

    client: HashingClient
    pid: int

    def processor(self) -> float:
        """CPU seconds of this process and the service's, as Linux counts them."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return time.process_time() + (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def serving(folder: Path, sources: Path) -> Iterator[Serving]:
    """Start a service over an empty store in a folder; it may read the sources."""
    (port,) = free_ports(1)
    settings = {"BIND": f"127.0.0.1:{port}", "STORE": str(folder), "SOURCES": str(sources)}
    environ = {f"HUNDREDFOLD_HASHING_{name}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "hundredfold.hashing"],
        env={**os.environ, **environ, "HUNDREDFOLD_LOG_LEVEL": "ERROR"},
    )
    try:
        with connect(f"127.0.0.1:{port}") as channel:
            client = HashingClient(channel)
            wait_for(lambda: _answers(client), 60, "the hashing service")
            yield Serving(client, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _answers(client: HashingClient) -> bool:
    try:
        return list(client.hash_images([])) == []
    except ServiceError:
        return False
