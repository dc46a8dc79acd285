"""Pairs on disk, in stretches of the better image, and back from there in order.

A pair is one number: better << 32 | worse. A stretch that is too large for memory is cut finer; one that
is a single image needs no order.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.near.compiling import compiled

_STRETCHES = 256
_MOST_PAIRS = 4_000_000
_BLOCK = 1 << 20


@compiled("void(uint64[::1], uint64, uint64, int64[::1], uint64[::1])")
def _deal(
    pairs: NDArray[np.uint64],
    begin: int,
    width: int,
    starts: NDArray[np.int64],
    out: NDArray[np.uint64],
) -> None:
    for k in range(len(pairs)):
        starts[np.int64(((pairs[k] >> np.uint64(32)) - begin) // width) + 1] += 1
    for k in range(len(starts) - 1):
        starts[k + 1] += starts[k]
    free = starts[:-1].copy()
    for k in range(len(pairs)):
        p: Any = np.int64(((pairs[k] >> np.uint64(32)) - begin) // width)
        out[free[p]] = pairs[k]
        free[p] += 1


class Spill:
    """Pairs of images below a number, written in any order and read by the better image.

    Args:
        folder: for files, which are gone once they are read.
        begin: no better image is below.
        end: every better image is below.
        most_pairs: that are held at once when they are read.
    """

    def __init__(
        self, folder: Path, begin: int, end: int, *, most_pairs: int = _MOST_PAIRS
    ) -> None:
        self._folder = folder
        self._begin = begin
        self._end = end
        self._width = max(-(-(end - begin) // _STRETCHES), 1)
        self._most = most_pairs
        self._counts = [0] * _STRETCHES
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, pairs: NDArray[np.uint64]) -> None:
        """Write pairs; OSError where the disk is full."""
        starts = np.zeros(_STRETCHES + 1, np.int64)
        dealt = np.empty(len(pairs), np.uint64)
        _deal(pairs, self._begin, self._width, starts, dealt)
        for stretch in np.flatnonzero(np.diff(starts)).tolist():
            some = dealt[starts[stretch] : starts[stretch + 1]]
            with self._file(stretch).open("ab") as file:
                file.write(some.data)
            self._counts[stretch] += len(some)

    def in_order(self) -> Iterator[NDArray[np.uint64]]:
        """Blocks of pairs by ascending better image."""
        for stretch in range(_STRETCHES):
            if self._counts[stretch]:
                yield from self._stretch(stretch)

    def _stretch(self, stretch: int) -> Iterator[NDArray[np.uint64]]:
        file = self._file(stretch)
        if self._width == 1:
            yield from _blocks(file)
        elif self._counts[stretch] <= self._most:
            pairs = np.fromfile(file, np.uint64)
            pairs.sort()
            yield pairs
        else:
            begin = self._begin + stretch * self._width
            finer = Spill(
                self._folder / f"{stretch:03d}", begin, begin + self._width, most_pairs=self._most
            )
            for block in _blocks(file):
                finer.add(block)
            file.unlink()
            yield from finer.in_order()
        file.unlink(missing_ok=True)

    def _file(self, stretch: int) -> Path:
        return self._folder / f"{stretch:03d}.pairs"


def _blocks(file: Path) -> Iterator[NDArray[np.uint64]]:
    with file.open("rb") as source:
        while len(block := np.fromfile(source, np.uint64, _BLOCK)):
            yield block
