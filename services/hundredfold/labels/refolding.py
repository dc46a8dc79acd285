"""Folding a ledger again: from its newest snapshot that still holds, or from the start."""

from collections.abc import Sequence
from dataclasses import dataclass

from hundredfold.labels.domain.copies import Copies
from hundredfold.labels.domain.event import Mark, Standing, lasting, standing
from hundredfold.labels.domain.folds import AnyFold, empty, fits, taken_up
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.store.reading import Reading
from hundredfold.labels.store.snapshots import Snapshots

BATCH_EVENTS = 500


@dataclass(frozen=True)
class Refolding:
    """How to fold a ledger again.

    Attributes:
        work: the transaction to read in.
        snapshots: where to start from.
        schema: what labels are read by.
        copies: that are counted.
        head: the newest event to fold in.
    """

    work: Reading
    snapshots: Snapshots
    schema: Schema
    copies: Copies | None
    head: int

    def fold(self, imagined: Sequence[Mark] = ()) -> tuple[AnyFold, int]:
        """The fold of all events up to the head, and the seq of the snapshot it began at, 0 for none.

        Args:
            imagined: UNDO_MANY events after the head that are to be thought of as there.
        """
        marks = [mark for mark in self.work.marks() if mark.seq <= self.head]
        marks += imagined
        stands = standing(marks)
        fold, began = self._base(marks, stands)
        fold.stand(stands)
        while fold.seq < self.head:
            for event in self.work.events(fold.seq, min(BATCH_EVENTS, self.head - fold.seq)):
                fold.refold(event, stands)
        return fold, began

    def _base(self, marks: list[Mark], stands: Standing) -> tuple[AnyFold, int]:
        for state, chain in self.snapshots.newest_first(self.work.collection):
            whole = chain == self.work.hash_at(state.seq) and not _taken_back(marks, state.seq)
            known = fits(state, self.schema)
            if stands.cleared <= state.seq <= self.head and whole and known:
                return taken_up(state, self.schema, self.copies), state.seq
        fold = empty(self.schema, self.copies)
        fold.seq = stands.cleared
        return fold, 0


def _taken_back(marks: list[Mark], seq: int) -> bool:
    """Whether a snapshot at `seq` holds an event that was taken back after it, or lacks one that counts again."""
    return any(mark.seq > seq and min(mark.taken_back) <= seq for mark in lasting(marks))
