"""What the events of a ledger come to: the labels that count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from hundredfold.labels.domain.copies import Copies
from hundredfold.labels.domain.event import CERTIFIED, Event, EventKind, Judgement, Verdict
from hundredfold.labels.domain.folding import Change, Folding
from hundredfold.labels.domain.page import NO_IDS, NO_ROWS, Ids, Mask, Rows
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.domain.state import FoldState, key_array, refused_keys
from hundredfold.labels.domain.tally import UNSURE, Tally

_Number = TypeVar("_Number", np.int32, np.int64, np.uint8)
Origins = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Some:
    """What is known of rows [n], each once, ascending."""

    rows: Rows
    class_ids: Ids
    given: Rows
    origins: Origins

    def copy(self) -> "_Some":
        return _Some(self.rows, self.class_ids.copy(), self.given.copy(), self.origins.copy())

    def set(self, at: npt.NDArray[np.intp], class_id: int, seq: int, origin: int) -> None:
        self.class_ids[at], self.given[at], self.origins[at] = class_id, seq, origin


class Fold(Folding):
    """The labels of images that are of one class each.

    The rules, per event: IS_NOT takes a label of that class away, and is remembered unless the image
    has another label. UNSURE sets aside, whatever there was. IS gives the class, whatever there was,
    and forgets an IS_NOT of it. Within one event they count in this order. What is said of planted
    images changes no label. A certificate labels only images that have no label of people, are not set
    aside, and of which it is not known that they are not of the class; people's answers count as if
    there were no certificate. A label of a class with children (`divide`) counts as none: the image waits
    for a finer one, and only that much is known of it.

    Memory: 13 bytes a row of the collection, about 100 bytes an IS_NOT, and what `Folding` keeps.

    Attributes:
        tally: counts.
    """

    def __init__(self, copies: Copies | None = None, divided: Ids = NO_IDS) -> None:
        super().__init__()
        self._divided = divided
        self._copies = copies
        self._empty()

    @classmethod
    def of(cls, state: FoldState, copies: Copies | None = None, divided: Ids = NO_IDS) -> "Fold":
        """The fold that had this state."""
        fold = cls(copies, divided)._take_up(state)
        fold._put(_Some(state.rows, state.class_ids, state.given, state.origins))
        unsure = np.full(len(state.unsure_rows), UNSURE, np.int32)
        unknown = np.zeros(len(unsure), np.uint8)
        fold._put(_Some(state.unsure_rows, unsure, state.unsure_given, unknown))
        fold._refused = set(state.refused.tolist())
        fold._contradicted = set(state.contradicted.tolist())
        return fold

    def class_of(self, rows: Rows) -> Ids:
        """int32 [n]: the class of rows [n]; 0 for none or a divided one, `UNSURE` for set aside."""
        return self._whole(_at(self._class, rows))

    def within(self, rows: Rows) -> Ids:
        """int32 [n]: the divided class that rows [n] are known to be of; 0 for none."""
        found = _at(self._class, rows)
        return np.where(np.isin(found, self._divided), found, np.int32(0))

    def given_by(self, rows: Rows) -> Rows:
        """int64 [n]: the event that labelled rows [n] or set them aside; 0 for none."""
        return _at(self._given_by, rows)

    def origin_of(self, rows: Rows) -> Origins:
        """uint8 [n]: how the labels of rows [n] came about, see `Draft.origin`; 0 without a label."""
        return _at(self._origin, rows)

    def by_people(self, rows: Rows) -> Mask:
        """Which of rows [n] are labelled or set aside, not by a certificate: bool [n]."""
        known: Mask = self.done(rows) & (self.origin_of(rows) != CERTIFIED)
        return known

    @property
    def labelled(self) -> int:
        """Rows with a label."""
        return self.tally.labelled

    def labelled_by_people(self) -> int:
        """Rows with a label, without those that a certificate labelled."""
        certified = (self._origin == CERTIFIED) & (self._whole(self._class) > 0)
        return self.tally.labelled - int(np.count_nonzero(certified))

    def answers(self) -> int:
        """Labels that people gave, which their slips are counted among."""
        return self.labelled_by_people()

    def done(self, rows: Rows) -> Mask:
        """Which of rows [n] are labelled or set aside: bool [n]."""
        done: Mask = self.class_of(rows) != 0
        return done

    @property
    def contradictions(self) -> int:
        """Labels that were given although somebody had said of the image that it is not of that class."""
        return len(self._contradicted)

    def refused(self, rows: Rows, class_ids: int | Ids) -> Mask:
        """Of which of rows [n] it is known that they are not of a class, or each of its own [n]: bool [n]."""
        keys = key_array(rows, class_ids)
        if len(keys) > len(self._refused):
            known: Mask = np.isin(keys, np.fromiter(self._refused, np.int64, len(self._refused)))
            return known
        return np.fromiter((key in self._refused for key in keys.tolist()), np.bool_, len(keys))

    def kicked(self, rows: Rows) -> Mask:
        """Of which of rows [n] it is known of some class that they are not of it: bool [n]."""
        keys = np.fromiter(self._refused, np.int64, len(self._refused))
        kicked: Mask = np.isin(rows, keys >> 32)
        return kicked

    def labelled_with_copies(self) -> int:
        """Labelled rows and the copies that inherit from them."""
        return self.tally.with_copies(self.class_of)

    def project(self, copies: Copies | None) -> None:
        """See Folding."""
        self._copies = copies
        self.tally = Tally(copies)
        rows = np.flatnonzero(self._class)
        found = self._whole(self._class[rows])
        self.tally.change(rows, np.zeros(len(rows), np.int32), found)

    def heed(self, schema: Schema) -> None:
        """See Folding."""
        self.divide(schema.divided)

    def divide(self, divided: Ids) -> None:
        """Let labels of these classes, int32 [k], and of no others wait for finer ones from now on."""
        if not np.array_equal(divided, self._divided):
            self._divided = divided
            self.project(self._copies)

    def state(self) -> FoldState:
        """See Folding."""
        rows, unsure = np.flatnonzero(self._class > 0), np.flatnonzero(self._class == UNSURE)
        return FoldState(
            rows=rows,
            class_ids=self._class[rows],
            given=self._given_by[rows],
            origins=self._origin[rows],
            unsure_rows=unsure,
            unsure_given=self._given_by[unsure],
            refused=_ascending(self._refused),
            contradicted=_ascending(self._contradicted),
            **self._bookkeeping(),
        )

    def _empty(self) -> None:
        self._class: Ids = np.zeros(0, np.int32)
        self._given_by: Rows = np.zeros(0, np.int64)
        self._origin: Origins = np.zeros(0, np.uint8)
        self._refused: set[int] = set()
        self._contradicted: set[int] = set()
        self.tally = Tally(self._copies)

    def _given(self, event: Event) -> int:
        return sum(len(each.rows) for each in event.counted if each.verdict is Verdict.IS)

    def _judge(self, event: Event) -> Change:
        said = event.counted
        rows = np.unique(np.concatenate([NO_ROWS, *(each.rows for each in said)]))
        given = _at(self._class, rows)
        before = _Some(rows, given, self.given_by(rows), self.origin_of(rows))
        after = before.copy()
        if event.kind is EventKind.CERTIFICATE:
            refused, accepted = self._certify(event, after)
        else:
            refused, accepted = self._weigh(event, said, after)
        self._put(after)
        contradicted = accepted - self._contradicted
        self._contradicted |= contradicted

        def take_back() -> None:
            self._put(before)
            self._contradicted -= contradicted
            self._refused -= refused
            self._refused |= accepted

        return Change(rows, take_back)

    def _weigh(
        self, event: Event, said: Sequence[Judgement], after: _Some
    ) -> tuple[frozenset[int], frozenset[int]]:
        """Change what is known of some rows; returns the IS_NOTs learnt and forgotten."""
        learnt: set[int] = set()
        forgotten: set[int] = set()
        for judgement in sorted(said, key=_order):
            at = np.searchsorted(after.rows, judgement.rows)
            if judgement.verdict is Verdict.IS_NOT:
                learnt |= self._refuse(judgement, at, after)
            elif judgement.verdict is Verdict.UNSURE:
                after.set(at, UNSURE, event.seq, 0)
            else:
                after.set(at, judgement.class_id, event.seq, event.origin)
                forgotten |= self._accept(judgement)
        return frozenset(learnt - forgotten), frozenset(forgotten - learnt)

    def _refuse(self, judgement: Judgement, at: npt.NDArray[np.intp], after: _Some) -> set[int]:
        after.set(at[after.class_ids[at] == judgement.class_id], 0, 0, 0)
        unlabelled = (self._whole(after.class_ids[at]) <= 0) | (after.origins[at] == CERTIFIED)
        learnt = set(refused_keys(judgement.rows[unlabelled], judgement.class_id)) - self._refused
        self._refused |= learnt
        return learnt

    def _accept(self, judgement: Judgement) -> set[int]:
        if not self._refused:
            return set()
        forgotten = self._refused.intersection(refused_keys(judgement.rows, judgement.class_id))
        self._refused -= forgotten
        return forgotten

    def _certify(self, event: Event, after: _Some) -> tuple[frozenset[int], frozenset[int]]:
        refused = _ascending(self._refused)
        for judgement in event.judgements:
            at = np.searchsorted(after.rows, judgement.rows)
            keys = key_array(judgement.rows, judgement.class_id)
            free = (self._whole(after.class_ids[at]) == 0) | (after.origins[at] == CERTIFIED)
            after.set(
                at[free & ~np.isin(keys, refused)], judgement.class_id, event.seq, event.origin
            )
        return frozenset(), frozenset()

    def _put(self, some: _Some) -> None:
        rows = some.rows
        if rows.size:
            self._grow(int(rows.max()) + 1)
        self.tally.change(rows, self._whole(self._class[rows]), self._whole(some.class_ids))
        self._class[rows] = some.class_ids
        self._given_by[rows] = some.given
        self._origin[rows] = some.origins

    def _whole(self, class_ids: Ids) -> Ids:
        """The same, 0 for divided classes."""
        if not self._divided.size:
            return class_ids
        return np.where(np.isin(class_ids, self._divided), np.int32(0), class_ids)

    def _grow(self, size: int) -> None:
        if size > len(self._class):
            # Doubling, so that a collection labelled from its first row to its last is copied seldom.
            more = max(size, 2 * len(self._class)) - len(self._class)
            self._class = np.concatenate([self._class, np.zeros(more, np.int32)])
            self._given_by = np.concatenate([self._given_by, np.zeros(more, np.int64)])
            self._origin = np.concatenate([self._origin, np.zeros(more, np.uint8)])


def _ascending(keys: set[int]) -> Rows:
    return np.sort(np.fromiter(keys, np.int64, len(keys)))


def _at(values: npt.NDArray[_Number], rows: Rows) -> npt.NDArray[_Number]:
    result = np.zeros(len(rows), values.dtype)
    inside = rows < len(values)
    result[inside] = values[rows[inside]]
    return result


def _order(judgement: Judgement) -> int:
    return {Verdict.IS_NOT: 0, Verdict.UNSURE: 1, Verdict.IS: 2}[judgement.verdict]
