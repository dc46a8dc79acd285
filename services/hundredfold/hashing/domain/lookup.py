"""Which images of a collection one more image is a copy of."""

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.groups import Images
from hundredfold.hashing.domain.join import Indices


def copies_of(
    images: Images,
    phash: np.uint64,
    dhash: np.uint64,
    sha256: NDArray[np.uint64],
    *,
    radius: int,
    most: int,
) -> tuple[Indices, NDArray[np.uint8]]:
    """Rows that are ok and have the same bytes, or both hashes within the radius.

    Args:
        images: the collection.
        phash: of the one image.
        dhash: of the one image.
        sha256: uint64 [4], of its encoded bytes.
        radius: 0 to 10 bits.
        most: how many rows to return at most.

    Returns:
        Rows int64 [n], nearest first and then by number, and the bits in which the pHash differs
        uint8 [n], 0 for equal bytes.
    """
    bits = np.bitwise_count(images.phash ^ phash)
    near = np.flatnonzero(images.hashed & (bits <= radius))
    near = near[np.bitwise_count(images.dhash[near] ^ dhash) <= radius]
    same = np.flatnonzero(images.ok & (images.sha256[:, 0] == sha256[0]))
    same = same[(images.sha256[same] == sha256).all(axis=1)]
    rows = np.union1d(near, same)
    distances = np.where(np.isin(rows, same), 0, bits[rows]).astype(np.uint8)
    nearest = np.argsort(distances, kind="stable")[:most]
    return rows[nearest], distances[nearest]
