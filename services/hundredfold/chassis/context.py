"""What is known about the call that is being handled, for code below the servicer's signature.

gRPC runs each call in a context of its own, so these values never leak into another call. Threads
that a handler starts do not inherit them.
"""

import threading
from contextvars import ContextVar
from dataclasses import dataclass

from hundredfold.api.common.v1 import access_pb2
from hundredfold.chassis.telemetry import Trace

REQUEST_ID = "x-request-id"
"""The metadata that carries the request id."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        subject: the name in the token file; empty when authentication is off.
        role: an `access_pb2.Role`.
    """

    subject: str
    role: int


NOBODY = Caller("", access_pb2.ROLE_UNSPECIFIED)
ANYBODY = Caller("", access_pb2.ROLE_SERVICE)
"""The caller of every call while authentication is off."""


@dataclass(slots=True)
class Scope:
    """One call. `ends_at` is the deadline in `time.time()` seconds, infinite for none."""

    request_id: str
    trace: Trace
    ends_at: float
    stopping: threading.Event
    caller: Caller = NOBODY


_scope: ContextVar[Scope | None] = ContextVar("hundredfold_call", default=None)
_never = threading.Event()


def scope() -> Scope | None:
    """The call that is being handled, or None outside of any."""
    return _scope.get()


def enter(entered: Scope) -> None:
    """Make it the call that is being handled, until the context of its RPC ends."""
    _scope.set(entered)


def caller() -> Caller:
    """Who calls; `ANYBODY` outside of any call."""
    current = _scope.get()
    return current.caller if current else ANYBODY


def request_id() -> str:
    """The id of the call, or "" outside of any."""
    current = _scope.get()
    return current.request_id if current else ""


def stopping() -> threading.Event:
    """Set as soon as the server drains. A long stream waits on it with a timeout and then returns."""
    current = _scope.get()
    return current.stopping if current else _never
