"""Calls of a Triton server: a deadline for each, and patience while it is away."""

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

from tritonclient.utils import InferenceServerException

from hundredfold.chassis.errors import ServiceError
from hundredfold.embedding.backends.base import LOOK_SECONDS, Check, unchecked
from hundredfold.embedding.backends.breaker import Breaker

T = TypeVar("T")

_ATTEMPTS = 4
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0
_OF_A_QUEUE = ("maximum queue size", "Request timeout expired")


class Calls:
    """Makes calls, again while the server is away or busy, with growing random waits between.

    A caller with a deadline is told after a few attempts, and at once while the breaker is open.
    One without (a run) is patient, so that a restart of the server does not end it, nor an answer
    that is late.

    Args:
        deadline_seconds: how long one call may take.
        patience_seconds: how long a caller without a deadline waits for a server that is away.
        breaker: shared by all callers.
    """

    def __init__(
        self, deadline_seconds: float, patience_seconds: float, breaker: Breaker | None = None
    ) -> None:
        self.breaker = breaker or Breaker()
        self._ended: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._deadline = deadline_seconds
        self._patience = patience_seconds
        self._closed = threading.Event()

    def make(self, act: Callable[[float], T], seconds: float, check: Check = unchecked) -> T:
        """What `act`, given its seconds, returns.

        Args:
            act: one attempt; what it raises besides InferenceServerException and ServiceError means that nobody
                waited for its end.
            seconds: how long the caller waits; infinity = as long as it takes, within the patience.
            check: asked before each attempt and while the next one is waited for; what it raises is passed on.

        Raises:
            InferenceServerException: as the last call ended, or the breaker is open.
        """
        patient = math.isinf(seconds)
        ends_at = time.monotonic() + (self._patience if patient else min(seconds, self._deadline))
        attempts = 0
        error: InferenceServerException | None = None
        while True:
            check()
            if wait := self.breaker.admit():
                error = error or _open(wait)
                again = patient
            else:
                try:
                    return self._once(act, max(0.001, self._limit(ends_at, patient)))
                except InferenceServerException as failed:
                    error = failed
                attempts += 1
                wait = _backoff(attempts)
                again = is_away(error) and attempts < _ATTEMPTS
                again = again or (patient and (is_away(error) or is_late(error)))
            if not again or time.monotonic() + wait >= ends_at or self._closes_within(wait, check):
                raise error

    def ended(self) -> Mapping[str, int]:
        """How many attempts ended with which gRPC status so far."""
        with self._lock:
            return dict(self._ended)

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._closed.set()

    def _limit(self, ends_at: float, patient: bool) -> float:
        return self._deadline if patient else ends_at - time.monotonic()

    def _closes_within(self, seconds: float, check: Check) -> bool:
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            if self._closed.wait(min(left, LOOK_SECONDS)):
                return True
            check()
        return False

    def _once(self, act: Callable[[float], T], seconds: float) -> T:
        status, tell = "CANCELLED", self.breaker.given_up
        try:
            done = act(seconds)
        except ServiceError:  # the server answered, but not what was asked
            status, tell = "OK", self.breaker.succeeded
            raise
        except InferenceServerException as error:
            status = code(error) or "CLIENT"
            away = is_away(error) or is_late(error)
            tell = self.breaker.failed if away else self.breaker.succeeded
            raise
        else:
            status, tell = "OK", self.breaker.succeeded
            return done
        finally:
            tell()
            with self._lock:
                self._ended[status] += 1


def code(error: InferenceServerException) -> str:
    """The gRPC status, such as UNAVAILABLE; "" where the client itself refused."""
    return str(error.status() or "").removeprefix("StatusCode.")


def is_unknown(error: InferenceServerException) -> bool:
    """Whether the server answered that it has no such model, or not that version, at hand."""
    return code(error) in ("NOT_FOUND", "UNAVAILABLE") and "unknown model" in str(error.message())


def is_away(error: InferenceServerException) -> bool:
    """Whether the same call may succeed in a moment: the server is away, busy, or still loading."""
    refused = code(error) in ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
    return refused and not is_unknown(error) and not is_too_large(error)


def is_late(error: InferenceServerException) -> bool:
    """Whether there was no answer within the time that was given."""
    return code(error) == "DEADLINE_EXCEEDED"


def is_busy(error: InferenceServerException) -> bool:
    """Whether the server has more to do than it can: it was late, or its queue is full or too slow."""
    is_queue = code(error) == "UNAVAILABLE" and any(
        each in str(error.message()) for each in _OF_A_QUEUE
    )
    is_exhausted = code(error) == "RESOURCE_EXHAUSTED" and not is_too_large(error)
    return is_late(error) or is_queue or is_exhausted


def is_too_large(error: InferenceServerException) -> bool:
    """Whether a call of fewer images may succeed: a batch or a message was over a limit."""
    message = str(error.message())
    if code(error) == "INVALID_ARGUMENT":
        return "batch-size must be <=" in message
    return code(error) == "RESOURCE_EXHAUSTED" and "larger than max" in message


def _backoff(attempts: int) -> float:
    """Seconds before the next attempt: twice as long each time, and random, so that callers spread."""
    longest: float = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**attempts)
    return random.uniform(0.5, 1) * longest  # noqa: S311  no secret


def _open(seconds: float) -> InferenceServerException:
    return InferenceServerException(
        f"it was away several times in a row; it is tried again in {seconds:.1f} s",
        status="StatusCode.UNAVAILABLE",
    )
