"""What the events of a ledger come to where an image may be of several classes: yes, no or unknown of each pair."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from hundredfold.labels.domain.copies import Copies
from hundredfold.labels.domain.event import CERTIFIED, Event, EventKind, Judgement, Verdict
from hundredfold.labels.domain.folding import Change, Folding
from hundredfold.labels.domain.implying import Implications, Implied, Said
from hundredfold.labels.domain.page import CELL_SHIFT, NO_ROWS, Mask, Rows
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.domain.state import Labels, PairState, key_array

NO_CLASS = 0
"""In place of a class: of a cluster that a person could say nothing about."""

_BLOCK = 65_536
_MANY = 4  # a share of all rows above which it is quicker to look at all
_CLASS = (1 << CELL_SHIFT) - 1
_Number = TypeVar("_Number", np.uint8, np.int32, np.int64)
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Cells:
    """What was said of cells [n] (`Page.cells`), each once, ascending."""

    keys: Rows
    said: Codes
    given: Rows
    origins: Codes

    @property
    def at(self) -> tuple[Rows, Rows]:
        """Their places in a matrix of classes and rows."""
        return self.keys & _CLASS, self.keys >> CELL_SHIFT


class PairFold(Folding):
    """The labels of images that may be of several classes.

    The rules: IS is yes to its class alone, IS_NOT is no to it alone, UNSURE sets aside under the class of
    the page alone; the newest word on an image and a class counts, within one event they count in the
    order IS_NOT, UNSURE, IS. Yes to a class is yes to its parents, no to a class is no to its children
    (`Implications`); a class that was merged is read as the one it was merged into. What is said of planted
    images changes nothing. A certificate fills in only what is unknown.

    Memory: 11 bytes for each row and class, and what `Folding` keeps.

    Attributes:
        yes: class in use -> images that are of it.
        no: class in use -> images that are not.
        unsure: class in use -> images set aside under it.
        complete: images of which every class in use is known.
    """

    def __init__(self, copies: Copies | None = None, schema: Schema | None = None) -> None:
        super().__init__()
        self._schema = schema or Schema(several=True)
        self._copies = copies
        self._empty()

    @classmethod
    def of(
        cls, state: PairState, copies: Copies | None = None, schema: Schema | None = None
    ) -> "PairFold":
        """The fold that had this state."""
        fold = cls(copies, schema)._take_up(state)
        fold._put(_cells(state.refused, Verdict.IS_NOT, state.refused_given, state.refused_origins))
        unsure = key_array(state.unsure_rows, state.unsure_class_ids)
        no_origin = np.zeros(len(unsure), np.uint8)
        fold._put(_cells(unsure, Verdict.UNSURE, state.unsure_given, no_origin))
        yes = key_array(state.rows, state.class_ids)
        fold._put(_cells(yes, Verdict.IS, state.given, state.origins))
        return fold

    def heed(self, schema: Schema) -> None:
        """See Folding."""
        if schema != self._schema:
            self._schema = schema
            self._read_anew()

    def project(self, copies: Copies | None) -> None:
        """See Folding."""
        self._copies = copies

    def known(self, cells: Rows) -> Codes:
        """What is known of cells [n], by a class in use each: uint8 [n], a Verdict, 0 for nothing."""
        return self._look_up(self._known, cells)

    def given_by(self, cells: Rows) -> Rows:
        """int64 [n]: the newest event that said something of cells [n] themselves; 0 for none."""
        return self._look_up(self._given_by, cells)

    def given_by_any(self, rows: Rows) -> Rows:
        """int64 [n, 2]: the oldest and the newest event that count for rows [n], of any class; 0 for none."""
        inside = rows < self._given_by.shape[1]
        given = np.zeros((len(self._given_by), len(rows)), np.int64)
        given[:, inside] = self._given_by[:, rows[inside]]
        oldest = np.where(given > 0, given, np.iinfo(np.int64).max).min(0)
        newest = given.max(0)
        return np.stack([np.where(newest > 0, oldest, 0), newest], axis=1)

    def about(self, rows: Rows, class_id: int) -> tuple[Codes, Codes]:
        """uint8 [n] twice: what is known of rows [n] and a class in use (see `known`), and how it came about."""
        said, origins = np.zeros(len(rows), np.uint8), np.zeros(len(rows), np.uint8)
        inside = rows < self._said.shape[1]
        if self._implications.is_alone(class_id):
            said[inside] = self._said[class_id, rows[inside]]
            origins[inside] = self._origin[class_id, rows[inside]]
        else:
            found = self._implied(rows[inside])
            said[inside], origins[inside] = found.said[class_id], found.origins[class_id]
        return said, origins

    def answered_by_people(self) -> int:
        """Pairs of which people said yes or no."""
        answered = np.isin(self._said, (Verdict.IS, Verdict.IS_NOT))
        return int(np.count_nonzero(answered & (self._origin != CERTIFIED)))

    def certified(self, class_id: int) -> int:
        """Images of which a certificate says whether they are of a class in use."""
        found = (self._implied(block) for block in self._blocks())
        return sum(int(np.count_nonzero(each.origins[class_id] == CERTIFIED)) for each in found)

    def labelled_with_copies(self) -> int:
        """Complete images and the copies that inherit from them."""
        if self._copies is None:
            return self.complete
        size = max(len(self._copies.representative), len(self._answered))
        every = np.arange(size)
        whole = np.zeros(size, np.bool_)
        whole[: len(self._answered)] = self._is_complete(self._answered)
        source = self._copies.of(every)
        usable = source >= 0
        return int(np.count_nonzero(usable & (whole | whole[np.where(usable, source, every)])))

    def labels(self) -> Labels:
        """What callers get: classes in use, what is implied included."""
        pieces = [self._labels_of(block) for block in self._blocks()]
        if len(pieces) == 1:
            return pieces[0]
        joined = {
            each.name: np.concatenate([getattr(piece, each.name) for piece in pieces])
            for each in fields(Labels)
            if each.name != "seq"
        }
        return Labels(seq=self.seq, **joined)

    def _labels_of(self, block: slice) -> Labels:
        """What callers get of some rows."""
        found = self._implied(block)
        yes, no, unsure = _by_verdict(found.said)
        return Labels(
            seq=self.seq,
            rows=block.start + yes[0],
            class_ids=yes[1].astype(np.int32),
            seqs=found.given.T[yes],
            origins=found.origins.T[yes],
            negative_rows=block.start + no[0],
            negative_class_ids=no[1].astype(np.int32),
            negative_origins=found.origins.T[no],
            unsure_rows=block.start + unsure[0],
            unsure_class_ids=unsure[1].astype(np.int32),
        )

    def state(self) -> PairState:
        """See Folding."""
        yes, no, unsure = _by_verdict(self._said)
        return PairState(
            rows=yes[0],
            class_ids=yes[1].astype(np.int32),
            given=self._given_by.T[yes],
            origins=self._origin.T[yes],
            unsure_rows=unsure[0],
            unsure_class_ids=unsure[1].astype(np.int32),
            unsure_given=self._given_by.T[unsure],
            refused=key_array(no[0], no[1].astype(np.int32)),
            contradicted=NO_ROWS,
            refused_given=self._given_by.T[no],
            refused_origins=self._origin.T[no],
            **self._bookkeeping(),
        )

    def _empty(self) -> None:
        self._said: Codes = np.zeros((1, 0), np.uint8)
        self._given_by: Rows = np.zeros((1, 0), np.int64)
        self._origin: Codes = np.zeros((1, 0), np.uint8)
        self._known: Codes = np.zeros((1, 0), np.uint8)
        self._answered = np.zeros(0, np.int32)
        self._read_anew()

    def _read_anew(self) -> None:
        """Work out everything that depends on the schema."""
        self._implications = Implications(self._schema)
        classes = max([0, *self._schema.names]) + 1
        self._grow(classes, self._said.shape[1])
        self._known[:], self._answered[:] = 0, 0
        self.yes: dict[int, int] = {}
        self.no: dict[int, int] = {}
        self.unsure: dict[int, int] = {}
        self.complete = 0
        for block in self._blocks():
            self._settle(block)

    def _given(self, event: Event) -> int:
        return sum(len(each.rows) for each in event.counted if each.verdict is not Verdict.UNSURE)

    def _judge(self, event: Event) -> Change:
        after = _heard(event)
        if event.kind is EventKind.CERTIFICATE:
            after = _only(after, self.known(after.keys) == 0)
        before = _Cells(
            after.keys,
            self._look_up(self._said, after.keys),
            self.given_by(after.keys),
            self._look_up(self._origin, after.keys),
        )
        self._put(after)
        return Change(after.keys, lambda: self._put(before))

    def _put(self, cells: _Cells) -> None:
        if not cells.keys.size:
            return
        class_ids, rows = cells.at
        self._grow(int(class_ids.max()) + 1, int(rows.max()) + 1)
        self._said[class_ids, rows] = cells.said
        self._given_by[class_ids, rows] = cells.given
        self._origin[class_ids, rows] = cells.origins
        touched = np.unique(rows)
        whole = _MANY * len(touched) > self._said.shape[1]
        for some in self._blocks() if whole else [touched]:
            self._settle(some)

    def _blocks(self) -> list[slice]:
        """All rows in pieces that need little memory at a time; one at least."""
        size = self._said.shape[1]
        return [slice(at, min(at + _BLOCK, size)) for at in range(0, max(size, 1), _BLOCK)]

    def _settle(self, rows: Rows | slice) -> None:
        """Work out what is known of rows, each once, and count it."""
        self._tally(rows, -1)
        self._known[:, rows] = self._implied(rows).said
        self._tally(rows, +1)

    def _tally(self, rows: Rows | slice, sign: int) -> None:
        used = self._schema.used
        known = self._known[:, rows][used]
        answered = np.zeros(known.shape[1], np.int32)
        for counts, verdict in zip((self.yes, self.no, self.unsure), Verdict, strict=True):
            found = np.equal(known, int(verdict))
            for class_id, count in zip(used.tolist(), found.sum(1).tolist(), strict=True):
                counts[class_id] = counts.get(class_id, 0) + sign * count
            if verdict is not Verdict.UNSURE:
                answered += found.sum(0, dtype=np.int32)
        self._answered[rows] = answered
        self.complete += sign * int(np.count_nonzero(self._is_complete(self._answered[rows])))

    def _is_complete(self, answered: npt.NDArray[np.int32]) -> Mask:
        whole: Mask = (answered == len(self._schema.used)) & (answered > 0)
        return whole

    def _implied(self, rows: Rows | slice) -> Implied:
        said = Said(self._said[:, rows], self._given_by[:, rows], self._origin[:, rows])
        return self._implications.of(said)

    def _look_up(self, matrix: npt.NDArray[_Number], cells: Rows) -> npt.NDArray[_Number]:
        class_ids, rows = cells & _CLASS, cells >> CELL_SHIFT
        found = np.zeros(len(cells), matrix.dtype)
        inside = (class_ids < matrix.shape[0]) & (rows < matrix.shape[1])
        found[inside] = matrix[class_ids[inside], rows[inside]]
        return found

    def _grow(self, classes: int, rows: int) -> None:
        height, width = self._said.shape
        if classes <= height and rows <= width:
            return
        # Doubling, so that a collection labelled from its first row to its last is copied seldom.
        shape = max(classes, height), width if rows <= width else max(rows, 2 * width)
        self._said = _grown(self._said, shape)
        self._given_by = _grown(self._given_by, shape)
        self._origin = _grown(self._origin, shape)
        self._known = _grown(self._known, shape)
        self._answered = _grown(self._answered, shape[1:])


def _by_verdict(matrix: Codes) -> list[tuple[Rows, Rows]]:
    """Rows and classes of which each verdict was said, int64 [n] twice, by row, then class."""
    found = (np.nonzero(np.equal(matrix.T, int(verdict))) for verdict in Verdict)
    return [(rows, class_ids) for rows, class_ids in found]


def _heard(event: Event) -> _Cells:
    """What an event says of each cell; the last word on it in the order of the verdicts."""
    said = sorted(event.counted, key=lambda each: _ORDER[each.verdict])
    page_class = event.page.class_id if event.page else NO_CLASS
    keys = [key_array(each.rows, _class_of(each, page_class)) for each in said]
    codes = [np.full(len(each.rows), each.verdict, np.uint8) for each in said]
    joined = np.concatenate([NO_ROWS, *keys])[::-1]
    keys_once, last = np.unique(joined, return_index=True)
    verdicts = np.concatenate([np.empty(0, np.uint8), *codes])[::-1][last]
    given = np.full(len(keys_once), event.seq, np.int64)
    origins = np.where(verdicts == Verdict.UNSURE, np.uint8(0), np.uint8(event.origin))
    return _Cells(keys_once, verdicts, given, origins)


def _class_of(judgement: Judgement, page_class: int) -> int:
    return page_class if judgement.verdict is Verdict.UNSURE else judgement.class_id


_ORDER: Mapping[Verdict, int] = MappingProxyType(
    {Verdict.IS_NOT: 0, Verdict.UNSURE: 1, Verdict.IS: 2}
)


def _cells(keys: Rows, verdict: Verdict, given: Rows, origins: Codes) -> _Cells:
    return _Cells(keys, np.full(len(keys), verdict, np.uint8), given, origins)


def _only(cells: _Cells, kept: Mask) -> _Cells:
    return _Cells(cells.keys[kept], cells.said[kept], cells.given[kept], cells.origins[kept])


def _grown(matrix: npt.NDArray[_Number], shape: tuple[int, ...]) -> npt.NDArray[_Number]:
    grown = np.zeros(shape, matrix.dtype)
    grown[tuple(map(slice, matrix.shape))] = matrix
    return grown
