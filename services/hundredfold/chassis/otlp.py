"""Spans that are sent to the OTLP endpoint of OpenTelemetry's standard environment variables."""

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from hundredfold.chassis.telemetry import Span, Spans, Trace

_FAULTS = frozenset({"INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN"})
_PROPAGATOR = TraceContextTextMapPropagator()


class RecordedSpans(Spans):
    """Records a span for each RPC and sends them in the background."""

    def __init__(self, service: str) -> None:
        resource = Resource.create({"service.name": f"hundredfold-{service}"})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=5)))
        self._tracer = self._provider.get_tracer("hundredfold")

    def start(self, method: str, traceparent: str) -> Span:
        """Begin the span of an RPC."""
        parent = _PROPAGATOR.extract({"traceparent": traceparent})
        return _RecordedSpan(
            self._tracer.start_span(
                method.lstrip("/"), parent, SpanKind.SERVER, {"rpc.system": "grpc"}
            )
        )

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class _RecordedSpan(Span):
    def __init__(self, span: OtelSpan) -> None:
        place = span.get_span_context()
        super().__init__(
            Trace(f"{place.trace_id:032x}", f"{place.span_id:016x}", place.trace_flags.sampled)
        )
        self._span = span

    def end(self, code: str) -> None:
        self._span.set_attribute("rpc.response.status_code", code)
        if code in _FAULTS:
            self._span.set_status(Status(StatusCode.ERROR, code))
        self._span.end()
