"""Made-up hashes: with copies that are known, and skewed like those of photographs."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 20

Hashes = NDArray[np.uint64]


def _flips(rng: np.random.Generator, n: int) -> Hashes:
    """Eight single bits, each with probability 0.6."""
    found = np.zeros(n, np.uint64)
    for _ in range(8):
        bit = np.uint64(1) << rng.integers(0, 64, n, dtype=np.uint64)
        found ^= np.where(rng.random(n) < 0.6, bit, np.uint64(0))
    return found


def made(n: int) -> Hashes:
    """Uint64 [n]: 81 % random, 5 % near copies of the first ones, 12 % exact copies, 2 % blank."""
    rng = np.random.default_rng(n)
    hashes = np.zeros(n, np.uint64)  # the last ones stay blank
    first, near, exact = n * 81 // 100, n * 5 // 100, n * 12 // 100
    for some in chunks(0, first):
        hashes[some] = rng.integers(0, 2**64, some.stop - some.start, dtype=np.uint64)
    for some in chunks(0, near):
        flips = _flips(np.random.default_rng((n, some.start)), some.stop - some.start)
        hashes[first + some.start : first + some.stop] = hashes[some] ^ flips
    for some in chunks(first + near, first + near + exact):
        hashes[some] = hashes[rng.integers(0, first + near, some.stop - some.start)]
    return hashes


def planted(n: int, some: slice, hashes: Hashes | None = None) -> Hashes:
    """Some of the planted pairs, uint64 [m, 2], in rising order of the two; equal ones are left out."""
    hashes = made(n) if hashes is None else hashes
    first = n * 81 // 100
    pairs = np.stack([hashes[some], hashes[first + some.start : first + some.stop]], axis=1)
    return np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)


def chunks(begin: int, end: int, size: int = CHUNK) -> Iterator[slice]:
    """A range in slices."""
    for at in range(begin, end, size):
        yield slice(at, min(at + size, end))


def skewed_hashes(n: int) -> Hashes:
    """Uint64 [n] like the dHash of photographs: signs of slopes of smooth fields.

    15 % have little contrast: their slopes are rounded off to few different values. 10 % are others with
    some bits flipped.
    """
    rng = np.random.default_rng(n)
    grid = np.linspace(0, 4, 9), np.linspace(0, 4, 8)
    weights = [np.maximum(0, 1 - np.abs(axis[:, None] - np.arange(5))) for axis in grid]
    spread = np.einsum("xi,yj->yxji", *weights).reshape(72, 25).T.astype(np.float32)
    hashes = np.empty(n, np.uint64)
    for some in chunks(0, n, CHUNK // 8):
        size = some.stop - some.start
        field = rng.standard_normal((size, 25), dtype=np.float32) @ spread
        field += 0.15 * rng.standard_normal((size, 72), dtype=np.float32)
        slopes = np.diff(field.reshape(size, 8, 9), axis=2).reshape(size, 64)
        flat = rng.random(size) < 0.15
        slopes[flat] = np.round(slopes[flat] / 2)
        bits = np.packbits(slopes > 0, axis=1)
        hashes[some] = np.ascontiguousarray(bits).view(np.uint64)[:, 0]
        copies = np.flatnonzero(rng.random(size) < 0.1)
        flips = np.uint64(1) << rng.integers(0, 64, len(copies), dtype=np.uint64)
        hashes[some.start + copies] = hashes[some][rng.integers(0, size, len(copies))] ^ flips
    return hashes
