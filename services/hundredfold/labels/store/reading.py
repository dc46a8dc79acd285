"""What can be asked of one collection's ledger and leases within a transaction."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Select, select

from hundredfold.labels.domain.event import JUDGING, Event, EventKind, Mark
from hundredfold.labels.domain.page import NO_ROWS, Lease, LeaseState, Mask, Rows
from hundredfold.labels.domain.undoing import Wanted
from hundredfold.labels.store.codec import content_from_bytes, page_from_bytes
from hundredfold.labels.store.tables import collections, events, leased_rows, leases

NO_HASH = bytes(32)
_MARKS = (EventKind.UNDO, EventKind.UNDO_MANY, EventKind.CLEAR)
_JUDGES = (EventKind.DECISION, EventKind.IMPORT, EventKind.PAIRS)
_ANSWERS = (EventKind.DECISION, EventKind.PAIRS)
_AUDITS = (EventKind.AUDIT, EventKind.CERTIFICATE)
_FLAGS = (EventKind.FLAG, EventKind.UNFLAG)
_CHAINED = tuple(column.name for column in events.c if column.name != "hash")


class LedgerDamaged(Exception):
    """The chain of hashes is broken: the database was changed by something else, or lost something."""


class Reading:
    """One transaction that reads.

    Attributes:
        connection: the transaction.
        collection: whose.
    """

    def __init__(
        self, connection: Connection, collection: str, clock: Callable[[Connection], float]
    ) -> None:
        self.connection = connection
        self.collection = collection
        self._clock = clock

    @cached_property
    def now(self) -> float:
        """Unix seconds by the database's clock, when first asked; the same from then on."""
        return self._clock(self.connection)

    def head_seq(self) -> int:
        """The newest seq; 0 for none."""
        return self._of_collection(collections.c.head_seq)

    def total(self) -> int:
        """How many images there are to label, as last told; 0 when nobody said."""
        return self._of_collection(collections.c.total)

    def snapshot_seq(self) -> int:
        """The head when the newest snapshot was begun, by whichever replica; 0 for none."""
        return self._of_collection(collections.c.snapshot_seq)

    def events(self, after: int, limit: int) -> list[Event]:
        """At most `limit` events after a seq, by seq.

        Raises:
            LedgerDamaged: an event is not what was written.
        """
        rows = self._all(
            self._events().where(events.c.seq > after).order_by(events.c.seq).limit(limit)
        )
        if rows:
            _check_chain(rows, self.hash_at(after))
        return [_event(row) for row in rows]

    def listed(
        self, wanted: Wanted, limit: int, *, after: int = 0, before: int = 0, newest_first: bool
    ) -> list[Event]:
        """At most `limit` of the events wanted, after a seq and, unless 0, before another, by seq."""
        found = _meeting(self._events().where(events.c.seq > after), wanted)
        if before:
            found = found.where(events.c.seq < before)
        order = events.c.seq.desc() if newest_first else events.c.seq
        return [_event(row) for row in self._all(found.order_by(order).limit(limit))]

    def judging(self, wanted: Wanted, after: int, limit: int) -> list[tuple[int, EventKind, str]]:
        """Seq, kind and actor of at most `limit` of the events wanted after a seq that judge, by seq."""
        found = self._events(events.c.seq, events.c.kind, events.c.actor)
        found = found.where(events.c.seq > after, events.c.kind.in_(JUDGING))
        found = _meeting(found, wanted)
        rows = self._all(found.order_by(events.c.seq).limit(limit))
        return [(row.seq, EventKind(row.kind), row.actor) for row in rows]

    def kinds_of(self, seqs: Sequence[int]) -> list[tuple[int, EventKind, str]]:
        """Seq, kind and actor of the events with these seqs, by seq; at most some thousand."""
        found = self._events(events.c.seq, events.c.kind, events.c.actor)
        rows = self._all(found.where(events.c.seq.in_(seqs)).order_by(events.c.seq))
        return [(row.seq, EventKind(row.kind), row.actor) for row in rows]

    def of_seqs(self, seqs: Sequence[int]) -> list[Event]:
        """The events with these seqs, by seq, as far as they are there; at most some thousand."""
        found = self._events().where(events.c.seq.in_(seqs)).order_by(events.c.seq)
        return [_event(row) for row in self._all(found)]

    def event(self, seq: int) -> Event:
        """One event, which is there."""
        (event,) = self.events(seq - 1, 1)
        return event

    def hash_at(self, seq: int) -> bytes:
        """The hash of an event, which stands for it and all before; that of none when it is not there."""
        rows = self._all(self._events(events.c.hash).where(events.c.seq == seq))
        return bytes(rows[0].hash) if rows else NO_HASH

    def find(self, request_id: str) -> Event | None:
        """The event of an earlier write with this id."""
        rows = self._all(self._events().where(events.c.request_id == request_id))
        return _event(rows[0]) if rows else None

    def marks(self) -> list[Mark]:
        """All UNDO, UNDO_MANY and CLEAR events, by seq."""
        found = self._events().where(events.c.kind.in_(_MARKS)).order_by(events.c.seq)
        return [_mark(row) for row in self._all(found)]

    def audits(self, after: int) -> list[Event]:
        """The AUDIT and CERTIFICATE events after a seq, by seq."""
        found = (
            self._events()
            .where(events.c.seq > after, events.c.kind.in_(_AUDITS))
            .order_by(events.c.seq)
        )
        return [_event(row) for row in self._all(found)]

    def flags(self, after: int) -> list[Event]:
        """The FLAG and UNFLAG events after a seq, by seq."""
        found = (
            self._events()
            .where(events.c.seq > after, events.c.kind.in_(_FLAGS))
            .order_by(events.c.seq)
        )
        return [_event(row) for row in self._all(found)]

    def judges(self, after: int) -> list[tuple[int, EventKind, str]]:
        """Seq, kind and actor of the DECISION, IMPORT and PAIRS events after a seq."""
        found = self._events(events.c.seq, events.c.kind, events.c.actor).where(
            events.c.seq > after, events.c.kind.in_(_JUDGES)
        )
        return [(row.seq, EventKind(row.kind), row.actor) for row in self._all(found)]

    def decisions_of(self, actor: str, before: int, limit: int) -> list[int]:
        """The seqs of an actor's decisions and judgements of pairs before a seq, newest first."""
        found = (
            self._events(events.c.seq)
            .where(
                events.c.actor == actor,
                events.c.kind.in_(_ANSWERS),
                events.c.seq < before,
            )
            .order_by(events.c.seq.desc())
            .limit(limit)
        )
        return [row.seq for row in self._all(found)]

    def actors(self, seqs: Sequence[int]) -> dict[int, str]:
        """Who made these events, at most some thousand."""
        found = self._events(events.c.seq, events.c.actor).where(events.c.seq.in_(seqs))
        return {row.seq: row.actor for row in self._all(found)}

    def leased(self) -> Rows:
        """The cells (see `Page.cells`) of ACTIVE leases: int64 [n]."""
        found = select(leased_rows.c.row).where(leased_rows.c.collection == self.collection)
        return np.array(self.connection.execute(found).scalars().all(), np.int64)

    def taken(self, cells: Rows) -> Mask:
        """Which of cells [n] are in a lease: bool [n]."""
        found = select(leased_rows.c.row).where(
            leased_rows.c.collection == self.collection, leased_rows.c.row.in_(cells.tolist())
        )
        return np.isin(cells, self.connection.execute(found).scalars().all())

    def find_lease(self, token: int) -> Lease | None:
        """A lease by its token, whatever its state; None when there never was one, or long ago."""
        rows = self._all(self._leases().where(leases.c.token == token))
        return _lease(rows[0]) if rows else None

    def lease_of(self, page_id: str, annotator: str) -> Lease | None:
        """The newest lease of a page that somebody holds or has answered."""
        found = self._leases().where(
            leases.c.state.in_((LeaseState.ACTIVE, LeaseState.ANSWERED)),
            leases.c.page_id == page_id,
            leases.c.annotator == annotator,
        )
        rows = self._all(found.order_by(leases.c.token.desc()).limit(1))
        return _lease(rows[0]) if rows else None

    def active_leases(
        self, tokens: Sequence[int] | None = None, *, expired: bool = False
    ) -> list[Lease]:
        """The ACTIVE leases, or those of them that have these tokens, or whose time is over."""
        found = self._leases().where(leases.c.state == LeaseState.ACTIVE)
        if tokens is not None:
            found = found.where(leases.c.token.in_(tokens))
        if expired:
            found = found.where(leases.c.expires_at <= self.now)
        return [_lease(row) for row in self._all(found.order_by(leases.c.token))]

    def given_back(self, annotator: str) -> set[str]:
        """The ids of the pages that somebody released, until their leases would have ended."""
        found = self._leases().where(
            leases.c.state == LeaseState.RELEASED,
            leases.c.annotator == annotator,
            leases.c.expires_at > self.now,
        )
        return {row.page_id for row in self._all(found)}

    def skipped(self, annotator: str) -> Rows:
        """The cells of the pages that somebody released, until their leases would have ended: int64 [n]."""
        found = self._leases().where(
            leases.c.state == LeaseState.RELEASED,
            leases.c.annotator == annotator,
            leases.c.expires_at > self.now,
        )
        return np.concatenate([NO_ROWS, *(_lease(row).page.cells for row in self._all(found))])

    def _of_collection(self, column: Any) -> int:
        found = select(column).where(collections.c.collection == self.collection)
        return self.connection.execute(found).scalar_one_or_none() or 0

    def _events(self, *columns: Any) -> Select[Any]:
        return select(*(columns or (events,))).where(events.c.collection == self.collection)

    def _leases(self) -> Select[Any]:
        return select(leases).where(leases.c.collection == self.collection)

    def _all(self, found: Select[Any]) -> Sequence[Row[Any]]:
        return self.connection.execute(found).all()


def _meeting(found: Select[Any], wanted: Wanted) -> Select[Any]:
    """Those that meet every criterion that is set."""
    conditions = {
        "actor": events.c.actor == wanted.actor,
        "kinds": events.c.kind.in_(wanted.kinds),
        "since": events.c.created_at >= wanted.since,
        "until": events.c.created_at < wanted.until,
        "head_seq": events.c.seq <= wanted.head_seq,
    }
    return found.where(*(each for name, each in conditions.items() if getattr(wanted, name)))


def chain_hash(values: Mapping[str, Any]) -> bytes:
    """The sha256 over every column of an event, the hash of the event before among them."""
    parts = [values[name] for name in _CHAINED]
    text = json.dumps([hashlib.sha256(p).hexdigest() if isinstance(p, bytes) else p for p in parts])
    return hashlib.sha256(text.encode()).digest()


def _check_chain(rows: Sequence[Row[Any]], before: bytes) -> None:
    hashes = [before, *(row.hash for row in rows)]
    for at, row in enumerate(rows):
        whole = row.prev_hash == hashes[at] and row.hash == chain_hash(row._asdict())
        if not whole or row.seq != rows[0].seq + at:
            raise LedgerDamaged(
                f"event {row.seq} of {row.collection} is not what was written; restore a backup"
            )


def _event(row: Row[Any]) -> Event:
    return Event(
        kind=EventKind(row.kind),
        actor=row.actor,
        request_id=row.request_id,
        body=row.body,
        undone_seq=row.undone_seq,
        token=row.token,
        seq=row.seq,
        created_at=row.created_at,
        **content_from_bytes(row.content),
    )


def _mark(row: Row[Any]) -> Mark:
    kind = EventKind(row.kind)
    if kind is EventKind.UNDO:
        # There are many of them: without reading what they say.
        return Mark(row.seq, kind, (row.undone_seq,))
    return Mark(row.seq, kind, _event(row).taken_back)


def _lease(row: Row[Any]) -> Lease:
    return Lease(
        row.token,
        page_from_bytes(row.page),
        row.annotator,
        row.expires_at,
        LeaseState(row.state),
    )
