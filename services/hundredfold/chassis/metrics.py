"""Prometheus metrics of one server, and the port that serves them."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class Metrics:
    """RPCs begun, ended and their seconds, in a registry of its own so that servers do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._started = Counter(
            "hundredfold_rpc_started", "RPCs begun.", ["method"], registry=self.registry
        )
        self._handled = Counter(
            "hundredfold_rpc_handled", "RPCs ended.", ["method", "code"], registry=self.registry
        )
        self._seconds = Histogram(
            "hundredfold_rpc_seconds",
            "Seconds from begin to end of an RPC.",
            ["method"],
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def started(self, method: str) -> None:
        """Count the begin of an RPC."""
        self._started.labels(method).inc()

    def handled(self, method: str, code: str, seconds: float) -> None:
        """Count the end of an RPC."""
        self._handled.labels(method, code).inc()
        self._seconds.labels(method).observe(seconds)


class MetricsPort:
    """Serves `/metrics` and nothing else over HTTP until it is closed."""

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        """Listen; port 0 takes any free one. Raises OSError when it is taken."""
        server = _ServerV6 if ":" in host else ThreadingHTTPServer
        self._server = server((host, port), _handler(registry))
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _ServerV6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


def _handler(registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # a caller that sends nothing keeps no thread

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
                return
            body = generate_latest(registry)
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Scrapes are not worth a line."""

        def version_string(self) -> str:
            return "hundredfold"

    return Handler
