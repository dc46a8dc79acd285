"""Greedy choice without looking at every candidate every time.

What a candidate would add only shrinks as others are chosen, so what it added when last looked at is an
upper bound (Minoux 1978, accelerated greedy): only those whose bound is highest are looked at again. The
choice is that of the plain greedy algorithm.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_BLOCK = 64


def lazily(
    bounds: NDArray[np.float64],
    now: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    chosen: Callable[[int], None],
    count: int,
) -> NDArray[np.int64]:
    """Choose the candidate that adds most, again and again.

    Args:
        bounds: float64 [c], at least what each adds.
        now: what candidates, int64 [b], add beside those chosen so far: float64 [b].
        chosen: told of each choice.
        count: how many to choose.

    Returns:
        The choices in order, int64 [min(count, c)].
    """
    bounds = bounds.copy()
    order: list[int] = []
    while len(order) < min(count, len(bounds)):
        top, rest = _highest(bounds)
        bounds[top] = now(top)
        best = int(top[bounds[top].argmax()])
        if bounds[best] >= rest:
            order.append(best)
            bounds[best] = -np.inf
            chosen(best)
    return np.array(order, np.int64)


def _highest(bounds: NDArray[np.float64]) -> tuple[NDArray[np.int64], float]:
    """The candidates of highest bound, by place, and the highest bound of the others."""
    open_ = np.flatnonzero(bounds > -np.inf)
    if len(open_) <= _BLOCK:
        return open_, -np.inf
    order = np.argpartition(-bounds[open_], _BLOCK)
    return np.sort(open_[order[:_BLOCK]]), float(bounds[open_[order[_BLOCK]]])
