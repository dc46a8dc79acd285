"""Traces: W3C traceparent accepted and passed on, in the logs either way.

Spans are recorded when `OTEL_EXPORTER_OTLP_ENDPOINT` is set and `hundredfold[telemetry]` is installed.
"""

import importlib
import logging
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

_log = logging.getLogger("hundredfold.telemetry")
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Trace:
    """A place in a trace: 32 and 16 hexadecimal digits, and whether it is recorded."""

    trace_id: str
    span_id: str
    sampled: bool

    def traceparent(self) -> str:
        """The header of https://www.w3.org/TR/trace-context/ that makes a callee continue here."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def parse(traceparent: str) -> Trace | None:
    """The trace a caller is in, or None when it sent none or a bad one."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if not match or match[1] == "ff" or not int(match[2], 16) or not int(match[3], 16):
        return None
    if match[1] == "00" and match[5]:
        return None
    return Trace(match[2], match[3], bool(int(match[4], 16) & 1))


def step(parent: Trace | None) -> Trace:
    """A new span in the trace of the parent, or in a new trace, not recorded."""
    if parent is None:
        return Trace(secrets.token_hex(16), secrets.token_hex(8), sampled=False)
    return Trace(parent.trace_id, secrets.token_hex(8), parent.sampled)


class Span:
    """One RPC in a trace."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def end(self, code: str) -> None:
        """Say how it ended."""


class Spans:
    """Makes the spans of a server; this one only passes traces on."""

    def start(self, method: str, traceparent: str) -> Span:  # noqa: ARG002  # for those that record
        """Begin the span of an RPC."""
        return Span(step(parse(traceparent)))

    def close(self) -> None:
        """Send what is left."""


def spans(service: str, environ: Mapping[str, str] = os.environ) -> Spans:
    """What the environment asks for."""
    if not environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return Spans()
    try:
        # Imported here, because few installations have or need it.
        made: Spans = importlib.import_module("hundredfold.chassis.otlp").RecordedSpans(service)
    except ImportError:
        _log.warning("no traces are sent: hundredfold[telemetry] is not installed")
        return Spans()
    return made
