"""One image, large enough to look at closely, made anew from its source."""

import hashlib
import threading

from hundredfold.catalog.store import CatalogStore
from hundredfold.chassis.errors import Conflict, InvalidArgument
from hundredfold.chassis.imaging import ImageError
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.thumbnails import shrunk

DEFAULT_SIDE = 1024
MAX_SIDE = 2048
QUALITY = 90


class Pictures:
    """Reads images again where they came from.

    Only bytes with the sha256 that ingest saw are decoded: those have been decoded in a guarded
    process before, so that this one can do it in the service's own.
    """

    def __init__(self, store: CatalogStore, sources: Sources, *, at_once: int = 2) -> None:
        self._store = store
        self._sources = sources
        # An image of the largest size allowed takes 300 MB while it is decoded and shrunk.
        self._room = threading.BoundedSemaphore(at_once)

    def jpeg(self, collection: str, row: int, max_side: int) -> bytes:
        """The image as a JPEG, upright and without metadata, its longer side at most `max_side`.

        Raises:
            NotFound: no such collection or row, or its source is gone.
            InvalidArgument: `max_side` is negative.
            Conflict: it can't be decoded, or is not the image any more that was taken in.
        """
        if max_side < 0:
            raise InvalidArgument("max_side must not be negative", field="max_side")
        image = self._store.image(collection, row)
        if not image.ok:
            raise Conflict(f"{image.status}: {image.error}", reason="IMAGE_FAILED")
        with self._room:
            data = self._sources.read(image.uri)
            if hashlib.sha256(data).digest() != image.sha256:
                raise Conflict(
                    "the source holds another image now than was taken in", reason="IMAGE_CHANGED"
                )
            most = min(max_side or DEFAULT_SIDE, MAX_SIDE)
            try:
                return shrunk(data, most, (image.width, image.height), QUALITY)
            except ImageError as error:
                raise Conflict(f"{error.reason}: {error}", reason="IMAGE_FAILED") from error
