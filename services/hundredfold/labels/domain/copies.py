"""What copies of an image get from its representative."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from hundredfold.labels.domain.page import Ids, Rows


class ClassOf(Protocol):
    """Looks up the class of rows [n] -> int32 [n], 0 or less where there is none."""

    def __call__(self, rows: Rows) -> Ids:
        """Look up."""


class Copies:
    """The groups of one FindDuplicates run.

    A row that came after the run stands for itself. A label counts for the group when it is on the
    representative; a label on a copy (from a file, before the duplicates were known) counts for that
    copy as long as its representative has none.

    Args:
        representative: int64 [N] as in `layout.REPRESENTATIVE`: the row that stands for each, -1 for
            an image that can't be used.
    """

    def __init__(self, representative: Rows) -> None:
        self.representative = representative
        weights = np.bincount(representative[representative >= 0], minlength=len(representative))
        self._weights: npt.NDArray[np.int32] = weights.astype(np.int32)

    def of(self, rows: Rows) -> Rows:
        """The representative of rows [n]: int64 [n]."""
        result = rows.copy()
        known = rows < len(self.representative)
        result[known] = self.representative[rows[known]]
        return result

    def weights(self, rows: Rows) -> npt.NDArray[np.int64]:
        """How many images get the label of rows [n]: int64 [n]; 0 for a copy."""
        result = np.ones(len(rows), np.int64)
        known = rows < len(self.representative)
        result[known] = self._weights[rows[known]]
        return result


def inherited(rows: Rows, copies: Copies | None, class_of: ClassOf) -> Rows:
    """From which row each of rows [n] has its label: its representative, or itself where that has none."""
    if copies is None:
        return rows
    source = copies.of(rows)
    named = source >= 0
    named[named] = class_of(source[named]) > 0
    return np.where(named, source, rows)
