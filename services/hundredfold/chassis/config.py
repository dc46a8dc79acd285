"""Settings of a service: few, documented, named by the environment, frozen at start."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, get_type_hints

from hundredfold.chassis.errors import InvalidArgument

DEFAULT_PORTS: Mapping[str, int] = {
    "catalog": 7101,
    "hashing": 7102,
    "embedding": 7103,
    "index": 7104,
    "selection": 7105,
    "training": 7106,
    "labels": 7107,
}


@dataclass(frozen=True)
class ServerConfig:
    """What each service can be told; a service's own config adds fields.

    Attributes:
        bind: host and port to listen on; port 0 takes any free one.
        metrics_port: port of `/metrics` on the same host; 0 = none, -1 = any free one.
        store: root of the store, a path or an fsspec URI.
        tokens: path of the token file (see `auth.py`); empty = no authentication.
        tls_certificate: path of the PEM certificate chain of this service; empty = no TLS.
        tls_key: path of its PEM private key.
        tls_client_ca: path of PEM authorities; when set, callers must show a certificate of theirs.
        tls_ca: path of PEM authorities of the services that this service calls.
        insecure: allow to listen beyond this machine without a token file. Every caller may then do everything.
        reflection: answer gRPC reflection, for tools such as grpcurl.
        workers: threads for calls that are no streams.
        drain_seconds: how long running calls may take to end after SIGTERM.
        log_level: DEBUG, INFO, WARNING or ERROR.
        token: what this service itself shows to the services it calls.
    """

    bind: str = "127.0.0.1:0"
    metrics_port: int = 0
    store: str = "./hundredfold-data"
    tokens: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    tls_ca: str = ""
    insecure: bool = False
    reflection: bool = True
    workers: int = 16
    drain_seconds: float = 20
    log_level: str = "INFO"
    token: str = field(default="", repr=False)


ConfigT = TypeVar("ConfigT", bound=ServerConfig)


def from_env(cls: type[ConfigT], service: str, environ: Mapping[str, str] = os.environ) -> ConfigT:
    """Read a service's config from the environment.

    Each field comes from `HUNDREDFOLD_<SERVICE>_<FIELD>`, else `HUNDREDFOLD_<FIELD>`, else its
    default; `bind` without either is the service's default port on this machine.
    Tuples are separated by semicolons: paths and URIs may hold any other usual separator.

    Raises:
        InvalidArgument: a value can't be read; `field` names the variable.
    """
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    if service in DEFAULT_PORTS:
        values["bind"] = f"127.0.0.1:{DEFAULT_PORTS[service]}"
    for each in fields(cls):
        for variable in _variables(service, each.name):
            if variable in environ:
                values[each.name] = _read(hints[each.name], variable, environ[variable])
                break
    return cls(**values)


def address_of(service: str, environ: Mapping[str, str] = os.environ) -> str:
    """Where a service is: `HUNDREDFOLD_<SERVICE>_ADDRESS`, else its default port on this machine."""
    default = f"127.0.0.1:{DEFAULT_PORTS[service]}"
    return environ.get(f"HUNDREDFOLD_{service.upper()}_ADDRESS") or default


def _variables(service: str, name: str) -> tuple[str, str]:
    return f"HUNDREDFOLD_{service}_{name}".upper(), f"HUNDREDFOLD_{name}".upper()


def _read(kind: Any, variable: str, text: str) -> Any:
    try:
        return _READERS[kind](text)
    except ValueError:
        raise InvalidArgument(
            f"{variable} must be {_NAMES[kind]}, not {text!r}", field=variable
        ) from None


def _bool(text: str) -> bool:
    try:
        return _BOOLS[text.strip().lower()]
    except KeyError:
        raise ValueError(text) from None


def _strings(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(";") if item.strip())


_BOOLS = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(
    ("0", "false", "no", "off"), False
)
_READERS: Mapping[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    bool: _bool,
    tuple[str, ...]: _strings,
}
_NAMES: Mapping[Any, str] = {int: "a whole number", float: "a number", bool: "true or false"}
