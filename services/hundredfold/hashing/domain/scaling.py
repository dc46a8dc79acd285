"""Linear maps from small luma planes of any size straight to what the fast hashes compare.

Each is a matrix for the rows and one for the columns, made of the true size of the image in pixels of
the plane. So the grid lies over a copy of another size as it lies over the original, where resizing
whole pixels would move it. Sums are rounded to a multiple of far less than one grey level, but of far
more than an error of arithmetic: the order of summation, which differs between processors, moves no bit.
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

_LOBES = 3
_LONGEST_KEPT = 512
_KEPT = 2048


def frequencies(luma: Luma) -> NDArray[np.int32]:
    """The 8 x 8 lowest frequencies (cosine transform) of a plane, in STEPS: int32 [8, 8]."""
    rows = _matrix(_cosines, luma.pixels.shape[0], luma.height, FREQUENCIES)
    columns = _matrix(_cosines, luma.pixels.shape[1], luma.width, FREQUENCIES)
    return _rounded(rows @ luma.pixels @ columns.T)


def grid(luma: Luma) -> NDArray[np.int32]:
    """The grey image that dHash compares, by the filter of imagehash, in STEPS: int32 [8, 9]."""
    width, height = DHASH_SIZE
    rows = _matrix(_lanczos, luma.pixels.shape[0], luma.height, height)
    columns = _matrix(_lanczos, luma.pixels.shape[1], luma.width, width)
    return _rounded(rows @ luma.pixels @ columns.T)


def _rounded(sums: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(sums * STEPS).astype(np.int32)


def _matrix(make: _Make, pixels: int, side: float, count: int) -> NDArray[np.float64]:
    # A cache of long ones would be what a hostile sender fills the memory with.
    return (_kept if pixels <= _LONGEST_KEPT else _made)(make, pixels, side, count)


def _made(make: _Make, pixels: int, side: float, count: int) -> NDArray[np.float64]:
    return make(pixels, side, count)


_kept = lru_cache(_KEPT)(_made)


def _cosines(pixels: int, side: float, count: int) -> NDArray[np.float64]:
    """[count, pixels]: the mean of each cosine times the share of each pixel."""
    edges = np.minimum(np.arange(pixels + 1) / side, 1.0)
    turns = np.pi * np.arange(1, count)[:, None]
    return np.diff(np.concatenate([edges[None], np.sin(turns * edges) / turns]))


def _lanczos(pixels: int, side: float, count: int) -> NDArray[np.float64]:
    """[count, pixels]: weights of each pixel in each of the new ones."""
    ratio = side / count
    centres = (np.arange(count)[:, None] + 0.5) * ratio
    away = (np.arange(pixels) + 0.5 - centres) / max(ratio, 1.0)
    weights = np.where(np.abs(away) < _LOBES, np.sinc(away) * np.sinc(away / _LOBES), 0.0)
    weights *= np.clip(side - np.arange(pixels), 0.0, 1.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
