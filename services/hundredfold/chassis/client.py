"""A channel that speaks like the servers: deadline, request id, token, trace, retries, errors.

The inverse of the table in `errors.py`: a failed call raises the ServiceError of its status. A status
that has none there (INTERNAL, UNIMPLEMENTED, CANCELLED...) raises plain ServiceError with its name as
the reason.
"""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from hundredfold.chassis import context, limits
from hundredfold.chassis.config import ServerConfig, address_of
from hundredfold.chassis.context import REQUEST_ID
from hundredfold.chassis.errors import DOMAIN, ERRORS, InvalidArgument, ServiceError

NOT_REPEATABLE: tuple[str, ...] = (
    "hundredfold.api.labels.v1.LabelsService/LeasePages",
    "hundredfold.api.training.v1.TrainingService/Rollback",
)
"""Calls that do more when they are made twice; all other writes carry a request id."""

STREAMS: tuple[str, ...] = (
    "hundredfold.api.catalog.v1.CatalogService/GetThumbnails",
    "hundredfold.api.embedding.v1.EmbeddingService/EmbedImages",
    "hundredfold.api.hashing.v1.HashingService/HashImages",
    "hundredfold.api.index.v1.IndexService/GetAssignment",
    "hundredfold.api.index.v1.IndexService/GetMap",
    "hundredfold.api.index.v1.IndexService/SeparateGroups",
    "hundredfold.api.index.v1.IndexService/ShowUnlabelled",
    "hundredfold.api.labels.v1.LabelsService/GetLabels",
    "hundredfold.api.labels.v1.LabelsService/GetPairs",
    "hundredfold.api.labels.v1.LabelsService/WatchDecisions",
    "hundredfold.api.runs.v1.RunsService/ReadFile",
    "hundredfold.api.runs.v1.RunsService/TakeFile",
    "hundredfold.api.runs.v1.RunsService/WatchRun",
    "hundredfold.api.training.v1.TrainingService/GetPredictions",
)
"""Calls with a stream. The caller begins them again: with gRPC's own retries (grpcio 1.85) a stream
that is running when its server is killed now and then hangs until its deadline."""

_RETRY = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_CLASSES: Mapping[str, type[ServiceError]] = {error.code: error for error in ERRORS}


def connect(
    address: str,
    *,
    token: str = "",
    tls_ca: str = "",
    tls_certificate: str = "",
    tls_key: str = "",
    deadline_seconds: float = 10.0,
    not_repeatable: Sequence[str] = NOT_REPEATABLE,
) -> grpc.Channel:
    """A channel to a service; it connects with the first call. Close it in the end.

    Args:
        address: host:port, or any gRPC target such as `dns:///labels:7107`.
        token: shown as bearer token.
        tls_ca: path of PEM authorities; empty = no TLS.
        tls_certificate: path of the PEM certificate of this caller, for mTLS.
        tls_key: path of its key.
        deadline_seconds: of a unary call that is given no timeout. In a handler it is at most what
            is left of the call that is being handled. Streams have none.
        not_repeatable: `package.Service/Method` of calls that are never sent twice.

    Raises:
        InvalidArgument: a certificate without TLS.
        OSError: a file can't be read.
    """
    if tls_certificate and not tls_ca:
        raise InvalidArgument("a certificate is of no use without tls_ca", field="tls_ca")
    options = (*limits.CLIENT_OPTIONS, ("grpc.service_config", _service_config(not_repeatable)))
    channel = (
        grpc.secure_channel(address, _credentials(tls_ca, tls_certificate, tls_key), options)
        if tls_ca
        else grpc.insecure_channel(address, options)
    )
    return Channel(channel, _Defaults(token, deadline_seconds))


def peer(
    config: ServerConfig, service: str, environ: Mapping[str, str] = os.environ
) -> grpc.Channel:
    """A channel from a service to another one, as its config says."""
    return connect(
        address_of(service, environ),
        token=config.token,
        tls_ca=config.tls_ca,
        tls_certificate=config.tls_certificate if config.tls_ca else "",
        tls_key=config.tls_key if config.tls_ca else "",
    )


def _credentials(ca: str, certificate: str, key: str) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        Path(ca).read_bytes(),
        Path(key).read_bytes() if key else None,
        Path(certificate).read_bytes() if certificate else None,
    )


def _service_config(not_repeatable: Sequence[str]) -> str:
    names = [
        dict(zip(("service", "method"), name.split("/"), strict=True))
        for name in (*not_repeatable, *STREAMS)
    ]
    return json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
            "methodConfig": [{"name": names}, {"name": [{}], "retryPolicy": _RETRY}],
        }
    )


@dataclass(frozen=True)
class _Defaults:
    token: str
    deadline_seconds: float

    def timeout(self) -> float:
        scope = context.scope()
        left = scope.ends_at - time.time() if scope else self.deadline_seconds
        return max(0.0, min(self.deadline_seconds, left))

    def metadata(self, given: Sequence[tuple[str, Any]] | None) -> list[tuple[str, Any]]:
        scope = context.scope()
        metadata = list(given or ())
        names = {name for name, _ in metadata}
        if REQUEST_ID not in names:
            metadata.append((REQUEST_ID, scope.request_id if scope else uuid.uuid4().hex))
        if scope and "traceparent" not in names:
            metadata.append(("traceparent", scope.trace.traceparent()))
        if self.token and "authorization" not in names:
            metadata.append(("authorization", f"Bearer {self.token}"))
        return metadata


def error_of(failed: grpc.RpcError) -> ServiceError:
    """The error that a failed call means."""
    code = failed.code().name
    status = _status(failed)
    info, field = _details(status)
    kind = _CLASSES.get(code, ServiceError)
    message = status.message or failed.details() or code.lower()
    reason = info.reason or ("" if code in _CLASSES else code)
    return kind(message, reason=reason, field=field, metadata=dict(info.metadata))


def _status(failed: grpc.RpcError) -> status_pb2.Status:
    metadata: Any = failed.trailing_metadata()
    for name, value in metadata or ():
        if name == "grpc-status-details-bin":
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()


def _details(status: status_pb2.Status) -> tuple[error_details_pb2.ErrorInfo, str]:
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(bad.DESCRIPTOR):
            detail.Unpack(bad)
    if info.domain != DOMAIN:
        info = error_details_pb2.ErrorInfo()
    return info, bad.field_violations[0].field if bad.field_violations else ""


def _raise(failed: grpc.RpcError) -> NoReturn:
    error = error_of(failed)
    raise error from failed


class Channel(grpc.Channel):
    """A channel whose calls have the defaults and raise ServiceErrors."""

    def __init__(self, channel: grpc.Channel, defaults: _Defaults) -> None:
        self._channel = channel
        self._defaults = defaults

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        """A callable for one request and one response."""
        return _Unary(self._channel.unary_unary(*arguments, **options), self._defaults)

    def stream_unary(self, *arguments: Any, **options: Any) -> Any:
        """A callable for a stream of requests and one response."""
        return _Unary(
            self._channel.stream_unary(*arguments, **options), self._defaults, timed=False
        )

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        """A callable for one request and a stream of responses."""
        return _Stream(self._channel.unary_stream(*arguments, **options), self._defaults)

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        """A callable for a stream each way."""
        return _Stream(self._channel.stream_stream(*arguments, **options), self._defaults)

    def subscribe(self, callback: Callable[[Any], None], try_to_connect: bool = False) -> None:
        """Tell the callback about changes of the connectivity."""
        self._channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[[Any], None]) -> None:
        """End what `subscribe` began."""
        self._channel.unsubscribe(callback)

    def close(self) -> None:
        """Cancel what runs and free the connection."""
        self._channel.close()

    def __enter__(self) -> "Channel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Unary:
    """A multi-callable with one response. Streams of requests have no default deadline."""

    def __init__(self, callable_: Any, defaults: _Defaults, *, timed: bool = True) -> None:
        self._callable = callable_
        self._defaults = defaults
        self._timed = timed

    def __call__(self, request: Any, timeout: Any = None, metadata: Any = None, **rest: Any) -> Any:
        return self.with_call(request, timeout, metadata, **rest)[0]

    def with_call(
        self, request: Any, timeout: Any = None, metadata: Any = None, **rest: Any
    ) -> Any:
        try:
            return self._callable.with_call(request, *self._prepared(timeout, metadata), **rest)
        except grpc.RpcError as failed:
            _raise(failed)

    def future(self, request: Any, timeout: Any = None, metadata: Any = None, **rest: Any) -> Any:
        return _Answer(self._callable.future(request, *self._prepared(timeout, metadata), **rest))

    def _prepared(self, timeout: float | None, metadata: Any) -> tuple[float | None, Any]:
        if timeout is None and self._timed:
            timeout = self._defaults.timeout()
        return timeout, self._defaults.metadata(metadata)


class _Stream:
    """A multi-callable with a stream of responses."""

    def __init__(self, callable_: Any, defaults: _Defaults) -> None:
        self._callable = callable_
        self._defaults = defaults

    def __call__(self, request: Any, timeout: Any = None, metadata: Any = None, **rest: Any) -> Any:
        return _Answer(self._callable(request, timeout, self._defaults.metadata(metadata), **rest))


class _Answer:
    """A running call: all it can do, with its errors translated."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError as failed:
            _raise(failed)

    def result(self, timeout: float | None = None) -> Any:
        try:
            return self._call.result(timeout)
        except grpc.RpcError as failed:
            _raise(failed)

    def exception(self, timeout: float | None = None) -> Exception | None:
        failed = self._call.exception(timeout)
        return error_of(failed) if isinstance(failed, grpc.RpcError) else failed
