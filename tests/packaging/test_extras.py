"""With nothing but its extra installed a service starts and answers."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hundredfold.chassis.testing import free_ports, wait_for
from hundredfold.client import SERVICES, Client, Connection


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_with_its_extra_alone_answers_health(service: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    environ = {
        **os.environ,
        "HUNDREDFOLD_STORE": str(tmp_path / "store"),
        "HUNDREDFOLD_BIND": f"127.0.0.1:{port}",
        # Nobody is there: a service starts without those it calls.
        "HUNDREDFOLD_REDIS_URL": "redis://127.0.0.1:1/0",
        f"HUNDREDFOLD_{service.upper()}_ADDRESS": f"127.0.0.1:{port}",
    }
    script = Path(__file__).with_name("only_extra.py")
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, str(script), service], env=environ, stdout=log, stderr=log
        )
    try:
        with Client(Connection(environ)) as client:
            wait_for(lambda: process.poll() is not None or client.is_alive(service), 60)
            assert process.poll() is None, (tmp_path / "log").read_text("utf-8")
    finally:
        process.send_signal(signal.SIGTERM)
        assert _end(process) == 0, (tmp_path / "log").read_text("utf-8")


def _end(process: "subprocess.Popen[bytes]") -> int:
    """Exit code of a process that was asked to end; one that does not is killed, so that no test after it suffers."""
    try:
        return process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
