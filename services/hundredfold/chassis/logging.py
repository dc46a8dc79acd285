"""JSON logs on stderr: one object a line, with the request id and the trace id of the call at hand."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from hundredfold.chassis import context

FIELDS = ("method", "code", "duration_ms", "subject", "reason", "field")
"""What a line may carry besides the standard fields; never payloads, metadata or tokens."""


class JsonFormatter(logging.Formatter):
    """Writes a record as a line of JSON."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "service": self._service,
            "message": record.getMessage(),
        }
        if call := context.scope():
            line |= {"request_id": call.request_id, "trace_id": call.trace.trace_id}
        line |= {name: record.__dict__[name] for name in FIELDS if record.__dict__.get(name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(service: str, level: str = "INFO") -> None:
    """Send all logs of this process to stderr as JSON. Called again, it replaces what it set."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old.formatter, JsonFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
