"""Taking many events back by one, and what that would do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hundredfold.chassis.errors import InvalidArgument, NotFound, PermissionDenied
from hundredfold.labels.answers import Asker, replayed
from hundredfold.labels.domain.event import JUDGING, Draft, EventKind
from hundredfold.labels.domain.folding import Folding
from hundredfold.labels.domain.page import NO_ROWS, Rows
from hundredfold.labels.domain.undoing import Difference, Selection, changes
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.store.codec import body_digest
from hundredfold.labels.store.reading import Reading

MOST_EVENTS = 1_000_000
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Preview:
    """What taking events back would do.

    Attributes:
        head_seq: the newest event that was looked at.
        events: that would count no longer.
        images: judged in them, each once; those of pairs are not counted.
        difference: of the labels, and of what is said of pairs.
    """

    head_seq: int
    events: int
    images: int
    difference: Difference


@dataclass(frozen=True, slots=True)
class UndoneMany:
    """The event, how many others count no longer by it, and whether it had been written before."""

    seq: int
    events: int
    replayed: bool


class Undoing:
    """Takes many events back. Each write is done once per request_id.

    Args:
        ledger: whose events.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def preview(self, collection: str, selection: Selection) -> Preview:
        """What taking events back would do.

        Raises:
            InvalidArgument: a seq of another kind, or too many events.
            NotFound: nothing of them counts.
        """
        with self._ledger.records.reading(collection) as reading:
            with self._ledger.fold(collection, reading) as fold:
                chosen = _chosen(reading, fold, selection)
                head = fold.seq
            images = _images(reading, chosen)
        now, then = self._ledger.imagined(collection, list(chosen))
        return Preview(head, len(chosen), images, changes(now, then))

    def undo(
        self, collection: str, asker: Asker, request_id: str, selection: Selection
    ) -> UndoneMany:
        """Take events back.

        Raises:
            AlreadyExists: REQUEST_ID_REUSED.
            InvalidArgument: a seq of another kind, or too many events.
            NotFound: nothing of them counts.
            PermissionDenied: one is another's.
        """
        asked = _document(selection)
        body = body_digest(
            {"kind": "undo_many", "actor": asker.name, "seqs": selection.seqs, **asked}
        )
        with self._ledger.fold(collection):
            pass  # most of the catching up, before others are kept out
        with self._ledger.writing(collection) as work:
            if before := replayed(work, request_id, body):
                return UndoneMany(before.seq, len(before.rows), replayed=True)
            with self._ledger.fold(collection, work) as fold:
                chosen = _chosen(work, fold, selection)
            if not asker.may_review and set(chosen.values()) - {asker.name}:
                raise PermissionDenied("another's decision takes the role reviewer")
            draft = Draft(
                EventKind.UNDO_MANY,
                asker.name,
                request_id,
                body,
                details=asked,
                rows=np.array(sorted(chosen), np.int64),
            )
            return UndoneMany(work.append(draft), len(chosen), replayed=False)


def _chosen(work: Reading, fold: Folding, selection: Selection) -> Mapping[int, str]:
    """The events of a selection that count: seq -> actor."""
    stands = fold.standing
    if selection.seqs:
        found = _named(work, selection)
    else:
        found = work.judging(selection.wanted, stands.cleared, MOST_EVENTS + 1)
    chosen = {seq: actor for seq, kind, actor in found if stands.counts(seq, kind)}
    if len(found) > MOST_EVENTS:
        raise InvalidArgument(f"it is more than {MOST_EVENTS} events", field="selection")
    if not chosen:
        raise NotFound("nothing of it counts", field="selection")
    return chosen


def _named(work: Reading, selection: Selection) -> list[tuple[int, EventKind, str]]:
    head = selection.wanted.head_seq
    seqs = [seq for seq in sorted(set(selection.seqs)) if not head or seq <= head]
    found = [
        each
        for begin in range(0, len(seqs), _BATCH)
        for each in work.kinds_of(seqs[begin : begin + _BATCH])
    ]
    for seq, kind, _ in found:
        if kind not in JUDGING:
            raise InvalidArgument(
                f"event {seq} is no decision, import, certificate or judgement of pairs",
                field="selection.seqs",
            )
    return found


def _images(work: Reading, chosen: Mapping[int, str]) -> int:
    """Images judged in events, each once, planted ones left out."""
    seqs, images = list(chosen), NO_ROWS
    for begin in range(0, len(seqs), _BATCH):
        events = work.of_seqs(seqs[begin : begin + _BATCH])
        labelling = [event for event in events if event.kind is not EventKind.PAIRS]
        judged: list[Rows] = [said.rows for event in labelling for said in event.counted]
        images = np.unique(np.concatenate([images, *judged]))
    return len(images)


def _document(selection: Selection) -> dict[str, Any]:
    """What was asked, as JSON; seqs are in the event as they were chosen."""
    wanted = selection.wanted
    return {
        "selection": {
            "actor": wanted.actor,
            "since": wanted.since,
            "until": wanted.until,
            "kinds": [int(kind) for kind in wanted.kinds],
            "head_seq": wanted.head_seq,
        }
    }
