"""Linear maps from small luma planes of any size straight to what the fast hashes compare.

Each is a matrix for the rows and one for the columns, made of the true size of the image in pixels of
the plane. So the grid lies over a copy of another size as it lies over the original, where resizing
whole pixels would move it.

All sums are exact, so that no processor or library can move a bit: weights are whole numbers of which
those of a row come to at most 2^16 in all (without their signs), so that products with pixels of 8 bits
stay whole numbers below 2^24, which float32 holds, and those of the second product below 2^53, which
float64 does.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.hashes import DHASH_SIZE
from hundredfold.hashing.domain.luma import Luma

_Make: TypeAlias = Callable[[int, float, int], NDArray[np.float64]]

FREQUENCIES = 8
STEPS = 1 << 14
"""Of one grey level."""

_ONE = 1 << 15
"""The weights that come to 1."""

_SHIFT = 16
_LOBES = 3
_LONGEST_KEPT = 512
_KEPT = 2048


def frequencies(luma: Luma) -> NDArray[np.int32]:
    """The 8 x 8 lowest frequencies (cosine transform) of a plane, in STEPS: int32 [8, 8]."""
    return _mapped(luma, _cosines, FREQUENCIES, FREQUENCIES)


def grid(luma: Luma) -> NDArray[np.int32]:
    """The grey image that dHash compares, by the filter of imagehash, in STEPS: int32 [8, 9]."""
    width, height = DHASH_SIZE
    return _mapped(luma, _lanczos, height, width)


def _mapped(luma: Luma, make: _Make, height: int, width: int) -> NDArray[np.int32]:
    rows, _ = _matrix(make, luma.pixels.shape[0], luma.height, height)
    _, columns = _matrix(make, luma.pixels.shape[1], luma.width, width)
    sums = (rows @ luma.pixels).astype(np.float64) @ columns
    return (sums.astype(np.int64) >> _SHIFT).astype(np.int32)


_Matrices: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float64]]


def _matrix(make: _Make, pixels: int, side: float, count: int) -> _Matrices:
    # A cache of long ones would be what a hostile sender fills the memory with.
    return (_kept if pixels <= _LONGEST_KEPT else _made)(make, pixels, side, count)


def _made(make: _Make, pixels: int, side: float, count: int) -> _Matrices:
    """Whole weights for rows [count, pixels] and the same for columns [pixels, count]."""
    # What is rounded is their sum from the left: the sums over plain areas are what they should be.
    whole = np.diff(np.rint(make(pixels, side, count) * _ONE))
    return whole.astype(np.float32), np.ascontiguousarray(whole.T)


_kept = lru_cache(_KEPT)(_made)


def _cosines(pixels: int, side: float, count: int) -> NDArray[np.float64]:
    """[count, pixels + 1]: the integral of each cosine up to each edge of a pixel."""
    edges = np.minimum(np.arange(pixels + 1) / side, 1.0)
    turns = np.pi * np.arange(1, count)[:, None]
    return np.concatenate([edges[None], np.sin(turns * edges) / turns])


def _lanczos(pixels: int, side: float, count: int) -> NDArray[np.float64]:
    """[count, pixels + 1]: the weights in each of the new pixels, summed up to each edge."""
    ratio = side / count
    centres = (np.arange(count)[:, None] + 0.5) * ratio
    away = (np.arange(pixels) + 0.5 - centres) / max(ratio, 1.0)
    weights = np.where(np.abs(away) < _LOBES, np.sinc(away) * np.sinc(away / _LOBES), 0.0)
    weights *= np.clip(side - np.arange(pixels), 0.0, 1.0)
    sums = np.cumsum(weights, axis=1)
    return np.pad(sums / sums[:, -1:], ((0, 0), (1, 0)))
