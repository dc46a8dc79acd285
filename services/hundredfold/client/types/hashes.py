"""What became of images that were hashed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Algorithm(IntEnum):
    """A way to hash; `hashing.proto` says what each is."""

    PHASH_EXACT = 1
    DHASH_EXACT = 2
    PHASH_FAST = 3
    DHASH_FAST = 4
    PHASH_THUMB = 5
    DHASH_THUMB = 6


@dataclass(frozen=True)
class ImageHashes:
    """The hashes of the next n images.

    Attributes:
        hashes: uint64 [k, n], in the order of the algorithms asked for; 0 where there is a failure.
        sha256: uint8 [n, 32], of the encoded bytes; [0, 32] where not asked for.
        failures: the reason why an image, by its place among the n, has no hashes.
    """

    hashes: NDArray[np.uint64]
    sha256: NDArray[np.uint8]
    failures: Mapping[int, str]
