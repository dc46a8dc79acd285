"""The ways to hash, by the name and version they are stored under.

A change that can change a bit of a hash is a new version, and a new line in ALGORITHMS.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hundredfold.chassis.imaging import ImageError
from hundredfold.chassis.thumbnails import thumbnail
from hundredfold.hashing.domain import hashes, luma, pixels, scaling


@dataclass(frozen=True)
class Algorithm:
    """One way to hash.

    Attributes:
        decode: an encoded image to what `small` takes; algorithms with the same share one decode.
        small: to the numbers that are hashed, of this shape.
        shape: of those of one image.
        hash: the numbers of n images [n, *shape] to uint64 [n].
    """

    decode: Callable[[bytes], Any]
    small: Callable[[Any], NDArray[Any]]
    shape: tuple[int, int]
    hash: Callable[[NDArray[Any]], NDArray[np.uint64]]


def _to(size: tuple[int, int]) -> Callable[[Image.Image], NDArray[np.uint8]]:
    return lambda grey: pixels.shrunk(grey, size)


def _thumb_luma(data: bytes) -> luma.Luma:
    return luma.luma(thumbnail(data))


def _rising(grid: NDArray[np.int32]) -> NDArray[np.uint64]:
    return hashes.rising(grid, scaling.STEPS)


PHASH_EXACT = "phash-exact-1"
DHASH_EXACT = "dhash-exact-1"
PHASH_FAST = "phash-fast-2"
DHASH_FAST = "dhash-fast-2"
PHASH_THUMB = "phash-thumb-1"
DHASH_THUMB = "dhash-thumb-1"

ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        PHASH_EXACT: Algorithm(
            pixels.exact_grey, _to(hashes.PHASH_SIZE), hashes.PHASH_SIZE[::-1], hashes.phash
        ),
        DHASH_EXACT: Algorithm(
            pixels.exact_grey, _to(hashes.DHASH_SIZE), hashes.DHASH_SIZE[::-1], hashes.dhash
        ),
        PHASH_FAST: Algorithm(luma.luma, scaling.frequencies, (8, 8), hashes.above_median),
        DHASH_FAST: Algorithm(luma.luma, scaling.grid, hashes.DHASH_SIZE[::-1], _rising),
        PHASH_THUMB: Algorithm(_thumb_luma, scaling.frequencies, (8, 8), hashes.above_median),
        DHASH_THUMB: Algorithm(_thumb_luma, scaling.grid, hashes.DHASH_SIZE[::-1], _rising),
    }
)

OF_THUMBNAIL: Mapping[str, str] = MappingProxyType(
    {PHASH_THUMB: PHASH_FAST, DHASH_THUMB: DHASH_FAST}
)
"""What makes the hashes of some algorithms of the thumbnails that the ingest kept."""

DEFAULT = (PHASH_EXACT, DHASH_EXACT)

PAIRS = (DEFAULT, (PHASH_THUMB, DHASH_THUMB), (PHASH_FAST, DHASH_FAST))
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
    rows: list[list[NDArray[Any]]] = []
    failures: dict[int, ImageError] = {}
    blank = [np.zeros(algorithm.shape, np.uint8) for algorithm in chosen]
    for place, image in enumerate(images):
        try:
            rows.append(_small(image, chosen))
        except ImageError as error:
            failures[place] = error
            rows.append(blank)
    found = {}
    for column, (name, algorithm) in enumerate(zip(algorithms, chosen, strict=True)):
        numbers = np.array([row[column] for row in rows]) if rows else blank[column][None][:0]
        found[name] = algorithm.hash(numbers)
        found[name][list(failures)] = 0
    return Hashed(found, failures)


def digest(data: bytes) -> NDArray[np.uint64]:
    """The sha256 of encoded bytes as uint64 [4]."""
    return np.frombuffer(hashlib.sha256(data).digest(), np.uint64)


def _small(image: bytes | ImageError, chosen: Sequence[Algorithm]) -> list[NDArray[Any]]:
    if isinstance(image, ImageError):
        raise image
    decoded = {decode: decode(image) for decode in {algorithm.decode for algorithm in chosen}}
    return [algorithm.small(decoded[algorithm.decode]) for algorithm in chosen]
