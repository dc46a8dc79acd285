"""Counts of labels, kept up with each change instead of counted again."""

import numpy as np

from hundredfold.labels.domain.copies import ClassOf, Copies
from hundredfold.labels.domain.page import Ids, Rows

UNSURE = -1
"""In place of a class: set aside. 0 is no class."""


class Tally:
    """How many rows have which class.

    Attributes:
        labelled: rows with a class.
        unsure: rows set aside.
        by_class: class -> rows; no zeros.
    """

    def __init__(self, copies: Copies | None = None) -> None:
        self.labelled = 0
        self.unsure = 0
        self.by_class: dict[int, int] = {}
        self._copies = copies
        self._weighted = 0
        self._strays: set[int] = set()

    def change(self, rows: Rows, old: Ids, new: Ids) -> None:
        """Rows [n], each once, go from class `old` to class `new` (int32 [n])."""
        self.labelled += int(np.count_nonzero(new > 0) - np.count_nonzero(old > 0))
        self.unsure += int(np.count_nonzero(new == UNSURE) - np.count_nonzero(old == UNSURE))
        self._count(old, -1)
        self._count(new, +1)
        if self._copies is not None:
            self._weigh(self._copies, rows[(old > 0) & (new <= 0)], -1)
            self._weigh(self._copies, rows[(old <= 0) & (new > 0)], +1)

    def with_copies(self, class_of: ClassOf) -> int:
        """Labelled rows and the copies that inherit from them."""
        if self._copies is None:
            return self.labelled
        alone = sum(1 for row in self._strays if not self._inherits(row, class_of))
        return self._weighted + alone

    def _count(self, classes: Ids, sign: int) -> None:
        found, counts = np.unique(classes[classes > 0], return_counts=True)
        for class_id, count in zip(found.tolist(), counts.tolist(), strict=True):
            left = self.by_class.pop(class_id, 0) + sign * count
            if left:
                self.by_class[class_id] = left

    def _weigh(self, copies: Copies, rows: Rows, sign: int) -> None:
        self._weighted += sign * int(copies.weights(rows).sum())
        strays = rows[copies.of(rows) != rows].tolist()
        if sign > 0:
            self._strays.update(strays)
        else:
            self._strays.difference_update(strays)

    def _inherits(self, row: int, class_of: ClassOf) -> bool:
        assert self._copies is not None  # noqa: S101  strays are only known with copies
        source = self._copies.of(np.array([row], np.int64))
        return bool(source[0] >= 0 and class_of(source)[0] > 0)
