"""How far two aligned planes are the same picture: overall, in detail, and tile by tile.

Brightness and contrast are taken out first. *Detail* is what is left without the slow changes: two photographs
of the same kind of thing on the same ground agree in those, and not in detail. Tiles tell a small thing
laid over one of the pictures, which leaves all others as they were, from another picture.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hundredfold.hashing.domain.verify.align import SIDE, Planes, brightness, trust

Floats = NDArray[np.float32]

_TILE = 8
_RIM = 4
"""Pixels at each edge that are not looked at: there a border, or what a crop cut off, shines through."""

_TILES = (SIDE - 2 * _RIM) // _TILE
_FINE, _SLOW = 1.0, 3.0
"""Standard deviations, in pixels, of the blur against noise and of the blur that is taken as slow."""

_REPEATS = 3

_NOISE = 2.0
"""Grey levels of detail below which a tile is taken as plain: what JPEG makes of a clear sky."""

_FLATTEST = 5.0

_BAD_CORRELATION = 0.5
_BAD_RESIDUAL = 5.0
_BAD_SHARE_OF_SPREAD = 0.1
_OUTER = 2
"""Tiles from the edge inwards where a line of text or a logo is expected."""


@dataclass(frozen=True)
class Agreement:
    """What came of comparing n pairs, float32 [n] each.

    Attributes:
        detail: correlation of the detail, without bad tiles, -1 to 1.
        residual: what is different in all but the tenth of the tiles with most of it, without bad tiles,
            as a share of the contrast.
        gain: how much the contrast was changed by.
        bad: share of the tiles in which something else is to be seen.
        inner: share of the tiles that are bad and not near the edge.
        both: of the detail that is only in one of the two pictures in bad tiles, the share in the picture
            that has less of it: 0 where something was laid over one, towards 0.5 where something moved.
        contrast: standard deviation of the target, grey levels.
    """

    detail: Floats
    residual: Floats
    gain: Floats
    bad: Floats
    inner: Floats
    both: Floats
    contrast: Floats

    def take(self, places: NDArray[np.bool_] | NDArray[np.int64]) -> "Agreement":
        """Those of some pairs."""
        return Agreement(**{each.name: getattr(self, each.name)[places] for each in fields(self)})


def compare(shown: Planes, target: Planes) -> Agreement:
    """Compare what a window of one image shows with the whole of another."""
    shown, target = _blurred(shown, _FINE), _blurred(target, _FINE)
    gain, offset = brightness(shown, target)
    for _ in range(_REPEATS):  # what was laid over one of them is not to count
        gain, offset = brightness(shown, target, trust(target - gain * shown - offset))
    shown = gain * shown + offset
    residual = np.sqrt(np.square(_tiles(target - shown)).mean(axis=2))
    contrast = target.std(axis=(1, 2))
    left = _tiles(shown - _blurred(shown, _SLOW))
    right = _tiles(target - _blurred(target, _SLOW))
    together = (left * right).sum(axis=2)
    left_power, right_power = np.square(left).sum(axis=2), np.square(right).sum(axis=2)
    noise = _TILE**2 * _NOISE**2
    correlation = (together + noise) / (np.sqrt(left_power * right_power) + noise)
    floor = np.maximum(_BAD_RESIDUAL, _BAD_SHARE_OF_SPREAD * contrast)[:, None]
    bad = (correlation < _BAD_CORRELATION) & (residual > floor)
    good = ~bad
    all_power = np.sqrt((left_power * good).sum(axis=1) * (right_power * good).sum(axis=1))
    detail = ((together * good).sum(axis=1) + noise) / (all_power + noise)
    return Agreement(
        detail.astype(np.float32),
        (_ninth_decile(residual, good) / np.maximum(contrast, _FLATTEST)).astype(np.float32),
        gain[:, 0, 0].astype(np.float32),
        bad.mean(axis=1).astype(np.float32),
        (bad & _INNER).mean(axis=1).astype(np.float32),
        _in_both((right_power - left_power) * bad),
        contrast.astype(np.float32),
    )


def _blurred(planes: Planes, spread: float) -> Planes:
    return np.asarray(gaussian_filter(planes, (0, spread, spread), mode="nearest"), np.float32)


def _tiles(planes: Planes) -> Planes:
    """[n, tiles, pixels of a tile], without the rim."""
    inside = planes[:, _RIM : SIDE - _RIM, _RIM : SIDE - _RIM]
    cut = inside.reshape(-1, _TILES, _TILE, _TILES, _TILE).swapaxes(2, 3)
    return np.ascontiguousarray(cut).reshape(-1, _TILES**2, _TILE**2)


def _inner() -> NDArray[np.bool_]:
    inner = np.zeros((_TILES, _TILES), np.bool_)
    inner[_OUTER:-_OUTER, _OUTER:-_OUTER] = True
    return inner.ravel()


_INNER = _inner()


def _ninth_decile(residual: Planes, good: NDArray[np.bool_]) -> Floats:
    """Of the good tiles; infinite when there is none."""
    ranked = np.sort(np.where(good, residual, np.inf), axis=1)
    place = np.maximum(np.ceil(good.sum(axis=1) * 0.9).astype(np.int64) - 1, 0)
    return np.asarray(ranked[np.arange(len(ranked)), place], np.float32)


def _in_both(more: Planes) -> Floats:
    """Of differences of both signs, [n, tiles], the share of the lesser sign."""
    here, there = np.maximum(more, 0).sum(axis=1), np.maximum(-more, 0).sum(axis=1)
    return np.asarray(np.minimum(here, there) / np.maximum(here + there, 1.0), np.float32)
