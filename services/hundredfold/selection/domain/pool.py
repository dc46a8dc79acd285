"""The images that still need an answer, and what is known of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

VectorsOf = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""From rows, int64 [n], to their vectors, float32 [n, d], length 1."""


@dataclass(frozen=True)
class Labels:
    """What is labelled: `rows` int64 [n], ascending, and `class_ids` int32 [n]."""

    rows: NDArray[np.int64]
    class_ids: NDArray[np.int32]

    def within(self, rows: NDArray[np.int64]) -> "Labels":
        """The labels of some rows alone."""
        kept = np.isin(self.rows, rows)
        return Labels(self.rows[kept], self.class_ids[kept])


@dataclass(frozen=True)
class Pool:
    """Images that have a vector, no label, and were not set aside; all arrays are [m].

    Attributes:
        rows: int64, ascending.
        top: int32, the likeliest class of each; 0 when every known class is known to be wrong.
        second: int32, the likeliest after that; 0 when there is none.
        probability: float32, calibrated, of the likeliest class.
        margin: float32, that less the probability of the second.
        kicks: int32, of how many classes each is known not to be.
        vectors_of: reads vectors.
        model: the head that all this is from; empty before there is one: then the guesses are zeros.
    """

    rows: NDArray[np.int64]
    top: NDArray[np.int32]
    second: NDArray[np.int32]
    probability: NDArray[np.float32]
    margin: NDArray[np.float32]
    kicks: NDArray[np.int32]
    vectors_of: VectorsOf
    model: str

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: NDArray[np.int64] | NDArray[np.bool_]) -> "Pool":
        """The images at some places, in that order, or of a mask [m]."""
        return replace(
            self,
            rows=self.rows[places],
            top=self.top[places],
            second=self.second[places],
            probability=self.probability[places],
            margin=self.margin[places],
            kicks=self.kicks[places],
        )

    def without(self, rows: NDArray[np.int64]) -> "Pool":
        """All images but some."""
        return self.take(~np.isin(self.rows, rows)) if len(rows) else self


@dataclass(frozen=True)
class Guesses:
    """What a head says of images; all arrays are [n], ordered by row; names as in `Pool`."""

    model: str
    rows: NDArray[np.int64]
    top: NDArray[np.int32]
    second: NDArray[np.int32]
    probability: NDArray[np.float32]
    margin: NDArray[np.float32]


@dataclass(frozen=True)
class Said:
    """What people said.

    Attributes:
        labels: what is labelled.
        negative_rows: int64 [m], images that are not labelled; may repeat.
        unsure_rows: int64 [u], images that are set aside.
    """

    labels: Labels
    negative_rows: NDArray[np.int64]
    unsure_rows: NDArray[np.int64]


def open_pool(
    rows: NDArray[np.int64], said: Said, vectors_of: VectorsOf, guesses: Guesses | None
) -> Pool:
    """The images that still need an answer.

    Args:
        rows: int64 [N], ascending: the images that have a vector.
        said: what people said.
        vectors_of: reads vectors.
        guesses: of a head; None before there is one. An image that it has not seen is left out: it
            is in the pool when the next head has.
    """
    asked = ~(np.isin(rows, said.labels.rows) | np.isin(rows, said.unsure_rows))
    if guesses is not None:
        asked &= np.isin(rows, guesses.rows)
    rows = rows[asked]
    kicked, counts = np.unique(said.negative_rows, return_counts=True)
    kicks = np.zeros(len(rows), np.int32)
    there = np.isin(kicked, rows)
    kicks[np.searchsorted(rows, kicked[there])] = counts[there]
    if guesses is None:
        none, zero = np.zeros(len(rows), np.int32), np.zeros(len(rows), np.float32)
        return Pool(rows, none, none, zero, zero, kicks, vectors_of, "")
    at = np.searchsorted(guesses.rows, rows)
    return Pool(
        rows,
        guesses.top[at],
        guesses.second[at],
        guesses.probability[at],
        guesses.margin[at],
        kicks,
        vectors_of,
        guesses.model,
    )
