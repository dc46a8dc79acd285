"""What a worker process does: read some images of a part and hash them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from hundredfold.chassis.errors import PermissionDenied, ServiceError, Unavailable
from hundredfold.chassis.imaging import ImageError
from hundredfold.chassis.sources import Sources
from hundredfold.hashing.domain.algorithms import hash_images
from hundredfold.hashing.domain.arrays import Indices
from hundredfold.hashing.domain.filling import Chunk


@dataclass(frozen=True)
class ChunkTask:
    """Some images of a part.

    Attributes:
        sources: reads them.
        algorithms: the ways to hash them.
        part: its number.
        places: int64 [k], their places in the part.
        uris: where each is.
        sha256: of the encoded bytes of each at its ingest, 32 bytes, or None where not known.
    """

    sources: Sources
    algorithms: tuple[str, ...]
    part: int
    places: Indices
    uris: list[str]
    sha256: list[bytes | None]


def hash_chunk(task: ChunkTask) -> Chunk:
    """Hash the images of a task.

    An image that is gone, or not the one that was ingested, has failed: a hash of other bytes would
    make copies of what are none.

    Raises:
        PermissionDenied: none of the images may be read: a setting is wrong, not the images.
        Unavailable: none of them can be had now.
    """
    away: list[ServiceError] = []
    hashed = hash_images(_read(task, away), task.algorithms)
    if len(away) == len(task.uris):
        raise away[0]
    failed = task.places[sorted(hashed.failures)]
    return Chunk(task.part, task.places, hashed.hashes, failed)


def _read(task: ChunkTask, away: list[ServiceError]) -> Iterator[bytes | ImageError]:
    """The bytes of one image after the other, or why there are none; notes what may be there later."""
    images = task.sources.read_many(task.uris)
    for image, sha256 in zip(images, task.sha256, strict=True):
        if isinstance(image, ServiceError):
            if isinstance(image, PermissionDenied | Unavailable):
                away.append(image)
            yield ImageError(image.reason, image.message)
        elif sha256 is not None and hashlib.sha256(image).digest() != sha256:
            yield ImageError("CHANGED", "the bytes are not those that were ingested")
        else:
            yield image
