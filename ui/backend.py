"""The services as the UI sees them: one client for the process."""

from functools import cache

from hundredfold.client import Client


@cache
def client() -> Client:
    """The client of this process; channels are made at the first call."""
    return Client()
