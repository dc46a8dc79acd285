"""Calls that outlast a restart of a service."""

import time
from collections.abc import Callable
from typing import TypeVar

from hundredfold.chassis.errors import DeadlineExceeded, Unavailable

T = TypeVar("T")


def patiently(call: Callable[[], T], patience: float = 300.0) -> T:
    """Call, and call again while the service is away, for `patience` seconds.

    The call must be idempotent or carry a request_id of its own.
    """
    begun = time.monotonic()
    while True:
        try:
            return call()
        except (Unavailable, DeadlineExceeded):
            if time.monotonic() - begun > patience:
                raise
        time.sleep(0.25)
