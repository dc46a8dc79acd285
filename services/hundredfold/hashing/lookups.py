"""Looking images up among those of collections, which are kept in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.imaging import ImageError
from hundredfold.chassis.newest import Newest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.hashing.domain.algorithms import digest, hash_images
from hundredfold.hashing.domain.found import Found, with_equal
from hundredfold.hashing.store import fingerprint, hashed_pair

if TYPE_CHECKING:
    from hundredfold.hashing.domain.lookup import LookUpIndex

MOST_MATCHES = 100


@dataclass(frozen=True)
class _Known:
    """What is kept of a collection: how it is hashed, and its images."""

    pair: tuple[str, str]
    index: "LookUpIndex"


class LookUps:
    """Answers which rows images are copies of. Safe for threads.

    Args:
        store: the artifact store.
        most: collections that are kept in memory, the last used ones.
    """

    def __init__(self, store: ArtifactStore, most: int) -> None:
        self._store = store
        self._known: Newest[_Known] = Newest(most)

    def of_images(
        self, collection: str, encoded: Sequence[bytes], radius: int
    ) -> tuple[list[ImageError | None], Found]:
        """Why each image can't be looked up, or None, and what was found.

        Raises:
            Conflict: NOT_HASHED, OTHER_ALGORITHM, ARTIFACT_DAMAGED.
        """
        known = self._of(collection)
        hashed = hash_images(encoded, known.pair)
        phash, dhash = (hashed.hashes[name] for name in known.pair)
        near = known.index.near(phash, dhash, radius=radius, most=MOST_MATCHES)
        failures = [hashed.failures.get(place) for place in range(len(encoded))]
        equal = [
            known.index.equal(digest(data)) if failure is None else None
            for data, failure in zip(encoded, failures, strict=True)
        ]
        return failures, with_equal(near, equal, most=MOST_MATCHES)

    def of_hashes(
        self,
        collection: str,
        phash: NDArray[np.uint64],
        dhash: NDArray[np.uint64] | None,
        algorithms: Sequence[str],
        radius: int,
    ) -> Found:
        """What was found for hashes that were made in these ways.

        Raises:
            Conflict: NOT_HASHED, OTHER_ALGORITHM, ARTIFACT_DAMAGED.
        """
        known = self._of(collection)
        stored = known.pair[: len(algorithms)]
        if tuple(algorithms) != stored:
            raise Conflict(
                f"hashes of {' and '.join(algorithms)} can't be compared with those of {collection}, "
                f"which are of {' and '.join(stored)}",
                reason="OTHER_ALGORITHM",
            )
        return known.index.near(phash, dhash, radius=radius, most=MOST_MATCHES)

    def _of(self, collection: str) -> _Known:
        version = fingerprint(self._store, collection)
        return self._known.get(collection, version, lambda: self._read(collection))

    def _read(self, collection: str) -> _Known:
        from hundredfold.hashing.images import HashedImages  # noqa: PLC0415 - compiled

        pair = hashed_pair(self._store, collection)
        return _Known(pair, HashedImages(self._store, collection, pair).lookup_index())
