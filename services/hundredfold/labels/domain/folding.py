"""What folds of either kind share: which events count, taking them back, and who did what."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Collection, Set
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from hundredfold.labels.domain.copies import Copies
from hundredfold.labels.domain.event import JUDGING, Event, EventKind, Standing
from hundredfold.labels.domain.likeness import Likeness
from hundredfold.labels.domain.page import NO_ROWS, Rows
from hundredfold.labels.domain.people import Counts, counts_of, from_table, table
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.domain.state import FoldState

WINDOW_EVENTS = 1_000
WINDOW_ROWS = 4_000_000
RECENT_SECONDS = 1_200


@dataclass(frozen=True, slots=True)
class Change:
    """What one event changed.

    Attributes:
        touched: int64 [n], ascending, each once: of which cells (see `Page.cells`).
        take_back: makes all as it was; as long as nothing touched them since.
    """

    touched: Rows
    take_back: Callable[[], None]


class Folding(ABC):
    """The labels after the events up to `seq`. Not safe for threads.

    What the last `WINDOW_EVENTS` events changed is kept, so that taking one of them back needs no
    second fold.

    Attributes:
        seq: the last event folded in; 0 for none.
        decisions: decisions that count.
        microseconds: what people spent on them.
        people: who decided, and what each did.
        likeness: what is said of pairs of images.
        pair_microseconds: what people spent on that, `microseconds` not counted.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.people: dict[str, Counts] = {}
        self._recent: dict[int, int] = {}
        self._undone: set[int] = set()
        self._forget(0)

    @abstractmethod
    def heed(self, schema: Schema) -> None:
        """Read labels by this schema from now on."""

    @abstractmethod
    def project(self, copies: Copies | None) -> None:
        """Count copies by another FindDuplicates run from now on."""

    @abstractmethod
    def state(self) -> FoldState:
        """All there is to keep, in arrays of its own."""

    @abstractmethod
    def _judge(self, event: Event) -> Change:
        """Let an event that judges images count."""

    @abstractmethod
    def _empty(self) -> None:
        """Forget all labels."""

    @abstractmethod
    def _given(self, event: Event) -> int:
        """How many labels a decision gives."""

    @property
    def standing(self) -> Standing:
        """Which events count."""
        return Standing(self._cleared, frozenset(self._undone))

    def apply(self, event: Event) -> bool:
        """Fold in the next event.

        Returns:
            False when this takes back events that are not at hand or that later ones build on. The
            fold is unchanged then: fold again from an earlier state with `refold`.
        """
        if event.seq != self.seq + 1:
            raise ValueError(f"event {event.seq} does not follow {self.seq}")
        if event.taken_back and not self._undo(event.taken_back):
            return False
        if event.kind is EventKind.CLEAR:
            self._forget(event.seq)
            self._recent.clear()
            self._undone.clear()
            self._empty()
        if event.kind in JUDGING:
            self._count(event)
        self.seq = event.seq
        return True

    def refold(self, event: Event, standing: Standing) -> None:
        """Fold in the next event, of which `standing` says whether it counts in the end."""
        if standing.counts(event.seq, event.kind) and event.kind in JUDGING:
            self._count(event)
        self.seq = event.seq

    def stand(self, standing: Standing) -> None:
        """Take over which events count; to be said before `refold`."""
        self._cleared, self._undone = standing.cleared, set(standing.undone)

    def labels_since(self, moment: float) -> int:
        """Labels given by decisions that count in or after the second of `moment`, Unix time."""
        return sum(count for second, count in self._recent.items() if second >= int(moment))

    def _take_up(self, state: FoldState) -> Self:
        """Go on from a state, as far as it is the same for folds of either kind."""
        self.seq, self._cleared = state.seq, state.cleared
        self._undone = set(state.undone.tolist())
        self.decisions, self.microseconds = state.decisions, state.microseconds
        self._recent = dict(state.recent.tolist())
        self.people = from_table(state.actors, state.people)
        self.likeness = Likeness.of(state.pairs, state.kept)
        self.pair_microseconds = state.pair_microseconds
        return self

    def _bookkeeping(self) -> dict[str, Any]:
        """What of a state is the same for folds of either kind, as keyword arguments."""
        actors, people = table(self.people)
        return {
            "seq": self.seq,
            "cleared": self._cleared,
            "undone": np.array(sorted(self._undone), np.int64),
            "decisions": self.decisions,
            "microseconds": self.microseconds,
            "recent": np.array(sorted(self._recent.items()), np.int64).reshape(-1, 2),
            "actors": actors,
            "people": people,
            "pairs": self.likeness.table(),
            "kept": self.likeness.kept(),
            "pair_microseconds": self.pair_microseconds,
        }

    def _forget(self, cleared: int) -> None:
        self._window: OrderedDict[int, tuple[Event, Change]] = OrderedDict()
        self._window_rows = 0
        self._cleared = cleared
        self.decisions = 0
        self.microseconds = 0
        self.people.clear()
        self.likeness = Likeness()
        self.pair_microseconds = 0

    def _count(self, event: Event) -> None:
        if event.kind is EventKind.PAIRS:
            change = Change(*self.likeness.judge(event))
        else:
            change = self._judge(event)
        self._spend(event, +1)
        self._window[event.seq] = event, change
        self._window_rows += len(change.touched)
        while len(self._window) > WINDOW_EVENTS or self._window_rows > WINDOW_ROWS:
            _, (_, dropped) = self._window.popitem(last=False)
            self._window_rows -= len(dropped.touched)

    def _undo(self, taken_back: Collection[int]) -> bool:
        seqs = {seq for seq in taken_back if seq >= self._cleared and seq not in self._undone}
        if not seqs <= self._window.keys() or self._built_upon(seqs):
            return False
        for seq in sorted(seqs, reverse=True):
            event, change = self._window.pop(seq)
            self._window_rows -= len(change.touched)
            change.take_back()
            self._spend(event, -1)
        self._undone |= seqs
        return True

    def _built_upon(self, seqs: Set[int]) -> bool:
        """Whether a later event that counts, and is none of these, judged what one of these did."""
        first = min(seqs, default=self.seq + 1)
        later = [(at, change.touched) for at, (_, change) in self._window.items() if at >= first]
        cells = np.concatenate([NO_ROWS, *(touched for _, touched in later)])
        goes = np.repeat(
            np.array([at in seqs for at, _ in later], np.bool_), [len(each) for _, each in later]
        )
        # Events ascend, and a stable sort keeps those of one cell in their order.
        order = np.argsort(cells, kind="stable")
        same = cells[order][1:] == cells[order][:-1]
        return bool((same & goes[order][:-1] & ~goes[order][1:]).any())

    def _spend(self, event: Event, sign: int) -> None:
        if event.kind is EventKind.PAIRS:
            self.pair_microseconds += sign * round(event.seconds * 1e6)
        if event.kind is not EventKind.DECISION:
            return
        counts = counts_of(event)
        self.decisions += sign
        self.microseconds += sign * counts.microseconds
        self._credit(event.actor, counts, sign)
        second = int(event.created_at)
        self._recent[second] = self._recent.get(second, 0) + sign * self._given(event)
        if not self._recent[second]:
            del self._recent[second]
        while len(self._recent) > RECENT_SECONDS:
            del self._recent[min(self._recent)]

    def _credit(self, actor: str, counts: Counts, sign: int) -> None:
        done = self.people.pop(actor, Counts()).plus(counts, sign)
        if done.decisions:
            self.people[actor] = done
