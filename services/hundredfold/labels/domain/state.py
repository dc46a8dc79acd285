"""A fold at rest: what a snapshot keeps and what callers get."""

from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from hundredfold.labels.domain.page import CELL_SHIFT, NO_IDS, NO_ROWS, Ids, Rows

MOST_ROWS = 1 << 31


def refused_keys(rows: Rows, class_id: int) -> list[int]:
    """A number for each pair of a row [n] and the class it is not of."""
    keys: list[int] = key_array(rows, class_id).tolist()
    return keys


def key_array(rows: Rows, class_ids: int | Ids) -> Rows:
    """int64 [n]: what `refused_keys` says, of one class or of a class a row."""
    return (rows << CELL_SHIFT) | class_ids


@dataclass(frozen=True, slots=True, eq=False)
class FoldState:
    """A fold in arrays; rows ascend.

    Attributes:
        seq: the last event in it.
        cleared: the CLEAR that counts, or 0.
        undone: int64 [k], ascending: events after it that were taken back.
        rows: int64 [n]: labelled images.
        class_ids: int32 [n]: the class of each.
        given: int64 [n]: the event that gave it.
        origins: uint8 [n]: how it came about, see `Draft.origin`.
        unsure_rows: int64 [u]: images set aside.
        unsure_given: int64 [u]: the event that did it.
        refused: int64 [m], ascending: row << 32 | class that it is not of.
        contradicted: int64 [c], ascending: the same of labels that were given in spite of that.
        decisions: decisions that count.
        microseconds: what people spent on them.
        recent: int64 [r, 2]: Unix second and labels given by decisions in it.
        actors: str [p], ascending: who decided.
        people: int64 [p, 7]: what each did, see `Counts`.
        pairs: int64 [q, 3], ascending: what is said of pairs, see `Likeness.table`.
        kept: int64 [k, 2]: what is to stand for others, see `Likeness.kept`.
        pair_microseconds: what people spent on pairs.
    """

    seq: int
    cleared: int
    undone: Rows
    rows: Rows
    class_ids: Ids
    given: Rows
    origins: npt.NDArray[np.uint8]
    unsure_rows: Rows
    unsure_given: Rows
    refused: Rows
    contradicted: Rows
    decisions: int
    microseconds: int
    recent: npt.NDArray[np.int64]
    actors: npt.NDArray[np.str_]
    people: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.int64]
    kept: npt.NDArray[np.int64]
    pair_microseconds: int

    def same_as(self, other: "FoldState") -> bool:
        """Whether both hold the same."""
        return all(
            np.array_equal(getattr(self, each.name), getattr(other, each.name))
            for each in fields(self)
        )

    def labels(self, divided: Ids = NO_IDS) -> "Labels":
        """What callers get of it; who has a label of a divided class (int32 [k]) is not labelled yet."""
        done = ~np.isin(self.class_ids, divided)
        rows = self.refused >> CELL_SHIFT
        unlabelled = ~np.isin(rows, self.rows[done], kind="sort")
        return Labels(
            seq=self.seq,
            rows=self.rows[done],
            class_ids=self.class_ids[done],
            seqs=self.given[done],
            origins=self.origins[done],
            negative_rows=rows[unlabelled],
            negative_class_ids=(self.refused[unlabelled] & 0xFFFFFFFF).astype(np.int32),
            unsure_rows=self.unsure_rows,
            possible_rows=self.rows[~done],
            possible_class_ids=self.class_ids[~done],
        )


@dataclass(frozen=True, slots=True, eq=False)
class PairState(FoldState):
    """The same where an image may be of several classes: rows repeat, ordered by row, then class.

    Attributes:
        unsure_class_ids: int32 [u]: the class under which each was set aside; 0 for that of a cluster.
        refused_given: int64 [m]: the event that said so.
        refused_origins: uint8 [m]: how it came about, see `Draft.origin`.
    """

    unsure_class_ids: Ids
    refused_given: Rows
    refused_origins: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The labels that count at one moment; rows ascend.

    Where an image may be of several classes rows repeat, and an image that has a label may also be
    among the negative and the unsure ones: of other classes.

    Attributes:
        seq: the newest event in them.
        rows: int64 [n]: labelled images.
        class_ids: int32 [n]: the class of each.
        seqs: int64 [n]: the event that gave it.
        origins: uint8 [n]: how it came about, see `Draft.origin`.
        negative_rows: int64 [m]: images without a label of which it is known what they are not; may repeat.
        negative_class_ids: int32 [m]: what each is not.
        unsure_rows: int64 [u]: images without a label, set aside.
        possible_rows: int64 [k]: images without a label that are known to be of a divided class.
        possible_class_ids: int32 [k]: that class; once `Schema.ends` replaced it, a class that it may be
            of: rows repeat then.
        unsure_class_ids: int32 [u], where an image may be of several classes: under which each was set
            aside; else empty.
        negative_origins: uint8 [m], there too: how each negative came about; else empty.
    """

    seq: int
    rows: Rows
    class_ids: Ids
    seqs: Rows
    origins: npt.NDArray[np.uint8]
    negative_rows: Rows
    negative_class_ids: Ids
    unsure_rows: Rows
    possible_rows: Rows = field(default_factory=lambda: NO_ROWS)
    possible_class_ids: Ids = field(default_factory=lambda: NO_IDS)
    unsure_class_ids: Ids = field(default_factory=lambda: NO_IDS)
    negative_origins: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))
