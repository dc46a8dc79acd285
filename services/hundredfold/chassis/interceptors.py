"""What happens around each RPC of a server: access, limits, errors, metrics and one line in the log.

The only place where exceptions become a status. The table is in `errors.py`.
"""

import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeAlias

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from hundredfold.chassis import auth, context, limits, telemetry
from hundredfold.chassis.context import REQUEST_ID, Caller, Scope
from hundredfold.chassis.errors import (
    DOMAIN,
    InvalidArgument,
    ResourceExhausted,
    ServiceError,
    Unauthenticated,
)
from hundredfold.chassis.metrics import Metrics

HEALTH = "/grpc.health.v1.Health/"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

_log = logging.getLogger("hundredfold.rpc")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_MESSAGE_BYTES = 1000
_METADATA_BYTES = 2000


def status_of(error: BaseException) -> status_pb2.Status:
    """The status of an error; of one that is no ServiceError, it tells nothing but "internal error"."""
    if not isinstance(error, ServiceError) or error.code == ServiceError.code:
        return status_pb2.Status(code=code_pb2.INTERNAL, message="internal error")
    message = _cut(error.message, _MESSAGE_BYTES)
    details = [
        error_details_pb2.ErrorInfo(
            reason=error.reason, domain=DOMAIN, metadata=_small(error.metadata)
        )
    ]
    if error.field:
        details.append(_bad_request(error.field, message))
    return status_pb2.Status(
        code=code_pb2.Code.Value(error.code), message=message, details=map(_packed, details)
    )


def _bad_request(field: str, message: str) -> Any:
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
    return error_details_pb2.BadRequest(field_violations=[violation])


def _packed(message: Any) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def _cut(text: str, size: int) -> str:
    """At most this many bytes: a status travels in headers, which are limited."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


def _small(metadata: Mapping[str, str]) -> dict[str, str]:
    kept, size = {}, 0
    for name, value in metadata.items():
        size += len(name) + len(value.encode("utf-8", "replace"))
        if size <= _METADATA_BYTES:
            kept[name] = value
    return kept


Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


@dataclass(frozen=True, slots=True)
class _Method:
    path: str
    least: int | None  # None = open to everybody
    unary: bool
    needs_deadline: bool
    level: int


class Guard(grpc.ServerInterceptor):
    """Wraps each handler once.

    Args:
        rules: the least role of each method by its path.
        tokens: the callers, or None when authentication is off.
        metrics: counts each RPC.
        spans: makes the spans of a trace.
        stopping: set when the server drains.
    """

    def __init__(
        self,
        rules: Mapping[str, int],
        tokens: auth.TokenFile | None,
        metrics: Metrics,
        spans: telemetry.Spans,
        stopping: threading.Event,
    ) -> None:
        self._rules = rules
        self._tokens = tokens
        self.metrics = metrics
        self.spans = spans
        self.stopping = stopping
        self._streams = threading.BoundedSemaphore(limits.STREAMS)
        # Streams live long and probes must never wait, so neither shares the threads of unary calls.
        # A few more threads than streams are allowed, to tell the rest that it is too much.
        self._stream_pool = ThreadPoolExecutor(limits.STREAMS + 8, thread_name_prefix="stream")
        self._probe_pool = ThreadPoolExecutor(2, thread_name_prefix="probe")
        self._handlers: dict[str, Handler] = {}

    def close(self) -> None:
        """Let the threads go once their calls have ended."""
        self._stream_pool.shutdown(wait=False)
        self._probe_pool.shutdown(wait=False)

    def intercept_service(
        self,
        continuation: "Callable[[Any], Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The wrapped handler of a method, or None when there is no such method."""
        path = handler_call_details.method
        if path not in self._handlers:
            handler = continuation(handler_call_details)
            if handler is None:
                return None
            self._handlers[path] = self._wrapped(path, handler)
        return self._handlers[path]

    def caller(self, call: "grpc.ServicerContext", authorization: list[str]) -> Caller:
        """Who calls; raises Unauthenticated."""
        if self._tokens is None:
            return context.ANYBODY
        if len(authorization) == 1:
            return self._tokens.bearer(authorization[0])
        names: Any = call.auth_context().get("x509_common_name", ())
        if not authorization and len(names) == 1:
            return self._tokens.certificate(names[0].decode("utf-8", "replace"))
        raise Unauthenticated("one `authorization: Bearer <token>` is needed")

    def take_stream(self) -> None:
        """Count a stream; raises ResourceExhausted above the limit."""
        if not self._streams.acquire(blocking=False):
            raise ResourceExhausted(f"{limits.STREAMS} streams are open already")

    def give_stream(self) -> None:
        """Count the end of a stream."""
        self._streams.release()

    def _wrapped(self, path: str, handler: Handler) -> Handler:
        if path == f"{HEALTH}Watch":
            return handler  # does not keep a thread, and can't be wrapped without losing that
        method = self._method(path, handler)
        parse = limits.parser(handler.request_deserializer or bytes)
        make, behaviour, respond = _KINDS[handler.request_streaming, handler.response_streaming]
        handle = respond(self, method, getattr(handler, behaviour), parse)
        if path.startswith(HEALTH):
            handle.experimental_thread_pool = self._probe_pool
        elif not method.unary:
            handle.experimental_thread_pool = self._stream_pool
        # Parsed by the wrapper: after the caller is known, and with its errors translated.
        wrapped: Handler = make(handle, None, handler.response_serializer)
        return wrapped

    def _method(self, path: str, handler: Handler) -> _Method:
        unary = not (handler.request_streaming or handler.response_streaming)
        ours = path in self._rules
        return _Method(
            path=path,
            least=None if path.startswith(HEALTH) else self._rules.get(path, 0),
            unary=unary,
            needs_deadline=unary and ours,
            level=logging.INFO if ours else logging.DEBUG,
        )


class _Call:
    """One RPC from begin to end, as a context manager around its handler."""

    __slots__ = ("_began", "_context", "_guard", "_method", "_span", "_streaming", "scope")

    def __init__(self, guard: Guard, method: _Method, call: grpc.ServicerContext) -> None:
        self._guard = guard
        self._method = method
        self._context = call
        self._began = time.perf_counter()
        self._streaming = False

    def __enter__(self) -> None:
        guard, method = self._guard, self._method
        guard.metrics.started(method.path)
        metadata = self._context.invocation_metadata() or ()
        headers = {str(key): str(value) for key, value in metadata}
        remaining = self._context.time_remaining()
        self._span = guard.spans.start(method.path, headers.get("traceparent", ""))
        self.scope = Scope(
            request_id=_request_id(headers.get(REQUEST_ID, "")),
            trace=self._span.trace,
            ends_at=time.time() + remaining if remaining else 0.0,
            stopping=guard.stopping,
        )
        context.enter(self.scope)
        self._context.set_trailing_metadata(((REQUEST_ID, self.scope.request_id),))
        try:
            self._admit([str(value) for key, value in metadata if key == "authorization"])
        except Exception as error:  # the same end as an error of the handler
            self.__exit__(type(error), error, error.__traceback__)
            raise

    def _admit(self, authorization: list[str]) -> None:
        method = self._method
        if method.least is not None:
            self.scope.caller = self._guard.caller(self._context, authorization)
            auth.check(self.scope.caller, method.least)
        if method.needs_deadline:
            _check_deadline(self._context.time_remaining())
        if not method.unary:
            self._guard.take_stream()
            self._streaming = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._streaming:
            self._guard.give_stream()
        status = status_of(error) if isinstance(error, Exception) else None
        self._record(status, error)
        if status is not None:
            answer = rpc_status.to_status(status)
            trailing = (*answer.trailing_metadata, (REQUEST_ID, self.scope.request_id))
            self._context.abort_with_status(answer._replace(trailing_metadata=trailing))

    def _record(self, status: status_pb2.Status | None, error: BaseException | None) -> None:
        code = self._code(status, error)
        seconds = time.perf_counter() - self._began
        self._guard.metrics.handled(self._method.path, code, seconds)
        self._span.end(code)
        extra = {
            "method": self._method.path,
            "code": code,
            "duration_ms": round(seconds * 1000, 3),
            "subject": self.scope.caller.subject,
            "reason": getattr(error, "reason", ""),
            "field": getattr(error, "field", ""),
        }
        if status is not None and status.code == code_pb2.INTERNAL and code != "CANCELLED":
            _log.error("rpc failed", extra=extra, exc_info=error)
        else:
            _log.log(self._method.level, "rpc", extra=extra)

    def _code(self, status: status_pb2.Status | None, error: BaseException | None) -> str:
        # Reading a stream whose caller has gone raises RpcError.
        if isinstance(error, GeneratorExit | grpc.RpcError) and not self._context.is_active():
            return "CANCELLED"
        if status is not None:
            return str(code_pb2.Code.Name(status.code))
        set_by_handler = self._context.code()  # type: ignore[attr-defined]  # not in the stubs
        return getattr(set_by_handler, "name", "OK")


def _request_id(sent: str) -> str:
    """What the caller sent if it is harmless, else a new one."""
    return sent if _REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex


def _check_deadline(remaining: float | None) -> None:
    # To compress its headers, gRPC may send a timeout that is up to 3 % longer than what was asked.
    if remaining is None or remaining > limits.LONGEST_DEADLINE * 1.05:
        raise InvalidArgument(
            f"a call needs a deadline of at most {limits.LONGEST_DEADLINE:.0f} s",
            reason="DEADLINE_REQUIRED",
        )


Behaviour = Callable[[Any, grpc.ServicerContext], Any]
Parse = Callable[[bytes], Any]


def _unary_unary(guard: Guard, method: _Method, behaviour: Behaviour, parse: Parse) -> Any:
    def handle(data: bytes, call: grpc.ServicerContext) -> Any:
        with _Call(guard, method, call):
            return behaviour(parse(data), call)

    return handle


def _unary_stream(guard: Guard, method: _Method, behaviour: Behaviour, parse: Parse) -> Any:
    def handle(data: bytes, call: grpc.ServicerContext) -> Iterator[Any]:
        with _Call(guard, method, call):
            yield from behaviour(parse(data), call)

    return handle


def _stream_unary(guard: Guard, method: _Method, behaviour: Behaviour, parse: Parse) -> Any:
    def handle(messages: Iterator[bytes], call: grpc.ServicerContext) -> Any:
        with _Call(guard, method, call):
            return behaviour(map(parse, messages), call)

    return handle


def _stream_stream(guard: Guard, method: _Method, behaviour: Behaviour, parse: Parse) -> Any:
    def handle(messages: Iterator[bytes], call: grpc.ServicerContext) -> Iterator[Any]:
        with _Call(guard, method, call):
            yield from behaviour(map(parse, messages), call)

    return handle


_KINDS: Mapping[tuple[bool, bool], tuple[Any, str, Any]] = {
    (False, False): (grpc.unary_unary_rpc_method_handler, "unary_unary", _unary_unary),
    (False, True): (grpc.unary_stream_rpc_method_handler, "unary_stream", _unary_stream),
    (True, False): (grpc.stream_unary_rpc_method_handler, "stream_unary", _stream_unary),
    (True, True): (grpc.stream_stream_rpc_method_handler, "stream_stream", _stream_stream),
}
