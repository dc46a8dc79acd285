"""For tests: a real server in this process, free ports for real ones in others, and waiting for a state."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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


def wait_for(condition: Callable[[], T | None], seconds: float = 10, what: str = "") -> T:
    """Ask until the answer is true, more and more seldom, and return it.

    Args:
        condition: asked at once, and at least ten times a second after that.
        seconds: how long it may take.
        what: is waited for, in the words of the error.

    Raises:
        TimeoutError: it was not in that time.
    """
    never, end, pause = threading.Event(), time.monotonic() + seconds, 0.01
    while not (answer := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what or condition}")
        never.wait(pause)
        pause = min(0.1, 1.2 * pause)
    return answer


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on now, one after the other.

    They are below those that the system gives to connections, so that none takes one before it is used.

    Raises:
        RuntimeError: there are none.
    """
    for first in range(20_000 + os.getpid() % 8_000, 32_000, count):
        ports = range(first, first + count)
        with ExitStack() as held:
            try:
                for port in ports:
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return list(ports)
    raise RuntimeError("no free ports")
