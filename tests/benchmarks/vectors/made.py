"""Vectors to search among: features of real images jittered up, or clustered noise."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from hundredfold.index.domain.parts import normalised

NEAREST = 8
GROUPS = 2000
BLOCK = 8192


@dataclass(frozen=True)
class Maker:
    """Draws vectors.

    Attributes:
        base: float32 [n, d], length 1: features of images, or the middles of groups.
        near: int64 [n, NEAREST], the nearest others of each; None for groups.
    """

    base: NDArray[np.float32]
    near: NDArray[np.int64] | None

    @property
    def what(self) -> str:
        """In words."""
        if self.near is None:
            return f"{GROUPS} Gaussian groups (made up: no folder of features was given)"
        return f"features of {len(self.base)} real images, jittered up along their neighbours"

    def draw(self, count: int, seed: int) -> Iterator[NDArray[np.float16]]:
        """`count` vectors of length 1 in blocks."""
        rng = np.random.default_rng(seed)
        for start in range(0, count, BLOCK):
            size = min(BLOCK, count - start)
            made = self._groups(size, rng) if self.near is None else self._jittered(size, rng)
            yield normalised(made).astype(np.float16)

    def _groups(self, size: int, rng: np.random.Generator) -> NDArray[np.float32]:
        noise = rng.standard_normal((size, self.base.shape[1]), dtype=np.float32)
        middles = self.base[rng.integers(len(self.base), size=size)]
        return middles + noise * np.float32(0.5 / self.base.shape[1] ** 0.5)

    def _jittered(self, size: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Part of the way to a neighbour, moved by part of the difference of two others nearby."""
        own = rng.integers(len(self.base), size=size)
        one, other = self._neighbour(own, rng), self._neighbour(own, rng)
        there, back = self._neighbour(one, rng), self._neighbour(other, rng)
        toward = rng.uniform(0, 0.7, size=(size, 1)).astype(np.float32)
        aside = rng.uniform(0, 0.5, size=(size, 1)).astype(np.float32)
        base = self.base
        return base[own] + toward * (base[one] - base[own]) + aside * (base[there] - base[back])

    def _neighbour(self, of: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        assert self.near is not None
        return self.near[of, rng.integers(NEAREST, size=len(of))]


def maker(folder: str, dimensions: int) -> Maker:
    """Of the `vectors` in the `.npz` of a folder, reduced to `dimensions` (0 = as they are); without a folder made up."""
    if not folder:
        rng = np.random.default_rng(0)
        return Maker(normalised(rng.standard_normal((GROUPS, dimensions or 128))), None)
    found = [np.load(each)["vectors"] for each in sorted(Path(folder).glob("*.npz"))]
    base = normalised(np.concatenate(found))
    if dimensions and dimensions < base.shape[1]:
        _, axes = np.linalg.eigh(base.T @ base)
        base = normalised(base @ axes[:, -dimensions:])
    _, near = faiss.knn(base, base, NEAREST + 1, metric=faiss.METRIC_INNER_PRODUCT)
    return Maker(base, near[:, 1:])
