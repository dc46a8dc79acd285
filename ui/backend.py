"""The services as the UI sees them: one client for the process."""

from functools import cache

from hundredfold.chassis.errors import DeadlineExceeded, ServiceError, Unavailable
from hundredfold.client import Client


@cache
def client() -> Client:
    """The client of this process; channels are made at the first call."""
    return Client()


def in_words(error: ServiceError) -> str:
    """What a person is told: not where the services are."""
    if isinstance(error, Unavailable | DeadlineExceeded):
        return "A service does not answer; it is asked again"
    return error.message
