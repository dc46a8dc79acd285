"""Recall and precision of pairs of originals and copies."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.verify.windows import WINDOWS

Pairs = NDArray[np.int64]
"""[p, 2]: a copy, and an original."""


@dataclass(frozen=True)
class Score:
    """How many of n copies were found, and how many other pairs were called copies.

    Attributes:
        copies: n.
        found: of them with their original.
        wrong: pairs that are none.
        excused: of those, pairs whose originals the set itself has twice.
    """

    copies: int
    found: int
    wrong: int
    excused: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.copies + other.copies,
            self.found + other.found,
            self.wrong + other.wrong,
            self.excused + other.excused,
        )

    @property
    def recall(self) -> float:
        """Share of the copies that were found."""
        return self.found / self.copies

    @property
    def precision(self) -> float:
        """Share of the pairs called copies that are; pairs that the set has twice are no mistakes."""
        said = self.found + self.wrong - self.excused
        return self.found / said if said else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        both = self.recall + self.precision
        return 2 * self.recall * self.precision / both if both else 0.0


def score(said: Pairs, n: int, twice: NDArray[np.bool_]) -> Score:
    """Judge pairs that were called copies; copy i is of original i.

    Args:
        said: int64 [p, 2].
        n: how many copies there are.
        twice: bool [n, n], originals that are the same photograph.
    """
    right = said[:, 0] == said[:, 1]
    wrong = said[~right]
    return Score(n, int(right.sum()), len(wrong), int(twice[wrong[:, 0], wrong[:, 1]].sum()))


def distances(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Bits between all hashes of two sets: uint8 [n, m]."""
    return np.bitwise_count(left[:, None] ^ right[None, :])


def near_windows(
    left: NDArray[np.uint64], right: NDArray[np.uint64], radius: int
) -> NDArray[np.bool_]:
    """Whether a window of one is near to the whole of the other, or the reverse: bool [n, m]."""
    found = distances(left[:, 0], right[:, 0]) <= radius
    for window in range(1, len(WINDOWS)):
        found |= distances(left[:, 0], right[:, window]) <= radius
        found |= distances(left[:, window], right[:, 0]) <= radius
    return found


def best_threshold(
    apart: Mapping[str, NDArray[np.uint8]], twice: NDArray[np.bool_], most: int = 32
) -> tuple[int, Mapping[str, Score]]:
    """The threshold with the best F1 over all kinds together, and the scores at it.

    It is chosen on the very pairs it is then judged by, which no user of a threshold can do.
    """
    tried = []
    for threshold in range(most + 1):
        scores = {
            kind: score(np.argwhere(bits <= threshold), len(bits), twice)
            for kind, bits in apart.items()
        }
        tried.append((sum(scores.values(), Score(0, 0, 0)).f1, -threshold, scores))
    _, threshold, scores = max(tried, key=lambda each: each[:2])
    return -threshold, scores
