"""The ways to hash, by the name and version they are stored under.

A change that can change a bit of a hash is a new version, and a new line in ALGORITHMS.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hundredfold.chassis.imaging import ImageError
from hundredfold.hashing.domain import hashes, pixels


@dataclass(frozen=True)
class Algorithm:
    """One way to hash.

    Attributes:
        decode: encoded image to a grey one; algorithms with the same share one decode.
        size: width and height of the grey image that is hashed.
        hash: uint8 [n, height, width] to uint64 [n].
    """

    decode: Callable[[bytes], Image.Image]
    size: tuple[int, int]
    hash: Callable[[NDArray[np.uint8]], NDArray[np.uint64]]


PHASH_EXACT = "phash-exact-1"
DHASH_EXACT = "dhash-exact-1"
PHASH_FAST = "phash-fast-1"
DHASH_FAST = "dhash-fast-1"

ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        PHASH_EXACT: Algorithm(pixels.exact_grey, hashes.PHASH_SIZE, hashes.phash),
        DHASH_EXACT: Algorithm(pixels.exact_grey, hashes.DHASH_SIZE, hashes.dhash),
        PHASH_FAST: Algorithm(pixels.fast_grey, hashes.PHASH_SIZE, hashes.phash),
        DHASH_FAST: Algorithm(pixels.fast_grey, hashes.DHASH_SIZE, hashes.dhash),
    }
)

DEFAULT = (PHASH_EXACT, DHASH_EXACT)

PAIRS = (DEFAULT, (PHASH_FAST, DHASH_FAST))
"""pHash and dHash that go together to find copies, the preferred ones first."""


@dataclass(frozen=True)
class Hashed:
    """The hashes of n images.

    Attributes:
        hashes: by algorithm, uint64 [n]; 0 where there is a failure.
        failures: why an image, by its place, has no hashes.
    """

    hashes: Mapping[str, NDArray[np.uint64]]
    failures: Mapping[int, ImageError]


def hash_images(images: Iterable[bytes | ImageError], algorithms: Sequence[str]) -> Hashed:
    """Hash encoded images in some ways, with one decode for those that can share it.

    Args:
        images: encoded images; an error stands for one that could not be had, and is passed on.
        algorithms: names in ALGORITHMS.
    """
    chosen = [ALGORITHMS[name] for name in algorithms]
    rows: list[list[NDArray[np.uint8]]] = []
    failures: dict[int, ImageError] = {}
    for place, image in enumerate(images):
        try:
            rows.append(_shrunk(image, chosen))
        except ImageError as error:
            failures[place] = error
            rows.append([_blank(algorithm) for algorithm in chosen])
    found = {}
    for column, (name, algorithm) in enumerate(zip(algorithms, chosen, strict=True)):
        grey = np.array([row[column] for row in rows], np.uint8)
        found[name] = algorithm.hash(grey.reshape(len(rows), *_blank(algorithm).shape))
        found[name][list(failures)] = 0
    return Hashed(found, failures)


def digest(data: bytes) -> NDArray[np.uint64]:
    """The sha256 of encoded bytes as uint64 [4]."""
    return np.frombuffer(hashlib.sha256(data).digest(), np.uint64)


def _shrunk(image: bytes | ImageError, chosen: Sequence[Algorithm]) -> list[NDArray[np.uint8]]:
    if isinstance(image, ImageError):
        raise image
    decoded = {decode: decode(image) for decode in {algorithm.decode for algorithm in chosen}}
    return [pixels.shrunk(decoded[algorithm.decode], algorithm.size) for algorithm in chosen]


def _blank(algorithm: Algorithm) -> NDArray[np.uint8]:
    width, height = algorithm.size
    return np.zeros((height, width), np.uint8)
