"""Lays points out on a plane so that neighbours are near each other and others are not: the optimiser of UMAP.

McInnes, Healy and Melville (2018), section 3.2, with `min_dist` 0.1. There, edges are taken one after the
other; here every point moves at once, by one neighbour and some others drawn for it, so that a step is a
handful of operations on whole arrays and comes out the same on any number of cores.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain.neighbourhood import Graph

Told = Callable[[float], None]
"""Called with the share of the steps that is done; what it raises ends the work."""

STEPS = 1000
OTHERS = 5
TELL_EVERY = 25

A, B = 1.577, 0.895
"""1 / (1 + A d^2B) is how much points at distance d are neighbours; fitted to `min_dist` 0.1."""

FARTHEST = 4.0
"""That one other point may move a point in one step."""

SOFT = 1e-3
EXTENT = 10.0
"""How far from 0 points begin."""


def silent(share: float) -> None:
    """Tell nobody."""


def spread_out(
    graph: Graph,
    start: NDArray[np.float32],
    *,
    seed: int,
    steps: int = STEPS,
    told: Told = silent,
) -> NDArray[np.float32]:
    """Float32 [n, 2]: where the points are in the end.

    Args:
        graph: who is whose neighbour.
        start: float32 [n, 2], not all the same.
        seed: of what is drawn.
        steps: more bring little (measured on features of photographs).
        told: how far it is.
    """
    rng = np.random.default_rng(seed)
    points = (start * (EXTENT / np.abs(start).max())).astype(np.float32)
    for step in range(steps):
        moved = _drawn_near(points, points[graph.draw(rng)])
        for _ in range(OTHERS):
            moved += _pushed_off(points, points[rng.integers(len(points), size=len(points))])
        points += np.float32(1 - step / steps) * moved
        if step % TELL_EVERY == 0:
            told(step / steps)
    return np.asarray(points, dtype=np.float32)


def _drawn_near(points: NDArray[np.float32], to: NDArray[np.float32]) -> NDArray[np.float32]:
    apart, squared = _apart(points, to)
    near = squared**B
    return _limited(apart, -2 * A * B * near / (np.maximum(squared, SOFT**2) * (1 + A * near)))


def _pushed_off(points: NDArray[np.float32], off: NDArray[np.float32]) -> NDArray[np.float32]:
    apart, squared = _apart(points, off)
    return _limited(apart, 2 * B / ((SOFT + squared) * (1 + A * squared**B)))


def _apart(
    points: NDArray[np.float32], others: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    apart = points - others
    return apart, np.asarray(np.einsum("nc,nc->n", apart, apart), dtype=np.float32)


def _limited(apart: NDArray[np.float32], force: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(np.clip(force[:, None] * apart, -FARTHEST, FARTHEST), dtype=np.float32)
