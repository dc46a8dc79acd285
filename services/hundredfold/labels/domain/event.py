"""What the ledger holds."""

import enum
from dataclasses import dataclass

from hundredfold.labels.domain.page import Page, Rows


class Verdict(enum.IntEnum):
    """What a person says about images and a class; the numbers are those of the API."""

    IS = 1
    IS_NOT = 2
    UNSURE = 3


class EventKind(enum.IntEnum):
    """What an event is; the numbers are those of the API."""

    DECISION = 1
    UNDO = 2
    IMPORT = 3
    CLEAR = 4


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """One verdict on some images.

    Attributes:
        class_id: the class meant; 0 with UNSURE.
        verdict: what is said.
        rows: int64 [n]: of which images, each once.
    """

    class_id: int
    verdict: Verdict
    rows: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """An event that is not in the ledger yet.

    Attributes:
        kind: what it is.
        actor: who does it.
        request_id: the caller's id of the write.
        body: sha256 of what the caller asked, so that the same id with another body is noticed.
        page: DECISION: the page answered, as it was shown.
        judgements: DECISION and IMPORT: what is said.
        seconds: DECISION: seconds it took the person.
        undone_seq: UNDO: the event that no longer counts.
        token: DECISION: the lease answered; UNDO: the lease given again; else 0.
    """

    kind: EventKind
    actor: str
    request_id: str
    body: bytes
    page: Page | None = None
    judgements: tuple[Judgement, ...] = ()
    seconds: float = 0.0
    undone_seq: int = 0
    token: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Event(Draft):
    """One event of the ledger.

    Attributes:
        seq: its place in the ledger of its collection, from 1, without gaps.
        created_at: Unix seconds.
    """

    seq: int = 0
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Mark:
    """What of an event decides which events count."""

    seq: int
    kind: EventKind
    undone_seq: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Which events count.

    Attributes:
        cleared: the CLEAR that counts, or 0; nothing before it does.
        undone: the events after `cleared` that were taken back.
    """

    cleared: int = 0
    undone: frozenset[int] = frozenset()

    def counts(self, seq: int, kind: EventKind) -> bool:
        """Whether an event counts; an UNDO never does."""
        if kind is EventKind.CLEAR:
            return seq == self.cleared
        return kind is not EventKind.UNDO and seq > self.cleared and seq not in self.undone


def standing(marks: list[Mark]) -> Standing:
    """Which events count after these UNDO and CLEAR events, which are all there are, by seq."""
    undone = {mark.undone_seq for mark in marks if mark.kind is EventKind.UNDO}
    clears = [mark.seq for mark in marks if mark.kind is EventKind.CLEAR]
    cleared = max((seq for seq in clears if seq not in undone), default=0)
    return Standing(cleared, frozenset(seq for seq in undone if seq > cleared))
