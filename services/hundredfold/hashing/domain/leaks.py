"""Copies across sides: of a collection those that are in another one, of training images those of tests."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.compiling import compiled, inlined
from hundredfold.hashing.domain.stars.pairs import Join, image_pairs
from hundredfold.hashing.domain.stars.table import table

MOST_SIDES = 16
NONE = 0xFFFFFFFF


@dataclass(frozen=True)
class Leaks:
    """Of each image whether, where and how near a copy of it is on another side.

    Attributes:
        nearest: uint32 [n], the index of the nearest one, of equally near ones the first; NONE where none.
        distance: uint8 [n], bits of the pHash to that.
        seen: uint16 [n], bit s is set where a copy is on side s.
    """

    nearest: NDArray[np.uint32]
    distance: NDArray[np.uint8]
    seen: NDArray[np.uint16]

    def counts(self, side: NDArray[np.uint8], sides: int) -> list[list[int]]:
        """How many images of each side have a copy on each other one: [from][to]."""
        return [
            [int(((self.seen[side == one] >> np.uint16(two)) & 1).sum()) for two in range(sides)]
            for one in range(sides)
        ]


@inlined
def _bits(value: Any) -> Any:
    n = 0
    while value != 0:
        value &= value - np.uint64(1)
        n += 1
    return n


@inlined
def _take(nearest: NDArray[np.uint32], distance: NDArray[np.uint8], i: Any, j: Any, d: Any) -> None:
    if d < distance[i] or (d == distance[i] and j < nearest[i]):
        distance[i], nearest[i] = d, j


@compiled("void(uint64[::1], uint64[::1], uint8[::1], uint32[::1], uint8[::1], uint16[::1])")
def _note(
    pairs: NDArray[np.uint64],
    phash: NDArray[np.uint64],
    side: NDArray[np.uint8],
    nearest: NDArray[np.uint32],
    distance: NDArray[np.uint8],
    seen: NDArray[np.uint16],
) -> None:
    for pair in pairs:
        i, j = np.int64(pair >> np.uint64(32)), np.int64(pair & np.uint64(0xFFFFFFFF))
        if side[i] == side[j]:
            continue
        apart = _bits(phash[i] ^ phash[j])
        _take(nearest, distance, i, j, apart)
        _take(nearest, distance, j, i, apart)
        seen[i] |= np.uint16(1) << np.uint16(side[j])
        seen[j] |= np.uint16(1) << np.uint16(side[i])


def leaks(
    phash: NDArray[np.uint64],
    dhash: NDArray[np.uint64],
    side: NDArray[np.uint8],
    near: Iterable[NDArray[np.uint64]],
    radius: int,
    *,
    join: Join,
    check: Callable[[], None] = lambda: None,
) -> Leaks:
    """The copies across sides: images both of whose hashes are within the radius.

    Memory is linear in the images, however many pairs are near.

    Args:
        phash: uint64 [n].
        dhash: uint64 [n].
        side: uint8 [n], below MOST_SIDES.
        near: blocks of all pairs of values of the pHash across sides that are 1 to `radius` bits apart.
        radius: 0 to 10 bits.
        join: finds near values, where many images have one pHash.
        check: called now and then; may raise.
    """
    images = table(phash, dhash, side=side)
    nearest = np.full(len(phash), NONE, np.uint32)
    distance = np.full(len(phash), 255, np.uint8)
    seen = np.zeros(len(phash), np.uint16)
    for pairs in image_pairs(images, near, radius, join):
        check()
        _note(pairs, phash, side, nearest, distance, seen)
    first = images.first
    return Leaks(nearest[first], distance[first], seen[first])


def equal_across(digest: NDArray[np.uint64], side: NDArray[np.uint8], join: Join) -> Leaks:
    """The same for images without hashes: copies are those of equal bytes, by their sha256 uint64 [n, 4]."""
    one, two = (np.ascontiguousarray(digest[:, word]) for word in (0, 1))
    return leaks(one, two, side, [], 0, join=join)
