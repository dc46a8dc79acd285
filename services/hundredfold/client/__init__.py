"""The client of hundredfold: what the UI, the command line and other systems use.

from hundredfold.client import Client

with Client() as client:
    print([collection.name for collection in client.catalog.collections()])
"""

from hundredfold.client.client import SERVICES, Client
from hundredfold.client.connection import Connection

__all__ = ["SERVICES", "Client", "Connection"]
