"""The images that still need an answer, and what is known of them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

VectorsOf = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""From rows, int64 [n], to their vectors, float32 [n, d], length 1."""

MODEL_ORIGIN = 127
"""The origin of a label that a model gave under a certificate: no truth to learn from."""


@dataclass(frozen=True)
class Labels:
    """What is labelled.

    Attributes:
        rows: int64 [n], ascending.
        class_ids: int32 [n].
        origins: uint8 [n], how each came about (`GetLabels.origins`); empty = all from people.
    """

    rows: NDArray[np.int64]
    class_ids: NDArray[np.int32]
    origins: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))

    def __len__(self) -> int:
        return len(self.rows)

    def within(self, rows: NDArray[np.int64]) -> "Labels":
        """The labels of some rows, int64 [m] ascending, alone."""
        return self.at(places(rows, self.rows) >= 0)

    def of_people(self) -> "Labels":
        """Those that no model gave."""
        return self.at(self.origins != MODEL_ORIGIN) if len(self.origins) else self

    def of_models(self) -> "Labels":
        """Those that a model gave."""
        given = self.origins == MODEL_ORIGIN if len(self.origins) else np.zeros(len(self), np.bool_)
        return self.at(given)

    def at(self, kept: NDArray[np.bool_]) -> "Labels":
        """Those under a mask [n]."""
        origins = self.origins[kept] if len(self.origins) else self.origins
        return Labels(self.rows[kept], self.class_ids[kept], origins)


@dataclass(frozen=True)
class Pool:
    """Images that have a vector, no label, and were not set aside; all arrays are [m].

    Attributes:
        rows: int64, ascending.
        top: int32, the likeliest class of each; 0 when every known class is known to be wrong.
        second: int32, the likeliest after that; 0 when there is none.
        probability: float32, calibrated, of the likeliest class.
        margin: float32, that less the probability of the second.
        kicks: int32, how much was said of each: that it is not of a class, or that it is of a class with
            children.
        vectors_of: reads vectors.
        model: the head that all this is from; empty before there is one: then the guesses are zeros.
        parent: int32, the class with children to ask about, 0 = none; [0] where no class has a parent.
        parent_probability: float32, that each is of it.
    """

    rows: NDArray[np.int64]
    top: NDArray[np.int32]
    second: NDArray[np.int32]
    probability: NDArray[np.float32]
    margin: NDArray[np.float32]
    kicks: NDArray[np.int32]
    vectors_of: VectorsOf
    model: str
    parent: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    parent_probability: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))

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
            parent=self.parent[places] if len(self.parent) else self.parent,
            parent_probability=(
                self.parent_probability[places] if len(self.parent) else self.parent_probability
            ),
        )

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where rows [n] stand; -1 for one that is not here: int64 [n]."""
        return places(self.rows, rows)

    def without(self, rows: NDArray[np.int64]) -> "Pool":
        """All images but some."""
        there = self.places(rows)
        there = there[there >= 0]
        if not len(there):
            return self
        kept = np.ones(len(self), np.bool_)
        kept[there] = False
        return self.take(kept)


@dataclass(frozen=True)
class Guesses:
    """What a head says of images; all arrays are [n], ordered by row; names as in `Pool`."""

    model: str
    rows: NDArray[np.int64]
    top: NDArray[np.int32]
    second: NDArray[np.int32]
    probability: NDArray[np.float32]
    margin: NDArray[np.float32]
    parent: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    parent_probability: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))


@dataclass(frozen=True)
class Said:
    """What people said.

    Attributes:
        labels: what is labelled.
        negative_rows: int64 [m], images that are not labelled; may repeat.
        unsure_rows: int64 [u], images that are set aside.
        audit_rows: int64 [a], images of an open audit: nobody else offers them.
        possible_rows: int64 [k], images that are known to be of a class with children; may repeat.
    """

    labels: Labels
    negative_rows: NDArray[np.int64]
    unsure_rows: NDArray[np.int64]
    audit_rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    possible_rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


def places(among: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where rows [n] stand among others, ascending [m]; -1 for one that does not: int64 [n]."""
    if not len(among):
        return np.full(len(rows), -1, np.int64)
    found = np.searchsorted(among, rows)
    np.minimum(found, len(among) - 1, out=found)
    return np.where(among[found] == rows, found, -1)


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
    wanted = np.ones(len(rows), np.bool_)
    for settled in (said.labels.rows, said.unsure_rows, said.audit_rows):
        there = places(rows, settled)
        wanted[there[there >= 0]] = False
    rows = rows[wanted]
    if guesses is None:
        none, zero = np.zeros(len(rows), np.int32), np.zeros(len(rows), np.float32)
        return Pool(rows, none, none, zero, zero, _kicks(rows, said), vectors_of, "")
    at = places(guesses.rows, rows)
    if (at < 0).any():
        rows, at = rows[at >= 0], at[at >= 0]
    return Pool(
        rows,
        guesses.top[at],
        guesses.second[at],
        guesses.probability[at],
        guesses.margin[at],
        _kicks(rows, said),
        vectors_of,
        guesses.model,
        guesses.parent[at] if len(guesses.parent) else guesses.parent,
        guesses.parent_probability[at] if len(guesses.parent) else guesses.parent_probability,
    )


def _kicks(rows: NDArray[np.int64], said: Said) -> NDArray[np.int32]:
    """How much was said of each row [n]: int32 [n]."""
    within = np.unique(said.possible_rows)
    kicked, counts = np.unique(np.concatenate([said.negative_rows, within]), return_counts=True)
    there = places(rows, kicked)
    kicks = np.zeros(len(rows), np.int32)
    kicks[there[there >= 0]] = counts[there >= 0]
    return kicks
