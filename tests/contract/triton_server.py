"""A real Triton server for tests: the one inside of the nvidia-pytriton wheel.

The wheel has Triton's python backend but not its ONNX Runtime one; `deploy/triton/backends` stands in
for that, so that the server reads the model repository of production as it is.
"""

import os
import platform
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from hundredfold.chassis.testing import free_ports, wait_for
from hundredfold.embedding.backends.regions import FOLDER

_ROOT = Path(__file__).parents[2]
_READY_SECONDS = 90


class Unsupported(Exception):
    """There is no such server here; the message says why."""


class TritonServer:
    """A server: its process and the addresses of its gRPC and HTTP, which stay when it is started again.

    Args:
        repository: the `models` folder of a store.
        folder: for the backends and the log.
        arguments: further ones of `tritonserver`.

    Raises:
        Unsupported: the wheel is not installed, or not made for this machine.
    """

    def __init__(self, repository: Path, folder: Path, *arguments: str) -> None:
        environment = _Environment.find()
        ports = free_ports(3)
        # What a killed server leaves in /dev/shm is known by this.
        self._prefix = f"{folder.name}-{ports[0]}-"
        self._variables = environment.variables()
        self._log = folder / "triton.log"
        self._command = [
            environment.triton / "bin" / "tritonserver",
            f"--model-repository={repository}",
            f"--backend-directory={_backends(environment, folder)}",
            *(f"--backend-config={each},shm-region-prefix-name={self._prefix}" for each in _PYTHON),
            *(f"--{name}-address=127.0.0.1" for name in _PORTS),
            *(f"--{name}-port={port}" for name, port in zip(_PORTS, ports, strict=True)),
            *arguments,
        ]
        self.url = f"127.0.0.1:{ports[0]}"
        self.http = f"127.0.0.1:{ports[1]}"
        self.process = self._spawn()

    def start(self) -> None:
        """Start it again."""
        self.process = self._spawn()

    def wait_until_ready(self) -> None:
        """Return once it answers; a RuntimeError when it has ended."""
        _wait_until_ready(self, self._log)

    def processor(self) -> float:
        """CPU seconds of it and its model processes so far, as Linux counts them."""
        stats = (fields(path) for path in Path("/proc").glob("[0-9]*/stat"))
        mine = [each for each in stats if each[2:3] == [str(self.process.pid)]]
        return sum(int(each[11]) + int(each[12]) for each in mine) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End it as a crash would, and its model processes with it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """Let it answer nobody, and yet hold its connections, as a machine that hangs."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on where it was frozen."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it and clean up behind it."""
        if self.process.poll() is None:
            self.kill()
        for left in FOLDER.glob(f"*{self._prefix}*"):
            left.unlink(missing_ok=True)

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                env=self._variables,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def fields(path: Path) -> list[str]:
    """What Linux tells of a process, behind its name: state, parent, group and so on."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:  # it has ended meanwhile
        return []


@contextmanager
def triton_server(repository: Path, folder: Path, *arguments: str) -> Iterator[TritonServer]:
    """A server, ready when the block begins; arguments and errors as of `TritonServer`."""
    server = TritonServer(repository, folder, *arguments)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.close()


_PORTS = ("grpc", "http", "metrics")
_PYTHON = ("python", "onnxruntime")
"""Backends that are written in Python."""


@dataclass(frozen=True)
class _Environment:
    """The virtual environment with the wheel."""

    venv: Path
    packages: Path
    version: str

    @classmethod
    def find(cls) -> "_Environment":
        if platform.system() != "Linux" or platform.machine() != "x86_64":
            raise Unsupported("the nvidia-pytriton wheel is for Linux on x86_64")
        venv = Path(os.environ.get("HUNDREDFOLD_TRITON_VENV") or _ROOT / ".venv-triton")
        found = sorted(venv.glob("lib/python3*/site-packages/pytriton/tritonserver"))
        if not found:
            raise Unsupported(f"nvidia-pytriton is not installed in {venv.name}")
        packages = found[0].parents[1]
        version = packages.parent.name.removeprefix("python")
        if version not in ("3.11", "3.12"):
            raise Unsupported(f"not tried with Python {version}")
        return cls(venv, packages, version)

    @property
    def triton(self) -> Path:
        return self.packages / "pytriton" / "tritonserver"

    def variables(self) -> dict[str, str]:
        """The stub takes its libpython from here, and its packages from the environment on PATH."""
        libraries = [self._libpython(), str(self.packages / "nvidia_pytriton.libs")]
        return os.environ | {
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            "PATH": f"{self.venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": str(self.venv),
        }

    def _libpython(self) -> str:
        """The folder of the libpython that the environment's interpreter uses."""
        script = "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"
        command = [self.venv / "bin" / "python", "-c", script]
        return subprocess.check_output(command, text=True).strip()


def _backends(environment: _Environment, folder: Path) -> Path:
    backends = folder / "backends"
    shutil.copytree(environment.triton / "backends" / "python", backends / "python")
    stub = f"python_backend_stubs/{environment.version}/triton_python_backend_stub"
    shutil.copy(environment.triton / stub, backends / "python")
    (backends / "python" / "triton_python_backend_stub").chmod(0o755)
    shutil.copytree(_ROOT / "deploy" / "triton" / "backends", backends, dirs_exist_ok=True)
    return backends


def _wait_until_ready(server: TritonServer, log: Path) -> None:
    client = triton.InferenceServerClient(server.url)

    def ready() -> bool:
        if server.process.poll() is not None:
            raise RuntimeError(f"tritonserver ended: {log.read_text(errors='replace')[-3000:]}")
        try:
            return bool(client.is_server_ready(client_timeout=1))
        except InferenceServerException:
            return False

    try:
        wait_for(ready, _READY_SECONDS)
    finally:
        client.close()
