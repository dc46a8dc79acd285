"""Errors of other services say whose they are: the name is in their metadata, as `peer`."""

from collections.abc import Iterator
from contextlib import contextmanager

from hundredfold.chassis.errors import ServiceError


@contextmanager
def named(peer: str) -> Iterator[None]:
    """Name the service that is called within."""
    try:
        yield
    except ServiceError as error:
        error.metadata["peer"] = peer
        raise
