import itertools
import math
from collections.abc import Callable

import pytest
from tritonclient.utils import InferenceServerException

from hundredfold.embedding.backends.base import Check
from hundredfold.embedding.backends.breaker import Breaker, Circuit
from hundredfold.embedding.backends.calls import Calls, is_away, is_busy, is_too_large


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, seconds=2, clock=clock)


def opened(breaker: Breaker) -> None:
    for _ in range(3):
        assert breaker.admit() == 0
        breaker.failed()


def test_it_opens_after_failures_in_a_row(breaker: Breaker) -> None:
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    assert breaker.state == Circuit.CLOSED
    opened(breaker)
    assert breaker.state == Circuit.OPEN
    assert breaker.admit() == 2


def test_after_a_while_one_call_may_find_out_and_others_wait(
    breaker: Breaker, clock: Clock
) -> None:
    opened(breaker)
    clock.now = 2.0
    assert breaker.admit() == 0
    assert breaker.state == Circuit.HALF_OPEN
    assert breaker.admit() > 0


def test_a_probe_that_succeeds_closes_it(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now = 2.0
    breaker.admit()
    breaker.succeeded()
    assert (breaker.state, breaker.admit()) == (Circuit.CLOSED, 0)


def test_a_probe_that_fails_opens_it_for_as_long_again(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now = 2.0
    breaker.admit()
    breaker.failed()
    assert (breaker.state, breaker.admit()) == (Circuit.OPEN, 2)


def fails(status: str, times: float, message: str = "") -> Callable[[float], int]:
    """A call that ends with a status so many times, and then returns how often it was made."""
    attempts = itertools.count(1)

    def act(_: float) -> int:
        attempt = next(attempts)
        if attempt <= times:
            raise InferenceServerException(message, status=f"StatusCode.{status}")
        return attempt

    return act


def test_unavailable_is_tried_again() -> None:
    calls = Calls(10, 10)
    assert calls.make(fails("UNAVAILABLE", 2), 10) == 3
    assert calls.ended() == {"UNAVAILABLE": 2, "OK": 1}


@pytest.mark.parametrize("seconds", [10, math.inf])
@pytest.mark.parametrize("status", ["INTERNAL", "INVALID_ARGUMENT", "NOT_FOUND"])
def test_nothing_else_is_tried_again(status: str, seconds: float) -> None:
    calls = Calls(10, 10)
    with pytest.raises(InferenceServerException):
        calls.make(fails(status, math.inf), seconds)
    assert calls.ended() == {status: 1}


def test_a_late_answer_is_tried_again_for_a_run() -> None:
    calls = Calls(10, 10)
    assert calls.make(fails("DEADLINE_EXCEEDED", 2), math.inf) == 3
    assert calls.ended() == {"DEADLINE_EXCEEDED": 2, "OK": 1}


def test_late_answers_end_a_run_when_its_patience_does() -> None:
    calls = Calls(10, 0.3)
    with pytest.raises(InferenceServerException):
        calls.make(fails("DEADLINE_EXCEEDED", math.inf), math.inf)
    assert calls.ended()["DEADLINE_EXCEEDED"] > 1


def test_a_caller_with_a_deadline_is_told_of_a_late_answer() -> None:
    calls = Calls(10, 10)
    with pytest.raises(InferenceServerException):
        calls.make(fails("DEADLINE_EXCEEDED", math.inf), 10)
    assert calls.ended() == {"DEADLINE_EXCEEDED": 1}


def test_a_server_that_is_exhausted_is_tried_again_but_not_with_what_is_too_large() -> None:
    calls = Calls(10, 10)
    assert calls.make(fails("RESOURCE_EXHAUSTED", 2), 10) == 3
    too_large = "Received message larger than max (9634816 vs. 4194304)"
    with pytest.raises(InferenceServerException):
        calls.make(fails("RESOURCE_EXHAUSTED", math.inf, too_large), math.inf)
    assert calls.ended() == {"RESOURCE_EXHAUSTED": 3, "OK": 1}


class Stop(Exception):
    """What the check of a cancelled run raises."""


def stops_after(asked: int) -> Check:
    """A check that raises when it is asked once more than so often."""
    times = itertools.count()

    def check() -> None:
        if next(times) >= asked:
            raise Stop

    return check


def test_who_waits_is_let_go_by_his_check() -> None:
    calls = Calls(10, 1000, Breaker(failures=1, seconds=1000))
    with pytest.raises(Stop):
        calls.make(fails("UNAVAILABLE", math.inf), math.inf, stops_after(2))
    assert calls.ended() == {"UNAVAILABLE": 1}


def test_a_call_that_is_given_up_says_nothing_of_the_server(breaker: Breaker, clock: Clock) -> None:
    def given_up(_: float) -> None:
        raise Stop

    calls = Calls(10, 10, breaker)
    for _ in range(5):
        with pytest.raises(Stop):
            calls.make(given_up, math.inf)
    assert breaker.state == Circuit.CLOSED
    opened(breaker)
    clock.now = 2.0
    with pytest.raises(Stop):
        calls.make(given_up, math.inf)
    assert (breaker.state, breaker.admit()) == (Circuit.OPEN, 0)


def test_a_model_that_is_unknown_is_no_server_that_is_away() -> None:
    unknown = InferenceServerException(
        "Request for unknown model: 'a' is not found", status="StatusCode.UNAVAILABLE"
    )
    assert not is_away(unknown)


@pytest.mark.parametrize(
    ("status", "message", "busy", "too_large"),
    [
        ("UNAVAILABLE", "[request id: <id_unknown>] Exceeds maximum queue size", True, False),
        ("UNAVAILABLE", "Request timeout expired", True, False),
        ("UNAVAILABLE", "failed to connect to all addresses", False, False),
        ("RESOURCE_EXHAUSTED", "quota", True, False),
        ("RESOURCE_EXHAUSTED", "Received message larger than max", False, True),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", True, False),
        ("INVALID_ARGUMENT", "inference request batch-size must be <= 4 for 'a'", False, True),
        ("INVALID_ARGUMENT", "unexpected shape for input 'image'", False, False),
    ],
)
def test_a_server_that_is_busy_is_told_from_one_that_is_away_and_from_a_large_batch(
    status: str, message: str, busy: bool, too_large: bool
) -> None:
    error = InferenceServerException(message, status=f"StatusCode.{status}")
    assert (is_busy(error), is_too_large(error)) == (busy, too_large)


def test_a_caller_with_a_deadline_is_told_after_a_few_attempts() -> None:
    calls = Calls(10, 10, Breaker(failures=100))
    with pytest.raises(InferenceServerException):
        calls.make(fails("UNAVAILABLE", math.inf), 10)
    assert calls.ended() == {"UNAVAILABLE": 4}


def test_a_caller_with_a_deadline_is_told_at_once_while_the_circuit_is_open() -> None:
    calls = Calls(10, 10, Breaker(failures=1, seconds=1000))
    with pytest.raises(InferenceServerException):
        calls.make(fails("UNAVAILABLE", math.inf), 10)
    attempts = sum(calls.ended().values())
    with pytest.raises(InferenceServerException, match="away several times"):
        calls.make(fails("UNAVAILABLE", 0), 10)
    assert sum(calls.ended().values()) == attempts


def test_a_run_waits_until_the_circuit_closes() -> None:
    calls = Calls(10, 10, Breaker(failures=1, seconds=0.01))
    assert calls.make(fails("UNAVAILABLE", 3), math.inf) == 4


def test_the_patience_of_a_run_ends() -> None:
    calls = Calls(10, 0.05, Breaker(failures=1, seconds=0.01))
    with pytest.raises(InferenceServerException):
        calls.make(fails("UNAVAILABLE", math.inf), math.inf)


def test_who_waits_is_told_when_the_backend_closes() -> None:
    calls = Calls(10, 1000, Breaker(failures=1, seconds=1000))
    calls.close()
    with pytest.raises(InferenceServerException):
        calls.make(fails("UNAVAILABLE", math.inf), math.inf)


def test_an_error_of_the_model_is_an_answer_and_closes_the_circuit() -> None:
    calls = Calls(10, 10, Breaker(failures=1, seconds=0.01))
    with pytest.raises(InferenceServerException):
        calls.make(fails("DEADLINE_EXCEEDED", math.inf), 10)
    assert calls.breaker.state == Circuit.OPEN
    with pytest.raises(InferenceServerException, match="shape"):
        calls.make(fails("INVALID_ARGUMENT", math.inf, "shape"), math.inf)
    assert calls.breaker.state == Circuit.CLOSED
