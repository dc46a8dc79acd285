"""Calls of a Triton server: a deadline for each, and patience while it is away."""

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

from tritonclient.utils import InferenceServerException

from hundredfold.embedding.backends.breaker import Breaker

T = TypeVar("T")

_ATTEMPTS = 4
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0


class Calls:
    """Makes calls, again while the answer is UNAVAILABLE, with growing random waits between.

    A caller with a deadline is told after a few attempts, and at once while the breaker is open.
    One without (a run) is patient, so that a restart of the server does not end it.

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

    def make(self, act: Callable[[float], T], seconds: float) -> T:
        """What `act`, given its seconds, returns.

        Raises:
            InferenceServerException: as the last call ended, or the breaker is open.
        """
        patient = math.isinf(seconds)
        ends_at = time.monotonic() + (self._patience if patient else min(seconds, self._deadline))
        attempts = 0
        error: InferenceServerException | None = None
        while True:
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
                again = is_away(error) and (patient or attempts < _ATTEMPTS)
            if not again or time.monotonic() + wait >= ends_at or self._closed.wait(wait):
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

    def _once(self, act: Callable[[float], T], seconds: float) -> T:
        status, answered = "OK", True
        try:
            return act(seconds)
        except InferenceServerException as error:
            status = code(error) or "CLIENT"
            answered = not is_away(error) and status != "DEADLINE_EXCEEDED"
            raise
        finally:
            (self.breaker.succeeded if answered else self.breaker.failed)()
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
    return code(error) == "UNAVAILABLE" and not is_unknown(error)


def _backoff(attempts: int) -> float:
    """Seconds before the next attempt: twice as long each time, and random, so that callers spread."""
    longest: float = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**attempts)
    return random.uniform(0.5, 1) * longest  # noqa: S311  no secret


def _open(seconds: float) -> InferenceServerException:
    return InferenceServerException(
        f"it was away several times in a row; it is tried again in {seconds:.1f} s",
        status="StatusCode.UNAVAILABLE",
    )
