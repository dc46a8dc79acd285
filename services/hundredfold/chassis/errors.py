"""The errors of the system, free of gRPC.

    ServiceError
    ├── InvalidArgument      INVALID_ARGUMENT      a field is wrong; `field` names it
    ├── NotFound             NOT_FOUND
    ├── AlreadyExists        ALREADY_EXISTS
    ├── Conflict             FAILED_PRECONDITION   right call, wrong state; `metadata` tells the state
    ├── Aborted              ABORTED               another call was first
    ├── ResourceExhausted    RESOURCE_EXHAUSTED    too much at once
    ├── Unauthenticated      UNAUTHENTICATED
    ├── PermissionDenied     PERMISSION_DENIED
    ├── DeadlineExceeded     DEADLINE_EXCEEDED
    └── Unavailable          UNAVAILABLE           a dependency is away; try again

Every other exception is logged and reaches the caller as INTERNAL "internal error".
`interceptors.py` turns these into a status, `client.py` turns the status back.
"""

from collections.abc import Mapping
from typing import ClassVar

DOMAIN = "hundredfold"
"""Whose reasons these are, in `google.rpc.ErrorInfo`."""


class ServiceError(Exception):
    """An error that the caller may see.

    Attributes:
        message: a sentence that says what is wrong and what to do.
        reason: UPPER_SNAKE, stable, for programs.
        field: the request field that is wrong, or "".
        metadata: further facts, such as the current state.
    """

    code: ClassVar[str] = "INTERNAL"
    default_reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        field: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.field = field
        self.metadata = dict(metadata or {})


class InvalidArgument(ServiceError):
    """A field of the request is wrong."""

    code = "INVALID_ARGUMENT"
    default_reason = "INVALID_ARGUMENT"


class NotFound(ServiceError):
    """What was named is not there."""

    code = "NOT_FOUND"
    default_reason = "NOT_FOUND"


class AlreadyExists(ServiceError):
    """What was to be made is there already, and is different."""

    code = "ALREADY_EXISTS"
    default_reason = "ALREADY_EXISTS"


class Conflict(ServiceError):
    """The call is right, but not in this state."""

    code = "FAILED_PRECONDITION"
    default_reason = "CONFLICT"


class Aborted(ServiceError):
    """Another call was first; read again and repeat."""

    code = "ABORTED"
    default_reason = "ABORTED"


class ResourceExhausted(ServiceError):
    """Too much at once."""

    code = "RESOURCE_EXHAUSTED"
    default_reason = "RESOURCE_EXHAUSTED"


class Unauthenticated(ServiceError):
    """The caller did not say who it is, or not truly."""

    code = "UNAUTHENTICATED"
    default_reason = "UNAUTHENTICATED"


class PermissionDenied(ServiceError):
    """The caller may not do this."""

    code = "PERMISSION_DENIED"
    default_reason = "PERMISSION_DENIED"


class DeadlineExceeded(ServiceError):
    """The answer did not come in time."""

    code = "DEADLINE_EXCEEDED"
    default_reason = "DEADLINE_EXCEEDED"


class Unavailable(ServiceError):
    """A dependency is away; the same call may work later."""

    code = "UNAVAILABLE"
    default_reason = "UNAVAILABLE"


ERRORS: tuple[type[ServiceError], ...] = (
    InvalidArgument,
    NotFound,
    AlreadyExists,
    Conflict,
    Aborted,
    ResourceExhausted,
    Unauthenticated,
    PermissionDenied,
    DeadlineExceeded,
    Unavailable,
)
