"""Taking many events back: which ones, and what changes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hundredfold.labels.domain.event import EventKind
from hundredfold.labels.domain.page import CELL_SHIFT, Rows
from hundredfold.labels.domain.state import Labels, key_array


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are meant: those that meet every criterion that is set.

    Attributes:
        actor: whose; "" = anybody's.
        since: from when on, Unix seconds; 0 = from the beginning.
        until: before when, Unix seconds; 0 = without end.
        kinds: of which kinds; empty = of all.
        head_seq: up to which event; 0 = up to the newest.
    """

    actor: str = ""
    since: float = 0.0
    until: float = 0.0
    kinds: tuple[EventKind, ...] = ()
    head_seq: int = 0

    @property
    def chooses(self) -> bool:
        """Whether there is a criterion."""
        return bool(self.actor or self.since or self.until or self.kinds)


@dataclass(frozen=True, slots=True)
class Selection:
    """Events to take back: of these seqs, or those that are wanted and count."""

    wanted: Wanted
    seqs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What of the labels changes.

    Attributes:
        labels_gone: class -> labels that are there now and not then.
        labels_back: class -> labels that are there then and not now.
        negatives_gone: pairs of an image and a class it is not of, which are not known then.
        negatives_back: such pairs that are known then only.
        unsure_gone: images set aside now and not then.
        unsure_back: images set aside then and not now.
        pairs_gone: pairs of which what is said now is not said then.
        pairs_back: pairs of which what is said then is not said now.
    """

    labels_gone: Mapping[int, int]
    labels_back: Mapping[int, int]
    negatives_gone: int
    negatives_back: int
    unsure_gone: int
    unsure_back: int
    pairs_gone: int = 0
    pairs_back: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What is known at one moment: the labels, and what is said of pairs, see `Likeness.table`."""

    labels: Labels
    pairs: npt.NDArray[np.int64]


def changes(now: Known, then: Known) -> Difference:
    """What changes from `now` to `then`."""
    said_now, said_then = _verdicts(now.pairs), _verdicts(then.pairs)
    return replace(
        difference(now.labels, then.labels),
        pairs_gone=len(_only(said_now, said_then)),
        pairs_back=len(_only(said_then, said_now)),
    )


def difference(now: Labels, then: Labels) -> Difference:
    """What changes from the labels of `now` to those of `then`."""
    return Difference(
        labels_gone=_by_class(_only(_pairs(now), _pairs(then))),
        labels_back=_by_class(_only(_pairs(then), _pairs(now))),
        negatives_gone=len(_only(_negatives(now), _negatives(then))),
        negatives_back=len(_only(_negatives(then), _negatives(now))),
        unsure_gone=len(_only(_unsure(now), _unsure(then))),
        unsure_back=len(_only(_unsure(then), _unsure(now))),
    )


def _verdicts(table: npt.NDArray[np.int64]) -> Rows:
    """A number for each pair and what is said of it; it may wrap around, and stays one to one."""
    return np.asarray(4 * table[:, 0] + table[:, 1])


def _only(keys: Rows, others: Rows) -> Rows:
    """Those that are not among the others."""
    return np.setdiff1d(keys, others)


def _pairs(labels: Labels) -> Rows:
    return key_array(labels.rows, labels.class_ids)


def _negatives(labels: Labels) -> Rows:
    return key_array(labels.negative_rows, labels.negative_class_ids)


def _unsure(labels: Labels) -> Rows:
    if not labels.unsure_class_ids.size:
        return labels.unsure_rows
    return key_array(labels.unsure_rows, labels.unsure_class_ids)


def _by_class(keys: Rows) -> dict[int, int]:
    class_ids, counts = np.unique(keys & ((1 << CELL_SHIFT) - 1), return_counts=True)
    return dict(zip(class_ids.tolist(), counts.tolist(), strict=True))
