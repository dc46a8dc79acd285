"""Groups of copies around representatives, without chaining.

A chain of small differences can lead from any image to any other, so groups are stars instead: images
are taken from the best to the worst, and each becomes a copy of the best representative that it is
near to, or a representative itself. Every copy is thus near to its representative, and no two
representatives are near to one another (the lexicographically first maximal independent set of the
graph of near pairs).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.join import Indices, Values, first_near, near_pairs

NO_REPRESENTATIVE = -1

_MOST_PAIRS = 5_000_000
"""Pairs held at once (16 bytes each); more are avoided by halving. Any value gives the same groups."""


@dataclass(frozen=True)
class Images:
    """What is known of the N images of a collection, by row.

    Attributes:
        phash: uint64 [N].
        dhash: uint64 [N].
        sha256: uint64 [N, 4], the digest of the encoded bytes.
        pixels: int64 [N], width times height.
        ok: bool [N], whether the image could be decoded.
        hashed: bool [N], whether there are hashes that tell the image from others; never where not
            `ok`.
    """

    phash: NDArray[np.uint64]
    dhash: NDArray[np.uint64]
    sha256: NDArray[np.uint64]
    pixels: NDArray[np.int64]
    ok: NDArray[np.bool_]
    hashed: NDArray[np.bool_]


@dataclass(frozen=True)
class Groups:
    """Which image stands for which.

    Attributes:
        representative: int64 [N], -1 for an image that is not ok.
        distance: uint8 [N], bits between the pHash of a row and that of its representative.
    """

    representative: Indices
    distance: NDArray[np.uint8]

    @property
    def representatives(self) -> int:
        """How many images stand for themselves."""
        return int((self.representative == np.arange(len(self.representative))).sum())

    @property
    def copies(self) -> int:
        """How many images another one stands for."""
        return int((self.representative >= 0).sum()) - self.representatives


def group(images: Images, radius: int, *, most_pairs: int = _MOST_PAIRS) -> Groups:
    """Group images whose bytes are equal, or whose hashes are both within `radius` (0 to 10) bits.

    The best image has most pixels, then the lowest row. Rows that are ok and not hashed are copies of
    nothing but equal bytes.
    """
    best_first = np.lexsort((np.arange(len(images.ok)), -images.pixels))
    representative = np.full(len(images.ok), NO_REPRESENTATIVE, np.int64)
    hashed = best_first[images.hashed[best_first]]
    representative[hashed] = _near_representative(images, hashed, radius, most_pairs)
    bare = best_first[(images.ok & ~images.hashed)[best_first]]
    if len(bare):
        _adopt_equal_bytes(representative, images.sha256, hashed, bare)
    return Groups(representative, _distances(images, representative))


def _near_representative(images: Images, hashed: Indices, radius: int, most_pairs: int) -> Indices:
    """The representative of each hashed row, both in the order from best to worst."""
    # Equal values collapse to their best row, so that a million blank images cost one value.
    values, best, value_of = _unique(Values(images.phash, images.dhash).take(hashed))
    return hashed[best][_stars(values, radius, most_pairs)][value_of]


def _unique(values: Values) -> tuple[Values, Indices, Indices]:
    """Unique values by first occurrence, the index of that, and for each value its unique index."""
    order = np.lexsort((values.dhash, values.phash))  # stable: equal values stay in their order
    sorted_ = values.take(order)
    new = np.ones(len(order), np.bool_)
    new[1:] = (sorted_.phash[1:] != sorted_.phash[:-1]) | (sorted_.dhash[1:] != sorted_.dhash[:-1])
    first = order[new]
    by_first = np.argsort(first)
    place = np.empty(len(first), np.int64)
    place[by_first] = np.arange(len(first))
    value_of = np.empty(len(order), np.int64)
    value_of[order] = place[np.cumsum(new) - 1]
    return values.take(first[by_first]), first[by_first], value_of


def _stars(values: Values, radius: int, most_pairs: int) -> Indices:
    """The index of the centre of each value, int64 [n]; values are unique and sorted best first."""
    if radius == 0 or len(values) < 2:
        return np.arange(len(values))
    pairs = near_pairs(values, radius, limit=most_pairs)
    if pairs is not None:
        return _greedy(len(values), *pairs)
    # Too dense to list. The first half does not depend on the second; what its centres cover, mostly
    # all in a dense set, needs no pairs.
    half = len(values) // 2
    early, late = np.arange(half), np.arange(half, len(values))
    centre = np.concatenate([_stars(values.take(early), radius, most_pairs), late])
    centres = np.flatnonzero(centre[:half] == early)
    nearest = first_near(values.take(centres), values.take(late), radius)
    covered, rest = late[nearest >= 0], late[nearest < 0]
    centre[covered] = centres[nearest[nearest >= 0]]
    centre[rest] = rest[_stars(values.take(rest), radius, most_pairs)]
    return centre


def _greedy(n: int, better: Indices, worse: Indices) -> Indices:
    order = np.argsort(better)
    better, worse = better[order], worse[order]
    candidates, starts = np.unique(better, return_index=True)
    ends = np.append(starts, len(better))[1:]
    centre = np.arange(n)
    for candidate, start, end in zip(
        candidates.tolist(), starts.tolist(), ends.tolist(), strict=True
    ):
        if centre[candidate] == candidate:
            near = worse[start:end]
            centre[near[centre[near] == near]] = candidate
    return centre


def _adopt_equal_bytes(
    representative: Indices, sha256: NDArray[np.uint64], hashed: Indices, bare: Indices
) -> None:
    """Give rows without hashes the representative of equal bytes, else the best row of them."""
    wanted = {sha256[row].tobytes(): -1 for row in bare}
    for row in (*hashed[np.isin(sha256[hashed, 0], sha256[bare, 0])], *bare):
        key = sha256[row].tobytes()
        if wanted.get(key) == -1:
            wanted[key] = representative[row] if representative[row] >= 0 else row
    representative[bare] = [wanted[sha256[row].tobytes()] for row in bare]


def _distances(images: Images, representative: Indices) -> NDArray[np.uint8]:
    other = np.where(representative >= 0, representative, 0)
    known = images.hashed & images.hashed[other] if len(other) else images.hashed
    bits = np.bitwise_count(images.phash ^ images.phash[other])
    return np.where(known, bits, 0).astype(np.uint8)
