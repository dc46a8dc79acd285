"""What the ledger holds."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hundredfold.labels.domain.page import NO_ROWS, Ids, Mask, Page, Rows, pair_keys


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
    AUDIT = 5
    CERTIFICATE = 6
    UNDO_MANY = 7
    FLAG = 8
    UNFLAG = 9
    PAIRS = 10


JUDGING = frozenset({EventKind.DECISION, EventKind.IMPORT, EventKind.CERTIFICATE, EventKind.PAIRS})
"""The kinds that have judgements."""

IMPORTED, CERTIFIED = 0, 127
"""Origins of labels that no page gave; the others have the number of the kind of their page."""


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """One verdict on some images, or on some pairs of images.

    Attributes:
        class_id: the class meant; 0 with UNSURE, and of pairs.
        verdict: what is said; of pairs IS = the same picture.
        rows: int64 [n]: of which images, each once; of pairs the left one of each.
        others: int64 [n]: of pairs the right one of each; else [0].
    """

    class_id: int
    verdict: Verdict
    rows: Rows
    others: Rows = field(default_factory=lambda: NO_ROWS)

    @property
    def of_pairs(self) -> bool:
        """Whether it is on pairs."""
        return self.others.size > 0

    @property
    def about(self) -> Rows:
        """What it is on, int64 [n]: its rows, or the `pair_keys` of its pairs."""
        return pair_keys(self.rows, self.others) if self.of_pairs else self.rows

    def only(self, kept: Mask) -> "Judgement":
        """The same on those of a mask [n]."""
        others = self.others[kept] if self.of_pairs else self.others
        return replace(self, rows=self.rows[kept], others=others)


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """An event that is not in the ledger yet.

    Attributes:
        kind: what it is.
        actor: who does it.
        request_id: the caller's id of the write.
        body: sha256 of what the caller asked, so that the same id with another body is noticed.
        page: DECISION, and PAIRS if it answers one: the page answered, as it was shown.
        judgements: DECISION, IMPORT, CERTIFICATE and PAIRS: what is said.
        seconds: DECISION and PAIRS: seconds it took the person.
        undone_seq: UNDO: the event that no longer counts.
        token: DECISION: the lease answered; UNDO: the lease given again; else 0.
        details: AUDIT and CERTIFICATE: what they are about, as JSON; `audit_id` among it. UNDO_MANY: what
            was asked. FLAG and UNFLAG: see `flag`.
        rows: int64 [n]. UNDO_MANY: the events that no longer count, ascending; FLAG: the images; UNFLAG:
            the flags that are done with; PAIRS: the images that are to stand for what they are the same as.
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
    details: Mapping[str, Any] = field(default_factory=dict)
    rows: Rows = field(default_factory=lambda: NO_ROWS)

    @property
    def taken_back(self) -> tuple[int, ...]:
        """The events that no longer count by it."""
        if self.kind is EventKind.UNDO_MANY:
            return tuple(self.rows.tolist())
        return (self.undone_seq,) if self.kind is EventKind.UNDO else ()

    @property
    def origin(self) -> int:
        """How the labels that it gives came about."""
        if self.kind is EventKind.CERTIFICATE:
            return CERTIFIED
        return int(self.page.kind) if self.page else IMPORTED

    @property
    def counted(self) -> tuple[Judgement, ...]:
        """What is said, but of planted images: that tells of the person, not of the image."""
        if self.page is None or not self.page.planted.size:
            return self.judgements
        planted = self.page.planted
        return tuple(
            replace(each, rows=each.rows[~np.isin(each.rows, planted)]) for each in self.judgements
        )


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
    taken_back: tuple[int, ...] = ()


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
    """Which events count after these UNDO, UNDO_MANY and CLEAR events, which are all there are, by seq."""
    undone = set[int]().union(*(mark.taken_back for mark in lasting(marks)))
    clears = [mark.seq for mark in marks if mark.kind is EventKind.CLEAR]
    cleared = max((seq for seq in clears if seq not in undone), default=0)
    return Standing(cleared, frozenset(seq for seq in undone if seq > cleared))


def lasting(marks: list[Mark]) -> list[Mark]:
    """The UNDO and UNDO_MANY events of marks that were not taken back themselves: an UNDO never is."""
    singly = {seq for mark in marks if mark.kind is EventKind.UNDO for seq in mark.taken_back}
    return [
        mark
        for mark in marks
        if mark.kind is EventKind.UNDO
        or (mark.kind is EventKind.UNDO_MANY and mark.seq not in singly)
    ]


def labels_by_class(rows: Rows, class_ids: Ids) -> tuple[Judgement, ...]:
    """That rows [n], each once, are of classes [n]: one judgement a class."""
    order = np.argsort(class_ids, kind="stable")
    classes, starts = np.unique(class_ids[order], return_index=True)
    parts = np.split(rows[order], starts[1:])
    return tuple(
        Judgement(class_id, Verdict.IS, part)
        for class_id, part in zip(classes.tolist(), parts, strict=False)
    )
