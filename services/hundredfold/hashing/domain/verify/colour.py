"""Whether two aligned pictures have the same colours: a shirt in red and in blue is not one picture."""

import numpy as np
from numpy.typing import NDArray

SIDE = 16
"""Pixels of a plane of colour across and down."""

_NEUTRAL = 128.0
_GREYEST = 4.0
"""Root mean square of the two colour differences, levels, below which a picture counts as grey."""

_RIM = 2
_CELL = 2
"""Pixels across and down that are taken together, after the pictures are aligned."""


def recoloured(shown: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far colours differ where both pictures have some, but for how strong they are.

    Args:
        shown: [n, 2, SIDE, SIDE], Cb and Cr of 0 to 255, aligned with `target`.
        target: the same of the other picture.

    Returns:
        float32 [n], levels: the difference in the tenth of the picture where it is largest; 0 where
        one of the two is grey.
    """
    left, right = (_inside(planes) for planes in (shown, target))
    power, other = (np.square(each).mean(axis=(1, 2)) for each in (left, right))
    grey = np.minimum(power, other) < _GREYEST**2
    strength = np.clip((left * right).mean(axis=(1, 2)) / np.maximum(power, 1.0), 0.5, 2.0)
    apart = np.sqrt(np.square(right - strength[:, None, None] * left).sum(axis=1))
    return np.where(grey, 0.0, np.quantile(apart, 0.9, axis=1)).astype(np.float32)


def _inside(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    inside = planes[:, :, _RIM:-_RIM, _RIM:-_RIM] - _NEUTRAL
    cells = (SIDE - 2 * _RIM) // _CELL
    means = inside.reshape(-1, 2, cells, _CELL, cells, _CELL).mean(axis=(3, 5))
    return np.asarray(means.reshape(-1, 2, cells**2), np.float32)
