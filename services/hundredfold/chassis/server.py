"""One bootstrap for all services: health, reflection, access, limits, logs, metrics, drain."""

import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.internal import api_implementation
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from hundredfold.api.common.v1 import access_pb2
from hundredfold.chassis import auth, interceptors, limits, telemetry
from hundredfold.chassis import logging as chassis_logging
from hundredfold.chassis.config import ServerConfig
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.metrics import Metrics, MetricsPort

_READY_SECONDS = 2.0
_log = logging.getLogger("hundredfold.server")


@dataclass(frozen=True)
class Mount:
    """A gRPC service and who serves it.

    Attributes:
        descriptor: such as `hashing_pb2.DESCRIPTOR.services_by_name["HashingService"]`.
        add: such as `hashing_pb2_grpc.add_HashingServiceServicer_to_server`.
        servicer: its implementation.
    """

    descriptor: ServiceDescriptor
    add: Callable[[Any, grpc.Server], None]
    servicer: object


def build_server(
    config: ServerConfig,
    service: str,
    mounts: Sequence[Mount],
    *,
    ready: Callable[[], None] | None = None,
) -> "Server":
    """Put a server together; it listens at once and answers after `start`.

    Args:
        config: its settings.
        service: its name in logs and traces.
        mounts: what it serves.
        ready: raises while a dependency is away; asked every few seconds, for health.

    Raises:
        InvalidArgument: a method has no access option, or the config is unsafe or wrong.
        OSError: a file can't be read.
        RuntimeError: the address is taken, or protobuf runs without its C implementation.
    """
    if api_implementation.Type() != "upb":
        raise RuntimeError("protobuf must run on upb; the pure Python one has no nesting limit")
    _check_exposure(config)
    _check_tls(config)
    return Server(config, service, mounts, ready)


class Server:
    """A gRPC server with everything around it. Made by `build_server`.

    Attributes:
        port: the port it listens on.
        address: where to reach it from this machine.
        metrics_port: the port of `/metrics`, 0 when there is none.
        stopping: set when it drains; long streams end then.
        metrics: further metrics can be registered in `metrics.registry`.
    """

    def __init__(
        self,
        config: ServerConfig,
        service: str,
        mounts: Sequence[Mount],
        ready: Callable[[], None] | None,
    ) -> None:
        self.stopping = threading.Event()
        self.metrics = Metrics()
        self.config = config
        self.service = service
        self._ready = ready
        self._is_ready = True
        self._spans = telemetry.spans(service)
        self._names = [mount.descriptor.full_name for mount in mounts]
        self._guard = interceptors.Guard(
            _rules(mounts),
            auth.TokenFile(config.tokens) if config.tokens else None,
            self.metrics,
            self._spans,
            self.stopping,
        )
        self._pool = ThreadPoolExecutor(config.workers, thread_name_prefix="rpc")
        self._server = grpc.server(
            self._pool,
            interceptors=[self._guard],
            options=limits.SERVER_OPTIONS,
            maximum_concurrent_rpcs=limits.RPCS,
        )
        self._health = health.HealthServicer()
        self._mount(mounts)
        self.port = self._listen()
        self.address = f"{_reachable(_host(config.bind))}:{self.port}"
        self._metrics_port: MetricsPort | None = None
        self._watcher: threading.Thread | None = None

    @property
    def metrics_port(self) -> int:
        """The port of `/metrics`, 0 when there is none."""
        return self._metrics_port.port if self._metrics_port else 0

    def start(self) -> None:
        """Begin to answer."""
        if self.config.metrics_port:
            host = _host(self.config.bind).strip("[]")
            port = max(0, self.config.metrics_port)
            self._metrics_port = MetricsPort(self.metrics.registry, host, port)
        self._set_ready()
        self._server.start()
        if self._ready:
            self._watcher = threading.Thread(target=self._watch, name="ready", daemon=True)
            self._watcher.start()

    def stop(self, grace: float | None = None) -> None:
        """Drain: say so in health, refuse new calls, let running ones end within the grace.

        Args:
            grace: seconds; None = `config.drain_seconds`. What still runs then is cancelled.
        """
        self.stopping.set()
        self._health.enter_graceful_shutdown()
        self._server.stop(self.config.drain_seconds if grace is None else grace).wait()
        if self._watcher:
            self._watcher.join()
        if self._metrics_port:
            self._metrics_port.close()
            self._metrics_port = None
        self._pool.shutdown(wait=False)
        self._guard.close()
        self._spans.close()

    def _mount(self, mounts: Sequence[Mount]) -> None:
        for mount in mounts:
            mount.add(mount.servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if self.config.reflection:
            names = [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME]
            reflection.enable_server_reflection(names, self._server)

    def _listen(self) -> int:
        if not self.config.tls_certificate:
            return self._server.add_insecure_port(self.config.bind)
        return self._server.add_secure_port(self.config.bind, _credentials(self.config))

    def _watch(self) -> None:
        while not self.stopping.wait(_READY_SECONDS):
            self._set_ready()

    def _set_ready(self) -> None:
        """The overall health says that the process lives, that of each service that it can work."""
        status = health_pb2.HealthCheckResponse.SERVING
        try:
            if self._ready:
                self._ready()
        except Exception as error:  # noqa: BLE001  # whatever it is, the service is not ready
            if self._is_ready:
                _log.warning("not ready", extra={"reason": type(error).__name__})
            status = health_pb2.HealthCheckResponse.NOT_SERVING
        self._is_ready = status == health_pb2.HealthCheckResponse.SERVING
        for name in self._names:
            self._health.set(name, status)


def serve(server: Server, *, on_stop: Callable[[], None] = lambda: None) -> int:
    """Serve until SIGTERM or SIGINT, drain, and return the exit code 0. For the main thread.

    Args:
        server: what to serve.
        on_stop: called after the last call has ended.
    """
    chassis_logging.configure(server.service, server.config.log_level)
    with _Signals() as signals:
        server.start()
        _log.info("%s serves on %s", server.service, server.address)
        signals.wait()
        _log.info("%s drains", server.service)
        server.stop()
        on_stop()
    return 0


class _Signals:
    """Waits for SIGTERM or SIGINT, also for one that came a moment before the wait.

    Python runs a handler between two steps of the main thread. One that comes after the last step
    before a lock, queue or event is waited for would only run once that wait is over, which is never.
    A byte in a socket, written as the signal comes, is there whenever it is read.
    """

    def __enter__(self) -> "_Signals":
        self._read, self._write = socket.socketpair()
        self._write.setblocking(False)
        self._before = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _noted)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._before)
        self._read.close()
        self._write.close()

    def wait(self) -> None:
        self._read.recv(1)


def _noted(number: int, frame: FrameType | None) -> None:
    """Nothing is left to do: the byte is in the socket."""


def _rules(mounts: Sequence[Mount]) -> dict[str, int]:
    rules: dict[str, int] = {interceptors.REFLECTION: access_pb2.ROLE_VIEWER}
    for mount in mounts:
        rules |= auth.rules(mount.descriptor)
    return rules


def _check_exposure(config: ServerConfig) -> None:
    """Without tokens everybody who reaches the port may do everything."""
    host, _, port = config.bind.rpartition(":")
    if not host or not port.isdecimal():
        raise InvalidArgument(f"bind must be host:port, not {config.bind!r}", field="bind")
    if config.tokens or _is_local(host):
        return
    if not config.insecure:
        raise InvalidArgument(
            f"{config.bind} is open to other machines: set a token file, or insecure=true if the network is closed",
            field="bind",
        )
    _log.warning("%s is open to other machines, without authentication", config.bind)


def _check_tls(config: ServerConfig) -> None:
    """Half a setting must not become no TLS."""
    if bool(config.tls_certificate) != bool(config.tls_key):
        raise InvalidArgument("tls_certificate and tls_key go together", field="tls_key")
    if config.tls_client_ca and not config.tls_certificate:
        raise InvalidArgument("tls_client_ca needs tls_certificate", field="tls_certificate")


def _host(bind: str) -> str:
    return bind.rpartition(":")[0]


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104  # compared, not bound


def _credentials(config: ServerConfig) -> grpc.ServerCredentials:
    pair = (Path(config.tls_key).read_bytes(), Path(config.tls_certificate).read_bytes())
    authorities = Path(config.tls_client_ca).read_bytes() if config.tls_client_ca else None
    return grpc.ssl_server_credentials([pair], authorities, authorities is not None)
