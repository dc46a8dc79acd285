"""Brings small grey planes of two images over each other: one may be a window of the other.

A crop, a border and a resize all are maps of the axes: x goes to a x + b and y to c y + d, in shares of the
width and the height. First a coarse search looks at all windows with the edges on a grid, at 16 x 16 pixels, by
normalised correlation; then a few steps of Gauss-Newton (Lucas and Kanade 1981, with a gain and an offset of
the brightness, and weights of Geman and McClure against what was laid over one of the two) move the edges
to fractions of a pixel.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

SIDE = 64
"""Pixels of a plane across and down."""

MOST_CUT = 0.15
"""Share of the width or height that may be missing at one edge."""

Planes: TypeAlias = NDArray[np.float32]
"""[n, SIDE, SIDE]."""

Windows: TypeAlias = NDArray[np.float32]
"""[n, 4]: left, right, top, bottom edge, in shares: all of a plane is 0, 1, 0, 1."""

_COARSE = 16
_CUTS = (0.0, 0.05, 0.1, 0.15)
_STEPS = 6
_SLACK = 0.06
"""How far a step may take an edge beyond the plane or the grid."""


@dataclass(frozen=True)
class Found:
    """Where planes agree best.

    Attributes:
        windows: of the source, what the target shows.
        correlation: float32 [n], -1 to 1, of the two at 16 x 16 pixels.
    """

    windows: Windows
    correlation: NDArray[np.float32]


def box(low: float, high: float, pixels: int) -> Planes:
    """The means of `pixels` equal stretches from `low` to `high` (shares) of a row: [pixels, SIDE]."""
    edges = np.linspace(low * SIDE, high * SIDE, pixels + 1)
    cells = np.arange(SIDE)
    inside = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights = np.clip(inside, 0, None).astype(np.float32)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


_AXIS = [(low, 1 - high) for low in _CUTS for high in _CUTS]
_BOXES = np.concatenate([box(low, high, _COARSE) for low, high in _AXIS])


def search(source: Planes, target: Planes) -> Found:
    """The window of each source that is most like the whole target."""
    small = _whitened(_shrink(target))
    # [n, window down, pixel down, window across, pixel across]
    looks = np.matmul(_BOXES, np.matmul(source, _BOXES.T))
    looks = looks.reshape(len(source), len(_AXIS), _COARSE, len(_AXIS), _COARSE)
    products = np.einsum("nyijx,nix->nyj", looks, small)
    mean = looks.mean(axis=(2, 4))
    square = np.einsum("nyijx,nyijx->nyj", looks, looks)
    spread = np.sqrt(np.maximum(square - mean**2 * _COARSE**2, 1.0))
    correlation = (products / spread).reshape(len(source), -1)
    best = correlation.argmax(axis=1)
    axis = np.array(_AXIS, np.float32)
    windows = np.concatenate([axis[best % len(_AXIS)], axis[best // len(_AXIS)]], axis=1)
    return Found(windows, correlation[np.arange(len(source)), best])


def _shrink(planes: Planes) -> Planes:
    whole = box(0, 1, _COARSE)
    return np.asarray(np.matmul(whole, np.matmul(planes, whole.T)), np.float32)


def _whitened(small: Planes) -> Planes:
    centred = small - small.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt(np.square(centred).sum(axis=(1, 2), keepdims=True))
    return np.asarray(centred / np.maximum(norm, 1.0), np.float32)


def view(source: Planes, windows: Windows) -> Planes:
    """What a window of each source [n, s, s] shows, of the same size; beyond the edge the last pixel goes on."""
    side = source.shape[-1]
    across, down = _tents(windows[:, :2], side), _tents(windows[:, 2:], side)
    return np.asarray(np.matmul(down, np.matmul(source, across.swapaxes(1, 2))), np.float32)


def _tents(edges: NDArray[np.float32], side: int) -> Planes:
    """Linear interpolation between pixels along one axis, [n, side out, side in]."""
    pixels = np.arange(side, dtype=np.float32)
    low, high = edges[:, :1] * side, edges[:, 1:] * side
    at = np.clip(low + (pixels + 0.5) / side * (high - low) - 0.5, 0, side - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(at[:, :, None] - pixels)), np.float32)


def refine(source: Planes, target: Planes, windows: Windows) -> Windows:
    """Move the windows so that what they show is the target, but for brightness and contrast."""
    start = windows
    place = ((np.arange(SIDE) + 0.5) / SIDE).astype(np.float32)
    for _ in range(_STEPS):
        shown = view(source, windows)
        step = _step(shown, target, place)
        # The step is in pixels of the target; an edge moves by its share of the window.
        width, height = windows[:, 1] - windows[:, 0], windows[:, 3] - windows[:, 2]
        size = np.stack([width, width, height, height], axis=1) / SIDE
        moved = np.clip(windows + step * size, start - _SLACK, start + _SLACK)
        windows = np.clip(moved, -0.02, 1.02).astype(np.float32)
    return windows


def _step(shown: Planes, target: Planes, place: NDArray[np.float32]) -> NDArray[np.float32]:
    """By how many pixels to move each of the four edges, [n, 4]."""
    down, across = np.gradient(shown, axis=(1, 2))
    gain, offset = brightness(shown, target)
    rest = target - gain * shown - offset
    weights = trust(rest)
    normal, right = _normal_equations(
        gain * across, gain * down, shown, rest=rest, weights=weights, place=place
    )
    damped = normal.trace(axis1=1, axis2=2)[:, None, None] * 1e-6 + 1e-3
    step = np.linalg.solve(normal + np.eye(6) * damped, right[:, :, None])[:, :4, 0]
    return np.clip(step, -2, 2).astype(np.float32)


def _normal_equations(
    across: Planes,
    down: Planes,
    shown: Planes,
    *,
    rest: Planes,
    weights: Planes,
    place: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Those of the left, right, top and bottom edge, gain and offset: float64 [n, 6, 6] and [n, 6].

    A pixel at share p of the way moves by (1 - p) left + p right: as that depends on one axis alone, the
    products are summed over the other axis first.
    """
    edges = np.stack([1 - place, place])
    both = edges[:, None] * edges
    left, top, level = weights * across, weights * down, weights * shown
    normal, right = np.zeros((len(shown), 6, 6)), np.empty((len(shown), 6))
    normal[:, :2, :2] = np.tensordot(_by_column(left, across), both, (1, 2))
    normal[:, 2:4, 2:4] = np.tensordot(_by_row(top, down), both, (1, 2))
    normal[:, 2:4, :2] = edges @ (left * down) @ edges.T
    for row, plane in ((4, shown), (5, np.ones_like(shown))):
        normal[:, row, :2] = _by_column(left, plane) @ edges.T
        normal[:, row, 2:4] = _by_row(top, plane) @ edges.T
        normal[:, row, 4] = _by_row(level, plane).sum(axis=1)
    normal[:, 5, 5] = weights.sum(axis=(1, 2))
    right[:, :2] = _by_column(left, rest) @ edges.T
    right[:, 2:4] = _by_row(top, rest) @ edges.T
    right[:, 4] = _by_row(level, rest).sum(axis=1)
    right[:, 5] = _by_row(weights, rest).sum(axis=1)
    lower = np.tril(normal, -1)
    return np.tril(normal) + lower.swapaxes(1, 2), right


def _by_column(one: Planes, other: Planes) -> NDArray[np.float32]:
    """Sums of products, [n, SIDE]."""
    return np.asarray(np.einsum("nyx,nyx->nx", one, other), np.float32)


def _by_row(one: Planes, other: Planes) -> NDArray[np.float32]:
    return np.asarray(np.einsum("nyx,nyx->ny", one, other), np.float32)


def brightness(
    shown: Planes, target: Planes, weights: Planes | None = None
) -> tuple[Planes, Planes]:
    """Gain and offset [n, 1, 1] that make `shown` most like `target`; the gain is within 0.5 to 2."""
    if weights is None:
        weights = np.ones((1, 1, 1), np.float32)
    weights = weights / weights.mean(axis=(1, 2), keepdims=True)
    mean, wanted = ((weights * each).mean(axis=(1, 2), keepdims=True) for each in (shown, target))
    centred = shown - mean
    together = (weights * centred * (target - wanted)).mean(axis=(1, 2), keepdims=True)
    alone = (weights * np.square(centred)).mean(axis=(1, 2), keepdims=True)
    gain = np.clip(together / np.maximum(alone, 1e-3), 0.5, 2.0)
    return gain, wanted - gain * mean


def trust(rest: Planes) -> Planes:
    """Weights [n, ...] of what is left of n comparisons: little for what sticks out of the rest of its own."""
    flat = rest.reshape(len(rest), -1)
    scale = np.maximum(np.median(np.abs(flat), axis=1) * 3, 3.0)
    scale = scale.reshape(-1, *(1,) * (rest.ndim - 1))
    return np.asarray(1 / np.square(1 + np.square(rest / scale)), np.float32)
