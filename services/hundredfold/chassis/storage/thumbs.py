"""Reading the thumbnails that an ingest wrote."""

import os

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore, damaged


class PartThumbnails:
    """The thumbnails of one part. Close it in the end.

    Raises:
        NotFound: the part has none.
    """

    def __init__(self, store: ArtifactStore, collection: str, part: int) -> None:
        folder = layout.thumbs(collection)
        # The offsets first: JPEGs are only ever appended, so those read later cover them.
        self._offsets = store.read_array(f"{folder}/{layout.thumbs_offsets(part)}", mmap=True)
        self._path = f"{folder}/{layout.thumbs_part(part)}"
        self._file = store.local(self._path).open("rb")

    def __enter__(self) -> "PartThumbnails":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, place: int) -> bytes:
        """The JPEG of a place in the part, empty where there is none.

        Raises:
            Conflict: ARTIFACT_DAMAGED.
        """
        if place + 1 >= len(self._offsets):
            raise damaged(self._path, "fewer offsets than rows")
        begin, end = (int(offset) for offset in self._offsets[place : place + 2])
        data = os.pread(self._file.fileno(), end - begin, begin)
        if len(data) < end - begin:
            raise damaged(self._path, "shorter than its offsets say")
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()
