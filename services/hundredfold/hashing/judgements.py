"""What people said of pairs of images, as the labels service keeps it in the store."""

import hashlib
import io
import zipfile
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore, damaged
from hundredfold.hashing.domain.groups import Judgements

if TYPE_CHECKING:
    from hundredfold.hashing.images import HashedImages


def judgements_version(store: ArtifactStore, collection: str) -> str:
    """What changes when people say something else of a pair; "" before anybody said anything."""
    try:
        data = store.read_bytes(layout.pair_judgements(collection))
    except NotFound:
        return ""
    return hashlib.sha256(b"".join(each.tobytes() for each in _read(data, collection))).hexdigest()


def read_judgements(store: ArtifactStore, collection: str, images: "HashedImages") -> Judgements:
    """What people said; with the rows of equal bytes, of which the same holds.

    Raises:
        Conflict: ARTIFACT_DAMAGED.
    """
    try:
        data = store.read_bytes(layout.pair_judgements(collection))
    except NotFound:
        return Judgements()
    left, right, same, keep = _read(data, collection)
    pairs = np.stack([left, right], axis=1)
    pairs, same = pairs[right < images.rows], same[right < images.rows]
    apart = pairs[~same]
    equal, digests = images.of_bytes(images.digests(np.unique(apart)))
    _, number = np.unique(digests, axis=0, return_inverse=True)
    return Judgements(pairs[same], apart, np.stack([equal, number.reshape(-1)], axis=1), keep)


def _read(data: bytes, collection: str) -> tuple[NDArray[np.int64], ...]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            left, right, same = found["left"], found["right"], found["same"]
            keep = found["keep"] if "keep" in found else np.empty(0, np.int64)
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise damaged(layout.pair_judgements(collection), str(error)) from error
    return left, right, same, keep
