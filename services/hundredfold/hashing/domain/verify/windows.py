"""Hashes of parts of an image, by which crops and borders come up as candidates.

A hash of a whole image says nothing of a crop of it. But where one image is a crop of another, the hash of
the one is near to that of some window of the other; and an image with a border is one of which the
original is a window. So with the hashes of a few windows, an exact join of 64-bit values finds them: without
comparing each image with each, and for any number of images. What is between two windows is found too, as
hashes bear about 2 % at each edge.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.hashes import PHASH_SIZE, phash
from hundredfold.hashing.domain.verify.align import box

_EDGES = ((0.0, 1.0), (0.0, 0.95), (0.05, 1.0), (0.05, 0.95))
_WIDER = ((0.0, 0.9), (0.1, 1.0))

WINDOWS = (
    *((*across, *down) for down in _EDGES for across in _EDGES),
    (0.1, 0.9, 0.1, 0.9),
    *((*across, *down) for down in _WIDER for across in _WIDER),
)
"""Left, right, top and bottom edge of each in shares, the whole image first."""

RADIUS = 8
"""Bits within which 98.5 % of crops of 0 to 8 % at each edge by itself come up, and 4e-5 of other pairs."""

VERSION = "phash-windows-1"
"""Changes when a bit of a hash can."""

_CHUNK = 1024
_MOST_OWNERS = 64


class Join(Protocol):
    """Distinct values [u] and a radius to blocks [m, 2] of those that are 1 to radius bits apart."""

    def __call__(
        self, values: NDArray[np.uint64], radius: int, *, only: NDArray[np.bool_]
    ) -> Iterator[NDArray[np.uint64]]:
        """Pairs of which one value at least is marked in `only`."""


def window_hashes(luma: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The pHash of each window of planes uint8 [n, 64, 64]: uint64 [n, windows].

    Not to be compared with hashes of the images themselves, which are made from more pixels.
    """
    found = np.empty((len(luma), len(WINDOWS)), np.uint64)
    for begin in range(0, len(luma), _CHUNK):
        some = luma[begin : begin + _CHUNK].astype(np.float32)
        for number, (left, right, top, bottom) in enumerate(WINDOWS):
            across, down = box(left, right, PHASH_SIZE[0]), box(top, bottom, PHASH_SIZE[1])
            small = np.matmul(down, np.matmul(some, across.T))
            found[begin : begin + _CHUNK, number] = phash(small)
    return found


def window_pairs(
    hashes: NDArray[np.uint64], radius: int, join: Join
) -> Iterator[NDArray[np.int64]]:
    """Pairs of images of which a window of the one is near to the whole of the other.

    A value that very many windows have, as those of plain images have, tells nothing and is left out.

    Args:
        hashes: uint64 [n, windows], see `window_hashes`.
        radius: 0 to 10 bits.
        join: finds the values that are 1 to `radius` bits apart, of which one at least is marked.

    Yields:
        Blocks int64 [m, 2], the lower place first; a pair may come again.
    """
    owners = _Owners(hashes)
    yield owners.pairs(np.repeat(np.arange(len(owners.values))[:, None], 2, axis=1))
    for block in join(owners.values, radius, only=owners.whole):
        for begin in range(0, len(block), _CHUNK):
            yield owners.pairs(np.searchsorted(owners.values, block[begin : begin + _CHUNK]))


class _Owners:
    """Which window of which image has a value.

    Attributes:
        values: uint64 [u], ascending.
        whole: bool [u], whether it is of the whole of an image.
    """

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        flat = hashes.ravel()
        values, of, counts = np.unique(flat, return_inverse=True, return_counts=True)
        kept = counts <= _MOST_OWNERS
        order = np.argsort(of, kind="stable")
        order = order[kept[of[order]]]
        self.values = values[kept]
        self._counts = counts[kept]
        self._starts = np.cumsum(self._counts) - self._counts
        self._image, window = np.divmod(order, hashes.shape[1])
        self._is_whole = window == 0
        self.whole = np.zeros(len(self.values), np.bool_)
        places = np.repeat(np.arange(len(self.values)), self._counts)
        self.whole[places[self._is_whole]] = True

    def pairs(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The pairs of images of pairs of values, by their places: int64 [m, 2]."""
        one, other = places[:, 0], places[:, 1]
        products = self._counts[one] * self._counts[other]
        of = np.repeat(np.arange(len(places)), products)
        step = np.arange(len(of)) - np.repeat(np.cumsum(products) - products, products)
        across, along = np.divmod(step, self._counts[other][of])
        left, right = self._starts[one][of] + across, self._starts[other][of] + along
        some = self._is_whole[left] | self._is_whole[right]
        images = np.stack([self._image[left[some]], self._image[right[some]]], axis=1)
        images = np.sort(images[images[:, 0] != images[:, 1]], axis=1)
        return np.unique(images, axis=0)
