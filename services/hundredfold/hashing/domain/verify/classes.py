"""What a pair of images is to one another, by all that is known of them.

    SAME_BYTES      the same file
    SAME_PICTURE    re-encoded, resized, grey, brighter or darker, a little cropped or with a border, a line of text or a
                    logo laid over it near the edge
    SIMILAR         may be the same picture; a person has to look
    OTHER           not the same

The thresholds were chosen on half of the classes of caltech101 and measured on the other half and on clothing
(ADR 19), on the side where a doubt goes to a person: a wrong SAME_PICTURE is a wrong label that nobody looks at again.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.verify import align
from hundredfold.hashing.domain.verify.align import Planes, Windows
from hundredfold.hashing.domain.verify.colour import recoloured
from hundredfold.hashing.domain.verify.compare import Agreement, compare

_CHUNK = 128
"""Pairs at a time; each takes 0.4 MB while it is looked at."""

_LEAST_COARSE = 0.75
_LEAST_CONTRAST = 8.0
_GAIN = (0.7, 1.4)
_LEAST_DETAIL = 0.94
_MOST_RESIDUAL = 0.4
_LEAST_DETAIL_BESIDE = 0.95
_MOST_RESIDUAL_BESIDE = 0.3
_MOST_COVERED = 0.12
_MOST_IN_BOTH = 0.1
_MOST_COLOUR = 12.0
_SIMILAR_DETAIL = 0.9
_SIMILAR_RESIDUAL = 0.5
_SIMILAR_BAD = 0.15
_SURE_BITS = 2


class Kind(IntEnum):
    """See the module."""

    SAME_BYTES = 1
    SAME_PICTURE = 2
    SIMILAR = 3
    OTHER = 4


@dataclass(frozen=True)
class Look:
    """What is known of n images.

    Attributes:
        luma: uint8 [n, 64, 64], see `planes.py`.
        chroma: uint8 [n, 2, 16, 16].
        seen: bool [n], whether there are the two; without, hashes decide.
        fine: bool [n], whether they are of an image that is not small; of two small ones hashes decide.
        phash: uint64 [n].
        dhash: uint64 [n].
        sha256: uint64 [n, 4], zeros where not known.
    """

    luma: NDArray[np.uint8]
    chroma: NDArray[np.uint8]
    seen: NDArray[np.bool_]
    fine: NDArray[np.bool_]
    phash: NDArray[np.uint64]
    dhash: NDArray[np.uint64]
    sha256: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.luma)

    def take(self, places: NDArray[np.int64] | slice) -> "Look":
        """What is known of some of them."""
        return Look(
            self.luma[places],
            self.chroma[places],
            self.seen[places],
            self.fine[places],
            self.phash[places],
            self.dhash[places],
            self.sha256[places],
        )


@dataclass(frozen=True)
class Verdicts:
    """What n pairs are.

    Attributes:
        kind: uint8 [n], of `Kind`.
        likeness: float32 [n], 0 to 1, to rank pairs of one kind by.
        mirrored: bool [n], whether they are that when one of the two is mirrored.
    """

    kind: NDArray[np.uint8]
    likeness: NDArray[np.float32]
    mirrored: NDArray[np.bool_]


def classify(left: Look, right: Look, *, mirrored: bool = False) -> Verdicts:
    """What each image of `left` is to the one at the same place of `right`; order does not matter.

    Args:
        left: n images.
        right: n images.
        mirrored: a mirrored copy counts as a copy too.
    """
    chunks = [slice(begin, begin + _CHUNK) for begin in range(0, len(left), _CHUNK)]
    found = [_classify(left.take(some), right.take(some), mirrored) for some in chunks]
    none = Verdicts(np.empty(0, np.uint8), np.empty(0, np.float32), np.empty(0, np.bool_))
    return Verdicts(
        np.concatenate([none.kind, *(each.kind for each in found)]),
        np.concatenate([none.likeness, *(each.likeness for each in found)]),
        np.concatenate([none.mirrored, *(each.mirrored for each in found)]),
    )


def _classify(left: Look, right: Look, mirrored: bool) -> Verdicts:
    kind = _by_hashes(left, right)
    likeness = np.zeros(len(left), np.float32)
    flipped = np.zeros(len(left), np.bool_)
    equal = (left.sha256 == right.sha256).all(axis=1) & left.sha256.any(axis=1)
    seen = np.flatnonzero(left.seen & right.seen & (left.fine | right.fine) & ~equal)
    kind[seen], likeness[seen] = _by_pixels(left.take(seen), right.take(seen))
    rest = seen[kind[seen] != Kind.SAME_PICTURE]
    if mirrored and len(rest):
        again, like = _by_pixels(left.take(rest), _flipped(right.take(rest)))
        better = (again < kind[rest]) | ((again == kind[rest]) & (like > likeness[rest]))
        flipped[rest] = better
        kind[rest[better]], likeness[rest[better]] = again[better], like[better]
    kind[equal], likeness[equal] = Kind.SAME_BYTES, 1.0
    return Verdicts(kind, likeness, flipped)


def _flipped(look: Look) -> Look:
    return replace(look, luma=look.luma[:, :, ::-1], chroma=look.chroma[:, :, :, ::-1])


def _by_hashes(left: Look, right: Look) -> NDArray[np.uint8]:
    """Where one of the two can't be seen, or both are small: two hashes that agree make the same picture, else a person has to look."""
    bits = [np.bitwise_count(left.phash ^ right.phash), np.bitwise_count(left.dhash ^ right.dhash)]
    sure = np.maximum(*bits) <= _SURE_BITS
    return np.where(sure, Kind.SAME_PICTURE, Kind.SIMILAR).astype(np.uint8)


def _by_pixels(left: Look, right: Look) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    kind = np.full(len(left), Kind.OTHER, np.uint8)
    likeness = np.zeros(len(left), np.float32)
    if not len(left):
        return kind, likeness
    one, other = (look.luma.astype(np.float32) for look in (left, right))
    here, there = align.search(one, other), align.search(other, one)
    coarse = np.maximum(here.correlation, there.correlation)
    some = np.flatnonzero(coarse >= _LEAST_COARSE)
    if not len(some):
        return kind, likeness
    swap = (there.correlation > here.correlation)[some]
    source, target = _swapped(one[some], other[some], swap)
    windows, _ = _swapped(here.windows[some], there.windows[some], swap)
    windows = align.refine(source, target, windows)
    agreement = compare(align.view(source, windows), target)
    first, second = (look.chroma[some].astype(np.float32) for look in (left, right))
    colours = _colours(*_swapped(first, second, swap), windows)
    kind[some] = judge(agreement, colours)
    likeness[some] = np.clip(agreement.detail, 0, 1) * (1 - agreement.bad)
    return kind, likeness


def _swapped(one: Planes, other: Planes, swap: NDArray[np.bool_]) -> tuple[Planes, Planes]:
    by = swap.reshape(-1, *(1,) * (one.ndim - 1))
    return np.where(by, other, one), np.where(by, one, other)


def _colours(source: Planes, target: Planes, windows: Windows) -> NDArray[np.float32]:
    side = source.shape[-1]
    both = align.view(source.reshape(-1, side, side), np.repeat(windows, 2, axis=0))
    return recoloured(both.reshape(source.shape), target)


def judge(agreement: Agreement, colours: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The kind of each pair, by how far its pixels agree and its colours differ."""
    whole = (
        (agreement.bad == 0)
        & (agreement.detail >= _LEAST_DETAIL)
        & (agreement.residual <= _MOST_RESIDUAL)
    )
    # Something at the edge that is only in one of the two, and all else the same.
    overlaid = (
        (agreement.bad <= _MOST_COVERED)
        & (agreement.inner == 0)
        & (agreement.both <= _MOST_IN_BOTH)
        & (agreement.detail >= _LEAST_DETAIL_BESIDE)
        & (agreement.residual <= _MOST_RESIDUAL_BESIDE)
    )
    tells = (
        (agreement.contrast >= _LEAST_CONTRAST)
        & (agreement.gain >= _GAIN[0])
        & (agreement.gain <= _GAIN[1])
        & (colours <= _MOST_COLOUR)
    )
    similar = (
        (agreement.detail >= _SIMILAR_DETAIL)
        & (agreement.residual <= _SIMILAR_RESIDUAL)
        & (agreement.bad <= _SIMILAR_BAD)
    )
    kind = np.where(similar, Kind.SIMILAR, Kind.OTHER)
    return np.where((whole | overlaid) & tells, Kind.SAME_PICTURE, kind).astype(np.uint8)
