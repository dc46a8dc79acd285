"""What people say of pairs of images: whether two show the same picture."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from hundredfold.labels.domain.event import Draft, Event, Verdict
from hundredfold.labels.domain.page import Mask, Page, Rows, pair_cells, pair_keys, pair_rows

Verdicts = npt.NDArray[np.uint8]
_Value = TypeVar("_Value")
_NOTHING = np.empty((0, 3), np.int64)


class Likeness:
    """The newest word on each pair, and the images that are to stand for what they are the same as.

    It gives no label. Not safe for threads. Memory: about 200 bytes a pair.
    """

    def __init__(self) -> None:
        self._said: dict[int, tuple[int, int]] = {}
        self._kept: dict[int, int] = {}
        self._table: npt.NDArray[np.int64] | None = _NOTHING

    @classmethod
    def of(cls, table: npt.NDArray[np.int64], kept: npt.NDArray[np.int64]) -> "Likeness":
        """The one that had this `table` and `kept`."""
        likeness = cls()
        likeness._said = {key: (verdict, seq) for key, verdict, seq in table.tolist()}
        likeness._kept = dict(kept.tolist())
        likeness._table = None
        return likeness

    def table(self) -> npt.NDArray[np.int64]:
        """int64 [n, 3], ascending: of each pair its `pair_keys`, the Verdict and the event that gave it."""
        if self._table is None:
            rows = [(key, *said) for key, said in sorted(self._said.items())]
            self._table = np.array(rows, np.int64).reshape(-1, 3)
        return self._table

    def kept(self) -> npt.NDArray[np.int64]:
        """int64 [k, 2]: images that stand for others and the event that says so, the newest first."""
        newest = sorted(self._kept.items(), key=lambda each: (-each[1], each[0]))
        return np.array(newest, np.int64).reshape(-1, 2)

    def verdicts(self, keys: Rows) -> Verdicts:
        """uint8 [n]: the Verdict on each of `pair_keys` [n]; 0 where nothing was said."""
        return self._look_up(keys, 1).astype(np.uint8)

    def still_open(self, page: Page) -> Mask:
        """Of which pairs of a page nothing was said: bool [n]."""
        unknown: Mask = self.verdicts(page.pairs) == 0
        return unknown

    def open_again(self, page: Page, seq: int) -> Mask:
        """Which pairs of a page can be shown again when its event is taken back: bool [n]."""
        free: Mask = self.still_open(page) | (self._look_up(page.pairs, 2) == seq)
        return free

    def judge(self, event: Event) -> tuple[Rows, Callable[[], None]]:
        """Let an event count.

        Returns:
            int64 [m], ascending, each once: the cells that it touches; and what makes all as it was, as long as
            nothing touched those since.
        """
        said = {
            key: (int(each.verdict), event.seq)
            for each in event.judgements
            for key in pair_keys(each.rows, each.others).tolist()
        }
        kept = dict.fromkeys(event.rows.tolist(), event.seq)
        before = {key: self._said.get(key) for key in said}
        kept_before = {row: self._kept.get(row) for row in kept}
        _put(self._said, said)
        _put(self._kept, kept)
        self._table = None

        def take_back() -> None:
            _put(self._said, before)
            _put(self._kept, kept_before)
            self._table = None

        # Who stands for others touches the pair of himself with himself, which nobody can judge.
        touched = [*said, *pair_keys(event.rows, event.rows).tolist()]
        return np.sort(pair_cells(np.array(touched, np.int64))), take_back

    def _look_up(self, keys: Rows, column: int) -> Rows:
        table = self.table()
        found = np.zeros(len(keys), np.int64)
        at = np.searchsorted(table[:, 0], keys)
        inside = at < len(table)
        hits = np.flatnonzero(inside)[table[at[inside], 0] == keys[inside]]
        found[hits] = table[at[hits], column]
        return found


def decided(table: npt.NDArray[np.int64]) -> tuple[Rows, Rows, Mask]:
    """Of a `Likeness.table` the pairs of which people are sure.

    Returns:
        left int64 [n], right int64 [n] and same bool [n], left < right, ascending.
    """
    sure = table[table[:, 1] != Verdict.UNSURE]
    left, right = pair_rows(sure[:, 0])
    same: Mask = sure[:, 1] == Verdict.IS
    return left, right, same


def pairs_judged(event: Draft) -> int:
    """How many pairs an event judges."""
    return sum(len(each.others) for each in event.judgements)


def _put(kept: dict[int, _Value], values: Mapping[int, _Value | None]) -> None:
    for key, value in values.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value
