"""How likely a pair of images that look alike shows the same picture: what pages of pairs lean to.

By the bits in which the two pHashes differ, and by what people said of pairs with about as many.
"""

import numpy as np
from numpy.typing import NDArray

EVEN_BITS = 6.0
"""At this distance a pair of which nothing else is known is as likely the same picture as not."""

_STEEP_BITS = 2.0
_NEAR_BITS = 1.0
_BELIEVED = 4.0
_MOST_BITS = 64


def likely_same(
    distances: NDArray[np.uint8], judged: NDArray[np.uint8], same: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The probability that each pair shows the same picture: float32 [n].

    A logistic curve of the distance, which weighs as much as four judgements, and the share of "same" among those
    judged, the nearer in distance the more (a Gaussian of one bit).

    Args:
        distances: uint8 [n], of the pairs asked about.
        judged: uint8 [m], of pairs that people judged.
        same: bool [m], what they said.
    """
    bits = np.arange(_MOST_BITS + 1, dtype=np.float64)
    before = 1 / (1 + np.exp((bits - EVEN_BITS) / _STEEP_BITS))
    near = np.exp(-(((bits[:, None] - bits[None, :]) / _NEAR_BITS) ** 2) / 2)
    length = _MOST_BITS + 1
    said = np.bincount(np.minimum(judged, _MOST_BITS), minlength=length)
    yes = np.bincount(np.minimum(judged[same], _MOST_BITS), minlength=length)
    shares = (_BELIEVED * before + near @ yes) / (_BELIEVED + near @ said)
    return shares[np.minimum(distances, _MOST_BITS)].astype(np.float32)
