"""What a worker process does: read some images of a part and hash them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from hundredfold.chassis.errors import PermissionDenied, ServiceError, Unavailable
from hundredfold.chassis.imaging import ImageError
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.storage.thumbs import PartThumbnails
from hundredfold.hashing.domain.algorithms import OF_THUMBNAIL, Hashed, hash_images
from hundredfold.hashing.domain.arrays import Indices
from hundredfold.hashing.domain.filling import Chunk


class Images(Protocol):
    """Images of a task, wherever they are."""

    def hashed(self, algorithms: tuple[str, ...]) -> Hashed:
        """Their hashes; a ServiceError when none of them can be had."""


@dataclass(frozen=True)
class ChunkTask:
    """Some images of a part.

    Attributes:
        images: reads and hashes them.
        algorithms: the ways to hash.
        part: its number.
        places: int64 [k], their places in the part.
    """

    images: Images
    algorithms: tuple[str, ...]
    part: int
    places: Indices


def hash_chunk(task: ChunkTask) -> Chunk:
    """Hash the images of a task.

    Raises:
        PermissionDenied: none of the images may be read: a setting is wrong, not the images.
        Unavailable: none of them can be had now.
        Conflict: ARTIFACT_DAMAGED, their thumbnails are.
    """
    hashed = task.images.hashed(task.algorithms)
    failed = task.places[sorted(hashed.failures)]
    return Chunk(task.part, task.places, hashed.hashes, failed)


@dataclass(frozen=True)
class Originals:
    """Images where they were ingested from.

    One that is gone, or not the one that was ingested, has failed: a hash of other bytes would make
    copies of what are none.

    Attributes:
        sources: reads them.
        uris: where each is.
        sha256: of the encoded bytes of each at its ingest, 32 bytes, or None where not known.
    """

    sources: Sources
    uris: list[str]
    sha256: list[bytes | None]

    def hashed(self, algorithms: tuple[str, ...]) -> Hashed:
        """See `Images`."""
        away: list[ServiceError] = []
        hashed = hash_images(self._read(away), algorithms)
        if len(away) == len(self.uris):
            raise away[0]
        return hashed

    def _read(self, away: list[ServiceError]) -> Iterator[bytes | ImageError]:
        """The bytes of one image after the other, or why there are none; notes what may be there later."""
        images = self.sources.read_many(self.uris)
        for image, sha256 in zip(images, self.sha256, strict=True):
            if isinstance(image, ServiceError):
                if isinstance(image, PermissionDenied | Unavailable):
                    away.append(image)
                yield ImageError(image.reason, image.message)
            elif sha256 is not None and hashlib.sha256(image).digest() != sha256:
                yield ImageError("CHANGED", "the bytes are not those that were ingested")
            else:
                yield image


@dataclass(frozen=True)
class Thumbnails:
    """Images by the thumbnails that their ingest kept, whatever became of the originals.

    Attributes:
        store: where they are.
        collection: of which they are.
        part: its number.
        places: int64 [k], their places in the part.
    """

    store: ArtifactStore
    collection: str
    part: int
    places: Indices

    def hashed(self, algorithms: tuple[str, ...]) -> Hashed:
        """See `Images`."""
        made = [OF_THUMBNAIL[name] for name in algorithms]
        with PartThumbnails(self.store, self.collection, self.part) as thumbs:
            hashed = hash_images((thumbs.read(int(place)) for place in self.places), made)
        renamed = {name: hashed.hashes[of] for name, of in zip(algorithms, made, strict=True)}
        return Hashed(renamed, hashed.failures)
