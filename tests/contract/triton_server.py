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

_ROOT = Path(__file__).parents[2]
_READY_SECONDS = 90


class Unsupported(Exception):
    """There is no such server here; the message says why."""


@dataclass(frozen=True)
class TritonServer:
    """A running server: its process and the address of its gRPC."""

    process: "subprocess.Popen[bytes]"
    url: str

    def kill(self) -> None:
        """End it as a crash would, and its model processes with it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def triton_server(repository: Path, folder: Path, *arguments: str) -> Iterator[TritonServer]:
    """A server of a model repository, ready when the block begins.

    Args:
        repository: the `models` folder of a store.
        folder: for the backends and the log.
        arguments: further ones of `tritonserver`.

    Raises:
        Unsupported: the wheel is not installed, or not made for this machine.
    """
    environment = _Environment.find()
    backends = _backends(environment, folder)
    ports = free_ports(3)
    with (folder / "triton.log").open("wb") as log:
        process = subprocess.Popen(
            [
                environment.triton / "bin" / "tritonserver",
                f"--model-repository={repository}",
                f"--backend-directory={backends}",
                "--grpc-address=127.0.0.1",
                "--http-address=127.0.0.1",
                "--metrics-address=127.0.0.1",
                *(f"--{name}-port={port}" for name, port in zip(_PORTS, ports, strict=True)),
                *arguments,
            ],
            env=environment.variables(),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = TritonServer(process, f"127.0.0.1:{ports[0]}")
    try:
        _wait_until_ready(server, folder / "triton.log")
        yield server
    finally:
        if process.poll() is None:
            server.kill()


_PORTS = ("grpc", "http", "metrics")


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
