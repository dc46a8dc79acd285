"""The whole system as a user starts it: `hundredfold up` in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hundredfold.chassis.config import DEFAULT_PORTS
from hundredfold.chassis.testing import free_ports, wait_for
from hundredfold.client import Client, Connection

ROOT = Path(__file__).parents[2]


@dataclass
class System:
    """A running system."""

    store: Path
    ui_port: int
    environ: dict[str, str]
    process: subprocess.Popen[str]
    log: Path
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(Connection(self.environ))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ui_port}/"

    def pid(self, name: str) -> int:
        """The process of a service, redis or ui, as `up` recorded it."""
        return int(json.loads((self.store / "processes.json").read_text("utf-8"))[name])

    def kill(self, name: str) -> None:
        """kill -9, and wait until `up` has started it again."""
        old = self.pid(name)
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: self.pid(name) != old, 30, f"{name} is started again")

    def serving(self, name: str) -> bool:
        return name in {"redis", "ui"} or self.client.is_serving(name)

    def run(self, *arguments: str, timeout: float = 300) -> Any:
        """Run a command of `hundredfold` with --json and return what it prints."""
        result = subprocess.run(
            [sys.executable, "-m", "hundredfold.cli", *arguments, "--json"],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


@contextmanager
def running(
    store: Path, *arguments: str, sources: str = "", settings: Mapping[str, str] | None = None
) -> Iterator[System]:
    """`hundredfold up` on ports and a store of its own, reading `sources`; stopped in the end.

    Args:
        store: its folder, which is made.
        arguments: of `up`.
        sources: what may be read; "" = what is beside the store.
        settings: further variables of the environment.
    """
    ports = free_ports(len(DEFAULT_PORTS) + 1)
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HUNDREDFOLD_")},
        **{
            f"HUNDREDFOLD_{name.upper()}_ADDRESS": f"127.0.0.1:{port}"
            for name, port in zip(DEFAULT_PORTS, ports, strict=False)
        },
        "OMP_NUM_THREADS": "2",
        "HUNDREDFOLD_SOURCES": str(Path(sources or store.parent).absolute()),
        "HUNDREDFOLD_LABELS_ROOTS": f"{store.parent}",
        **(settings or {}),
    }
    store.mkdir(parents=True, exist_ok=True)
    log = store / "up.log"
    command = [
        *(sys.executable, "-m", "hundredfold.cli", "up", *arguments),
        *("--store", str(store), "--port", str(ports[-1]), "--base-port", str(ports[0])),
    ]
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            command, env=environ, stdout=out, stderr=out, text=True, cwd=ROOT
        )
    system = System(store, ports[-1], environ, process, log)
    try:
        wait_for(lambda: _is_up(system), 120, "every service is up")
        yield system
    finally:
        system.client.close()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail(f"`up` did not stop: {log.read_text('utf-8')[-2000:]}")
        assert process.returncode == 0, log.read_text("utf-8")[-2000:]


def _is_up(system: System) -> bool:
    words = system.log.read_text("utf-8")
    assert system.process.poll() is None, words
    return "services are up" in words
