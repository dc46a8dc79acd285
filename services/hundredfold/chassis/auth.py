"""Who may call what: rules from the protos, callers from a token file. Deny by default.

The token file is a JSON list:

    [{"sha256": "<64 hex digits of the token's SHA-256>", "subject": "ann", "role": "labeler", "expires_at": 1790000000},
     {"certificate": "<common name of a client certificate>", "subject": "labels", "role": "service"}]

`expires_at` (unix seconds) is optional. The file is read again as soon as it changes; while it can't
be read, nobody is let in. A stream keeps the right it began with, until its connection's age ends it. A token is `openssl rand -hex 32`, its hash `printf %s TOKEN | sha256sum`.
"""

import hashlib
import hmac
import json
import logging
import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from hundredfold.api.common.v1 import access_pb2
from hundredfold.chassis.context import Caller
from hundredfold.chassis.errors import (
    InvalidArgument,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)

_log = logging.getLogger("hundredfold.auth")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ROLES: Mapping[str, int] = {
    name.removeprefix("ROLE_").lower(): number
    for name, number in access_pb2.Role.items()
    if number != access_pb2.ROLE_UNSPECIFIED
}


def rules(service: ServiceDescriptor) -> dict[str, int]:
    """The least role of each method, by its path `/package.Service/Method`.

    Raises:
        InvalidArgument: a method has no `access` option.
    """
    return {f"/{service.full_name}/{method.name}": _least(method) for method in service.methods}


def _least(method: MethodDescriptor) -> int:
    least = method.GetOptions().Extensions[access_pb2.access].least
    if least == access_pb2.ROLE_UNSPECIFIED:
        raise InvalidArgument(f"{method.full_name} has no access option", field=method.full_name)
    return least


def check(caller: Caller, least: int) -> None:
    """Raise PermissionDenied unless the caller's role is at least this one."""
    if caller.role < least or least == access_pb2.ROLE_UNSPECIFIED:
        name = access_pb2.Role.Name(access_pb2.Role.ValueType(least)).removeprefix("ROLE_")
        raise PermissionDenied(
            f"this needs the role {name.lower()}", metadata={"role": name.lower()}
        )


@dataclass(frozen=True, slots=True)
class _Entry:
    sha256: str
    certificate: str
    caller: Caller
    expires_at: float


class TokenFile:
    """The callers of a token file, read again when it changes. Thread-safe."""

    def __init__(self, path: str) -> None:
        """Read the file.

        Raises:
            InvalidArgument: it is absent or not of the form above.
        """
        self._path = Path(path)
        self._lock = threading.Lock()
        self._version: object = None
        self._entries: Sequence[_Entry] = ()
        try:
            self._read()
        except (OSError, ValueError) as error:
            raise InvalidArgument(f"token file {path}: {error}", field="tokens") from error

    def bearer(self, authorization: str) -> Caller:
        """The caller of an `authorization` header.

        Raises:
            Unauthenticated: it is no bearer token, unknown or expired.
            Unavailable: the file can't be read at present.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("authorization must be `Bearer <token>`")
        digest = hashlib.sha256(token.encode()).hexdigest()
        # Compared with each, so that the time taken says nothing about how near a guess was.
        found = [e for e in self._current() if hmac.compare_digest(e.sha256, digest)]
        return _valid(found, "token")

    def certificate(self, common_name: str) -> Caller:
        """The caller of a verified client certificate; raises as `bearer` does."""
        found = [e for e in self._current() if common_name and e.certificate == common_name]
        return _valid(found, "certificate")

    def _current(self) -> Sequence[_Entry]:
        try:
            if self._stamp() != self._version:
                with self._lock:
                    self._read()
        except (OSError, ValueError) as error:
            if self._version is not None:
                _log.exception("the token file can't be read; nobody is let in")
            self._version, self._entries = None, ()
            raise Unavailable("callers can't be checked at present") from error
        return self._entries

    def _read(self) -> None:
        version = self._stamp()
        if version != self._version:
            self._entries = _entries(json.loads(self._path.read_text("utf-8")))
            self._version = version

    def _stamp(self) -> object:
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _valid(found: Iterable[_Entry], what: str) -> Caller:
    for entry in found:
        if time.time() >= entry.expires_at:
            raise Unauthenticated(f"the {what} has expired", reason="EXPIRED")
        return entry.caller
    raise Unauthenticated(f"the {what} is not known")


def _entries(document: Any) -> list[_Entry]:
    if not isinstance(document, list):
        raise ValueError("it must hold a list")  # noqa: TRY004  # bad content, like bad JSON
    return [_entry(number, item) for number, item in enumerate(document)]


def _entry(number: int, item: Any) -> _Entry:
    try:
        entry = _Entry(
            sha256=str(item.get("sha256", "")).lower(),
            certificate=str(item.get("certificate", "")),
            caller=Caller(str(item["subject"]), _ROLES[item["role"]]),
            expires_at=float(item.get("expires_at", "inf")),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(
            f"entry {number} needs a subject, a role of {', '.join(_ROLES)}, and may have expires_at"
        ) from None
    if bool(entry.sha256) == bool(entry.certificate):
        raise ValueError(f"entry {number} needs either a sha256 or a certificate")
    if entry.sha256 and not _SHA256.fullmatch(entry.sha256):
        raise ValueError(f"the sha256 of entry {number} is not 64 hexadecimal digits")
    return entry
