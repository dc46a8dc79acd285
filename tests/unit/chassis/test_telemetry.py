import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.chassis import telemetry

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_traceparent_is_read_and_written():
    trace = telemetry.parse(GOOD)
    assert trace == telemetry.Trace(
        "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True
    )
    assert trace.traceparent() == GOOD


@pytest.mark.parametrize(
    "bad",
    [
        "",
        GOOD.upper(),
        GOOD + "-more",
        "ff" + GOOD[2:],
        GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        GOOD.replace("00f067aa0ba902b7", "0" * 16),
    ],
)
def test_a_bad_traceparent_is_none(bad):
    assert telemetry.parse(bad) is None


def test_a_later_version_may_say_more():
    assert telemetry.parse("01" + GOOD[2:] + "-more") == telemetry.parse(GOOD)


@given(st.text(max_size=80))
def test_no_text_breaks_the_parser(text):
    assert telemetry.parse(text) is None


def test_a_step_stays_in_the_trace():
    parent = telemetry.parse(GOOD)
    child = telemetry.step(parent)
    assert (child.trace_id, child.sampled) == (parent.trace_id, parent.sampled)
    assert child.span_id != parent.span_id


def test_without_a_parent_a_trace_begins():
    assert telemetry.parse(telemetry.step(None).traceparent()) is not None


def test_without_an_endpoint_nothing_is_recorded():
    assert type(telemetry.spans("x", {})) is telemetry.Spans
