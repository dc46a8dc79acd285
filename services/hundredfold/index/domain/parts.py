"""The vectors of a space, part by part, so that no step needs all of them in memory."""

import mmap
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 8192
"""Vectors turned to float32 at a time: 42 MB at 1,280 dimensions."""

MANY = 256
"""Vectors taken from a part at once after which its memory is given back: a search takes fewer."""


def normalised(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return float32 [n, d] with length 1; a vector of zeros stays one."""
    wide = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)


class VectorParts:
    """Vectors numbered from 0 through all parts: a vector's number is its *position*.

    Args:
        parts: float16 [m, d] each, usually memory-mapped; the same d, at least one vector in all.
    """

    def __init__(self, parts: Sequence[NDArray[np.float16]]) -> None:
        self.parts = [part for part in parts if len(part)]
        self.dimensions = int(self.parts[0].shape[1])
        self._starts = np.cumsum([0, *(len(part) for part in self.parts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def expect_random(self) -> None:
        """Have single vectors read from the disk from now on, not also what follows each."""
        for part in self.parts:
            mapped = getattr(part, "_mmap", None)
            if mapped is not None:
                mapped.madvise(mmap.MADV_RANDOM)

    def blocks(
        self, size: int = BLOCK, *, begin: int = 0
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield (position of the first, normalised float32 [<= size, d]) from `begin` on, in order of position."""
        for start, part in zip(self._starts, self.parts, strict=False):
            for offset in range(max(0, begin - int(start)), len(part), size):
                yield int(start) + offset, normalised(part[offset : offset + size])
            _let_go(part)

    def take(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the normalised vectors at these positions: float32 [len(positions), d]."""
        return normalised(self.stored(positions, let_go_after=MANY))

    def stored(
        self, positions: NDArray[np.int64], *, let_go_after: int | None = None
    ) -> NDArray[np.float16]:
        """Return the vectors at these positions as they are: float16 [len(positions), d].

        Args:
            positions: of the vectors.
            let_go_after: the memory of a part of which so many are taken is given back.
        """
        found = np.empty((len(positions), self.dimensions), dtype=np.float16)
        order = np.argsort(positions, kind="stable")
        ends = np.searchsorted(positions[order], self._starts[1:])
        begin = 0
        for start, part, end in zip(self._starts, self.parts, ends, strict=False):
            chosen = order[begin:end]
            if len(chosen):
                found[chosen] = part[positions[chosen] - start]
                if let_go_after is not None and len(chosen) >= let_go_after:
                    _let_go(part)
            begin = end
        return found

    def sample(self, most: int, seed: int) -> NDArray[np.float32]:
        """Return at most `most` of the vectors, drawn without repetition, in order of position."""
        if most >= len(self):
            return self.take(np.arange(len(self)))
        drawn = np.random.default_rng(seed).choice(len(self), size=most, replace=False)
        return self.take(np.sort(drawn))


def _let_go(part: NDArray[np.float16]) -> None:
    """Give back the memory of a mapped part; what is read of it again comes from the file, or its cache."""
    base: object = part.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)
