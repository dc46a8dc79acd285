"""From near pairs of pHash values to near pairs of images.

The join compares one hash, whose values it knows; an image has two, and one value may be of many images.
Each pair of values is resolved into the images that have them, and the dHash vetoes.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.compiling import compiled, inlined
from hundredfold.hashing.domain.stars.table import Table, table

Join = Callable[[NDArray[np.uint64], int], Iterator[NDArray[np.uint64]]]
"""Distinct values [u] and a radius to blocks [m, 2] of values that are 1 to radius bits apart."""

_ROOM = 1 << 21
_MOST_PRODUCT = 1 << 20
"""Pairs of images of one pair of values that are looked at one by one; more are joined by the dHash."""

_MOST_LARGE = 256
_SLOTS_AT_ONCE = 1 << 20


@inlined
def _entry(phash: NDArray[np.uint64], slots: NDArray[np.uint32], bits: int, value: Any) -> Any:
    """1 + the last index that has the value, 0 when none has."""
    mixed = value ^ (value >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    at: Any = np.int64(mixed >> np.uint64(64 - bits))
    last = np.int64(len(slots) - 1)
    while slots[at] != 0 and phash[np.int64(slots[at]) - 1] != value:
        at = (at + 1) & last
    return np.int64(slots[at])


@inlined
def _length(chained: NDArray[np.uint32], entry: Any, most: int) -> int:
    n = 0
    while entry != 0 and n < most:
        n += 1
        entry = np.int64(chained[entry - 1])
    return n


@inlined
def _bits(value: Any) -> Any:
    value -= (value >> np.uint64(1)) & np.uint64(0x5555555555555555)
    value = (value & np.uint64(0x3333333333333333)) + (
        (value >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    value = (value + (value >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((value * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled(
    "void(uint64[:, :], uint64[::1], uint64[::1], uint32[::1], int64, uint32[::1], int64, int64,"
    " uint64[::1], int64[::1], int64[::1])"
)
def _resolve(
    block: NDArray[np.uint64],
    phash: NDArray[np.uint64],
    dhash: NDArray[np.uint64],
    slots: NDArray[np.uint32],
    slot_bits: int,
    chained: NDArray[np.uint32],
    radius: int,
    most_product: int,
    out: NDArray[np.uint64],
    large: NDArray[np.int64],
    state: NDArray[np.int64],
) -> None:
    """Go on from pair `state[0]`; `state[1]` pairs of images and `state[2]` large ones are there."""
    k, n, m = state[0], state[1], state[2]
    both = len(dhash) > 0
    while k < len(block):
        a: Any = _entry(phash, slots, slot_bits, block[k, 0])
        b = _entry(phash, slots, slot_bits, block[k, 1])
        if a == 0 or b == 0:  # values of images that are no more
            k += 1
            continue
        product = _length(chained, a, most_product) * _length(chained, b, most_product)
        if product > most_product:
            if m == len(large):
                break
            large[m] = k
            m += 1
            k += 1
            continue
        if n + product > len(out):
            break
        x: Any = a
        while x != 0:
            i = x - 1
            x = np.int64(chained[i])
            y: Any = x if a == b else b
            while y != 0:
                j = y - 1
                y = np.int64(chained[j])
                if not both or _bits(dhash[i] ^ dhash[j]) <= radius:
                    out[n] = (np.uint64(min(i, j)) << np.uint64(32)) | np.uint64(max(i, j))
                    n += 1
        k += 1
    state[0], state[1], state[2] = k, n, m


@compiled("int64(uint64[::1], uint32[::1], uint32[::1], int64, int64, uint64[::1])")
def _shared(
    phash: NDArray[np.uint64],
    slots: NDArray[np.uint32],
    chained: NDArray[np.uint32],
    begin: int,
    end: int,
    out: NDArray[np.uint64],
) -> int:
    """Values in some slots that more than one image has; how many."""
    n = 0
    for at in range(begin, end):
        if slots[at] != 0 and chained[np.int64(slots[at]) - 1] != 0:
            out[n] = phash[np.int64(slots[at]) - 1]
            n += 1
    return n


@compiled("int64(uint64[::1], uint32[::1], int64, uint32[::1], uint64, uint32[::1])")
def _images(
    phash: NDArray[np.uint64],
    slots: NDArray[np.uint32],
    slot_bits: int,
    chained: NDArray[np.uint32],
    value: Any,
    out: NDArray[np.uint32],
) -> int:
    entry: Any = _entry(phash, slots, slot_bits, value)
    n = 0
    while entry != 0:
        if n < len(out):
            out[n] = entry - 1
        n += 1
        entry = np.int64(chained[entry - 1])
    return n


def image_pairs(
    images: Table,
    blocks: Iterable[NDArray[np.uint64]],
    radius: int,
    join: Join,
    *,
    most_product: int = _MOST_PRODUCT,
) -> Iterator[NDArray[np.uint64]]:
    """The near pairs of distinct images, each at least once.

    Args:
        images: the images by pHash.
        blocks: uint64 [m, 2], pairs of values of the pHash that are 1 to `radius` bits apart.
        radius: 0 to 10 bits, of both hashes.
        join: finds the near values among those of a hash.
        most_product: images of one pair of values that are compared one by one.

    Yields:
        uint64 [p], index of the better image << 32 | index of the worse one; read it before you go on.
    """
    work = _Resolving(images, radius, join, most_product)
    for block in blocks:
        yield from work.resolve(block)
    yield from work.resolve_equal()
    yield work.rest()


class _Resolving:
    def __init__(self, images: Table, radius: int, join: Join, most_product: int) -> None:
        self._images = images
        self._radius = radius
        self._join = join
        self._most_product = most_product
        self._slot_bits = (len(images.slots) - 1).bit_length()
        self._out = np.empty(max(_ROOM, most_product), np.uint64)
        self._large = np.empty(_MOST_LARGE, np.int64)
        self._filled = 0

    def resolve(self, block: NDArray[np.uint64]) -> Iterator[NDArray[np.uint64]]:
        state = np.array([0, self._filled, 0])
        images = self._images
        while state[0] < len(block):
            _resolve(
                block, images.phash, images.dhash, images.slots, self._slot_bits, images.chained,
                self._radius, self._most_product, self._out, self._large, state,
            )  # fmt: skip
            self._filled = int(state[1])
            large = block[self._large[: state[2]]]
            if state[0] < len(block) or len(large):
                yield self.rest()
                state[1] = state[2] = 0
            for left, right in large:
                yield from self._by_dhash(left, right)

    def resolve_equal(self) -> Iterator[NDArray[np.uint64]]:
        """Pairs of images of one pHash."""
        images = self._images
        values = np.empty(min(_SLOTS_AT_ONCE, len(images.slots)), np.uint64)
        for begin in range(0, len(images.slots), len(values)):
            end = min(begin + len(values), len(images.slots))
            n = _shared(images.phash, images.slots, images.chained, begin, end, values)
            yield from self.resolve(np.repeat(values[:n, None], 2, axis=1))

    def rest(self) -> NDArray[np.uint64]:
        found, self._filled = self._out[: self._filled], 0
        return found

    def _by_dhash(self, left: np.uint64, right: np.uint64) -> Iterator[NDArray[np.uint64]]:
        """The near pairs among the very many images of two values; both are near to one another."""
        here = np.unique(np.concatenate([self._of(left), self._of(right)]))
        dhash, phash = self._images.dhash[here], self._images.phash[here]
        apart = np.repeat(np.arange(len(here))[:, None], 2, axis=1)  # they are distinct already
        within = table(dhash, phash, settled=apart)
        near = self._join(np.unique(dhash), self._radius)
        # Two pHash values and no equal image twice: at most two images have a dHash, so this ends here.
        for found in image_pairs(within, near, self._radius, self._join):
            better, worse = here[found >> np.uint64(32)], here[found & np.uint64(0xFFFFFFFF)]
            yield (better.astype(np.uint64) << np.uint64(32)) | worse

    def _of(self, value: np.uint64) -> NDArray[np.uint32]:
        images = self._images
        found = np.empty(0, np.uint32)
        for _ in range(2):  # the first time for their number
            n = _images(images.phash, images.slots, self._slot_bits, images.chained, value, found)
            found = found if len(found) else np.empty(n, np.uint32)
        return found
