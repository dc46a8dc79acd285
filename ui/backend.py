"""The services as the UI sees them: one client for the process, thumbnails kept for a while."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache

from hundredfold.client import Client

_KEPT_THUMBNAILS = 6_000


@cache
def client() -> Client:
    """The client of this process; channels are made at the first call."""
    return Client()


class Thumbnails:
    """JPEGs by (collection, row), the least lately used dropped first. Thread-safe."""

    def __init__(self, kept: int = _KEPT_THUMBNAILS) -> None:
        self._kept = kept
        self._jpegs: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, collection: str, row: int) -> bytes:
        """One thumbnail; empty when the image can't be shown. NotFound, InvalidArgument."""
        with self._lock:
            jpeg = self._jpegs.get((collection, row))
            if jpeg is not None:
                self._jpegs.move_to_end((collection, row))
                return jpeg
        self.fetch(collection, [row])
        with self._lock:
            return self._jpegs.get((collection, row), b"")

    def fetch(self, collection: str, rows: Sequence[int]) -> None:
        """Fetch those that are not there, in one call."""
        with self._lock:
            missing = [row for row in rows if (collection, row) not in self._jpegs]
        if not missing:
            return
        found = client().catalog.thumbnails(collection, missing)
        with self._lock:
            for row, jpeg in found.items():
                self._jpegs[(collection, row)] = jpeg
            while len(self._jpegs) > self._kept:
                self._jpegs.popitem(last=False)


thumbnails = Thumbnails()
