"""Flags: notes for reviewers on images, kept in the ledger."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hundredfold.chassis.errors import NotFound, PermissionDenied
from hundredfold.labels.answers import Asker, replayed
from hundredfold.labels.domain.event import Draft, EventKind
from hundredfold.labels.domain.flag import Flag, flags_of
from hundredfold.labels.domain.page import Rows
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.store.codec import body_digest
from hundredfold.labels.store.reading import Reading


@dataclass
class _Known:
    """The flags of one collection up to event `seq`. `lock` guards the rest."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    seq: int = 0
    flags: dict[int, Flag] = field(default_factory=dict)


class Flags:
    """Writes and reads flags. Safe for threads; each write is done once per request_id.

    Args:
        ledger: that they are in.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def flag(self, collection: str, asker: Asker, request_id: str, rows: Rows, comment: str) -> int:
        """Write a flag on rows [n]; returns its seq.

        Raises:
            AlreadyExists: REQUEST_ID_REUSED.
        """
        asked = {"kind": "flag", "actor": asker.name, "rows": rows.tolist(), "comment": comment}
        draft = Draft(
            EventKind.FLAG,
            asker.name,
            request_id,
            body_digest(asked),
            details={"comment": comment},
            rows=rows,
        )
        with self._ledger.writing(collection) as work:
            before = replayed(work, request_id, draft.body)
            return before.seq if before else work.append(draft)

    def resolve(
        self, collection: str, asker: Asker, request_id: str, seqs: Sequence[int], comment: str
    ) -> int:
        """Write that flags are done with; returns the seq.

        Raises:
            AlreadyExists: REQUEST_ID_REUSED.
            NotFound: a seq is no flag that counts.
            PermissionDenied: a flag is another's.
        """
        chosen = sorted(set(seqs))
        asked = {"kind": "unflag", "actor": asker.name, "seqs": chosen, "comment": comment}
        draft = Draft(
            EventKind.UNFLAG,
            asker.name,
            request_id,
            body_digest(asked),
            details={"comment": comment},
            rows=np.array(chosen, np.int64),
        )
        with self._ledger.writing(collection) as work:
            if before := replayed(work, request_id, draft.body):
                return before.seq
            _check(self._read(work), chosen, asker)
            return work.append(draft)

    def newest_first(self, collection: str) -> list[Flag]:
        """All flags that count, those that are done with too."""
        with self._ledger.records.reading(collection) as reading:
            flags = self._read(reading)
        return [flags[seq] for seq in sorted(flags, reverse=True)]

    def _read(self, work: Reading) -> dict[int, Flag]:
        """The flags that no clear came after, by seq."""
        with self._ledger.fold(work.collection, work) as fold:
            cleared = fold.standing.cleared
        with self._lock:
            known = self._known.setdefault(work.collection, _Known())
        with known.lock:
            events = work.flags(known.seq)
            flags_of(events, known.flags)
            known.seq = max((event.seq for event in events), default=known.seq)
            return {seq: flag for seq, flag in known.flags.items() if seq > cleared}


def _check(flags: dict[int, Flag], seqs: Sequence[int], asker: Asker) -> None:
    for seq in seqs:
        if seq not in flags:
            raise NotFound(f"event {seq} is no flag", field="seqs")
        if flags[seq].actor != asker.name and not asker.may_review:
            raise PermissionDenied("another's flag takes the role reviewer")
