"""For tests: a real server in this process, and waiting for a state."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import grpc

from hundredfold.chassis.client import connect
from hundredfold.chassis.config import ServerConfig
from hundredfold.chassis.server import Mount, Server, build_server

T = TypeVar("T")


@contextmanager
def running(
    *mounts: Mount,
    config: ServerConfig | None = None,
    ready: Callable[[], None] | None = None,
) -> Iterator[Server]:
    """A started server with all interceptors; it stops at the end, without grace."""
    server = build_server(config or ServerConfig(), "test", mounts, ready=ready)
    server.start()
    try:
        yield server
    finally:
        server.stop(grace=0)


@contextmanager
def serving(*mounts: Mount, config: ServerConfig | None = None) -> Iterator[grpc.Channel]:
    """A channel to a running server; it shows `config.token`."""
    with (
        running(*mounts, config=config) as server,
        connect(server.address, token=server.config.token, tls_ca=server.config.tls_ca) as channel,
    ):
        yield channel


def wait_for(condition: Callable[[], T | None], seconds: float = 10) -> T:
    """Ask until the answer is true, and return it.

    Raises:
        TimeoutError: it was not in that time.
    """
    never, end = threading.Event(), time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s")
        never.wait(0.01)
    return answer
