"""What copies of an image get from their representative."""

from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from hundredfold.labels.domain.page import Ids, Rows
from hundredfold.labels.domain.state import Labels

_Number = TypeVar("_Number", np.int32, np.int64, np.uint8)


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


class Projection:
    """The labels of all images, copies included, looked up a batch at a time.

    Args:
        labels: of representatives.
        copies: the groups; None = there are no copies.
    """

    def __init__(self, labels: Labels, copies: Copies | None) -> None:
        self.labels = labels
        self._copies = copies

    @property
    def rows(self) -> int:
        """Rows from this one on have no label."""
        last = int(self.labels.rows[-1]) + 1 if self.labels.rows.size else 0
        return max(last, len(self._copies.representative) if self._copies else 0)

    def at(self, rows: Rows) -> tuple[Ids, Rows, npt.NDArray[np.uint8], Rows]:
        """Class, event, origin and representative of rows [n]: int32, int64, uint8, int64 [n]; zeros without a label."""
        source = inherited(rows, self._copies, self._class_of)
        places = np.searchsorted(self.labels.rows, source)
        return (
            _found(self.labels.rows, self.labels.class_ids, places, source),
            _found(self.labels.rows, self.labels.seqs, places, source),
            _found(self.labels.rows, self.labels.origins, places, source),
            rows if self._copies is None else self._copies.of(rows),
        )

    def _class_of(self, rows: Rows) -> Ids:
        places = np.searchsorted(self.labels.rows, rows)
        return _found(self.labels.rows, self.labels.class_ids, places, rows)


def inherited_pairs(labels: Labels, copies: Copies | None) -> Labels:
    """Labels of images that may be of several classes, what copies have from their representatives included.

    A copy that has labels of its own (from a file, before the duplicates were known) keeps those as long
    as its representative has none.
    """
    if copies is None:
        return labels
    members = _Members(labels, copies)
    at, rows = members.spread(labels.rows)
    no_at, no_rows = members.spread(labels.negative_rows)
    unsure_at, unsure_rows = members.spread(labels.unsure_rows)
    return replace(
        labels,
        rows=rows,
        class_ids=labels.class_ids[at],
        seqs=labels.seqs[at],
        origins=labels.origins[at],
        negative_rows=no_rows,
        negative_class_ids=labels.negative_class_ids[no_at],
        negative_origins=labels.negative_origins[no_at],
        unsure_rows=unsure_rows,
        unsure_class_ids=labels.unsure_class_ids[unsure_at],
    )


class _Members:
    """The images that have their labels from each row."""

    def __init__(self, labels: Labels, copies: Copies) -> None:
        named = np.concatenate([labels.rows, labels.negative_rows, labels.unsure_rows])
        size = max(int(named.max(initial=-1)) + 1, len(copies.representative))
        known = np.zeros(size, np.bool_)
        known[named] = True
        every = np.arange(size)
        source = copies.of(every)
        source = np.where((source >= 0) & known[source], source, every)
        self._order = np.argsort(source, kind="stable")
        self._starts = np.searchsorted(source[self._order], np.arange(size + 1))

    def spread(self, rows: Rows) -> tuple[Rows, Rows]:
        """For rows [n], ascending: places [m] among them and the images that have it from there, by image."""
        counts = (self._starts[rows + 1] - self._starts[rows]) if len(rows) else rows
        at = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
        images = self._order[self._starts[rows[at]] + within] if len(at) else at
        order = np.lexsort((at, images))
        return at[order], images[order]


def _found(
    keys: Rows, values: npt.NDArray[_Number], places: npt.NDArray[np.intp], wanted: Rows
) -> npt.NDArray[_Number]:
    result = np.zeros(len(wanted), values.dtype)
    inside = places < len(keys)
    hits = np.flatnonzero(inside)[keys[places[inside]] == wanted[inside]]
    result[hits] = values[places[hits]]
    return result
