"""From small grey images to 64-bit hashes, and how far hashes are apart.

Bits are packed as `imagehash` writes them: row by row, the first bit is the most significant one, so
that `int(str(imagehash.phash(image)), 16)` is the same number.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

PHASH_SIZE = (32, 32)
DHASH_SIZE = (9, 8)
"""Width and height of the grey images."""

_KEPT = 8


def phash(grey: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """DCT hashes [n] of grey images uint8 [n, 32, 32], as in `imagehash.phash`.

    A bit says that one of the 8 x 8 lowest frequencies is above their median. After
    hackerfactor.com, "Looks Like It".
    """
    # The same routine on the same lines as imagehash: a matrix product rounds differently, which
    # flips bits of flat images, where all but one coefficient are 0.
    frequencies = scipy.fft.dct(scipy.fft.dct(grey, axis=1), axis=2)
    lowest = frequencies[:, :_KEPT, :_KEPT].reshape(-1, _KEPT * _KEPT)
    return _packed(lowest > np.median(lowest, axis=1, keepdims=True))


def dhash(grey: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Gradient hashes [n] of grey images uint8 [n, 8, 9], as in `imagehash.dhash`.

    A bit says that a pixel is brighter than its left neighbour. After hackerfactor.com, "Kind of
    Like That".
    """
    return _packed((grey[:, :, 1:] > grey[:, :, :-1]).reshape(-1, _KEPT * _KEPT))


def _packed(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
