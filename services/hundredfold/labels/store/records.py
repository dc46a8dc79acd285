"""The record store: the ledger and the leases, in one database."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Select, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from hundredfold.labels.domain.event import Draft, Event, EventKind, Mark
from hundredfold.labels.domain.page import Lease, LeaseState, Mask, Page, Rows
from hundredfold.labels.store.codec import (
    content_from_bytes,
    content_to_bytes,
    page_from_bytes,
    page_to_bytes,
)
from hundredfold.labels.store.database import Database
from hundredfold.labels.store.tables import collections, events, leased_rows, leases

NO_HASH = bytes(32)
_MARKS = (EventKind.UNDO, EventKind.CLEAR)


class LedgerDamaged(Exception):
    """The chain of hashes is broken: the database was changed by something else, or lost something."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a ledger: the newest seq (0 for none) and its hash."""

    seq: int
    hash: bytes


class Writing:
    """One transaction that holds the head of one collection's ledger: nobody else can add events or leases.

    Attributes:
        connection: the transaction.
        collection: whose.
        head: the end of the ledger, this transaction's events included.
        now: Unix seconds at its begin, by the database's clock.
    """

    def __init__(self, connection: Connection, collection: str, head: Head, now: float) -> None:
        self.connection = connection
        self.collection = collection
        self.head = head
        self.now = now

    def find(self, request_id: str) -> Event | None:
        """The event of an earlier write with this id."""
        found = select(events).where(
            events.c.collection == self.collection, events.c.request_id == request_id
        )
        row = self.connection.execute(found).one_or_none()
        return _event(row) if row else None

    def append(self, draft: Draft) -> int:
        """Add an event; returns its seq."""
        values = _columns(self.collection, self.head, draft, self.now)
        values["hash"] = _hash(values)
        self.connection.execute(insert(events).values(values))
        self.head = Head(values["seq"], values["hash"])
        self.connection.execute(
            update(collections)
            .where(collections.c.collection == self.collection)
            .values(head_seq=self.head.seq, head_hash=self.head.hash)
        )
        return self.head.seq

    def lease(self, page: Page, annotator: str, ttl_seconds: float) -> Lease:
        """Lease a page of which no row is `taken`; the database refuses it otherwise."""
        expires_at = self.now + ttl_seconds
        given = insert(leases).values(
            collection=self.collection,
            page_id=page.page_id,
            annotator=annotator,
            page=page_to_bytes(page),
            expires_at=expires_at,
            state=LeaseState.ACTIVE,
        )
        token = int(self.connection.execute(given.returning(leases.c.token)).scalar_one())
        rows = [
            {"collection": self.collection, "row": row, "token": token}
            for row in page.rows.tolist()
        ]
        self.connection.execute(insert(leased_rows), rows)
        return Lease(token, page, annotator, expires_at)

    def taken(self, rows: Rows) -> Mask:
        """Which of rows [n] are in a lease: bool [n]."""
        found = select(leased_rows.c.row).where(
            leased_rows.c.collection == self.collection, leased_rows.c.row.in_(rows.tolist())
        )
        return np.isin(rows, self.connection.execute(found).scalars().all())

    def find_lease(self, token: int) -> Lease | None:
        """A lease by its token, whatever its state; None when there never was one, or long ago."""
        found = select(leases).where(
            leases.c.collection == self.collection, leases.c.token == token
        )
        row = self.connection.execute(found).one_or_none()
        return _lease(row) if row else None

    def end_leases(self, tokens: Sequence[int], state: LeaseState) -> None:
        """Take ACTIVE leases to another state, and free their rows."""
        self.connection.execute(
            update(leases)
            .where(leases.c.token.in_(tokens), leases.c.state == LeaseState.ACTIVE)
            .values(state=state)
        )
        self.connection.execute(delete(leased_rows).where(leased_rows.c.token.in_(tokens)))

    def renew(self, tokens: Sequence[int], expires_at: float) -> None:
        """Prolong leases."""
        self.connection.execute(
            update(leases).where(leases.c.token.in_(tokens)).values(expires_at=expires_at)
        )

    def active_leases(
        self, tokens: Sequence[int] | None = None, *, expired: bool = False
    ) -> list[Lease]:
        """The ACTIVE leases, or those of them that have these tokens, or whose time is over."""
        found = select(leases).where(
            leases.c.collection == self.collection, leases.c.state == LeaseState.ACTIVE
        )
        if tokens is not None:
            found = found.where(leases.c.token.in_(tokens))
        if expired:
            found = found.where(leases.c.expires_at <= self.now)
        return [_lease(row) for row in self.connection.execute(found.order_by(leases.c.token))]

    def free_stale_rows(self) -> int:
        """Free rows whose lease is not ACTIVE; returns how many there were. There should be none."""
        active = select(leases.c.token).where(leases.c.state == LeaseState.ACTIVE)
        stale = delete(leased_rows).where(
            leased_rows.c.collection == self.collection, leased_rows.c.token.not_in(active)
        )
        return self.connection.execute(stale).rowcount

    def forget_leases(self, before: float) -> None:
        """Drop leases that ended, whose time was over before a moment."""
        self.connection.execute(
            delete(leases).where(
                leases.c.collection == self.collection,
                leases.c.state != LeaseState.ACTIVE,
                leases.c.expires_at < before,
            )
        )

    def set_total(self, total: int) -> None:
        """Note how many images there are to label."""
        self.connection.execute(
            update(collections)
            .where(collections.c.collection == self.collection)
            .values(total=total)
        )

    def claim_snapshot(self, every: int) -> bool:
        """Whether a snapshot at the head is due, and this caller's to make: true for one caller."""
        claimed = (
            update(collections)
            .where(
                collections.c.collection == self.collection,
                collections.c.snapshot_seq <= self.head.seq - every,
            )
            .values(snapshot_seq=self.head.seq)
        )
        return self.connection.execute(claimed).rowcount == 1


class Records:
    """Ledger and leases of all collections. Safe for threads and, on Postgres, for replicas."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def writing(self, collection: str) -> Iterator[Writing]:
        """Lock a ledger's head; what the block did is on disk when it has ended."""
        with self._database.writing() as connection:
            head = self._lock(connection, collection)
            yield Writing(connection, collection, head, self._database.now(connection))

    def now(self) -> float:
        """Unix seconds, by the database's clock."""
        with self._database.reading() as connection:
            return self._database.now(connection)

    def head(self, collection: str) -> int:
        """The newest seq; 0 for none."""
        found = select(collections.c.head_seq).where(collections.c.collection == collection)
        with self._database.reading() as connection:
            return connection.execute(found).scalar_one_or_none() or 0

    def total(self, collection: str) -> int:
        """How many images there are to label, as last told; 0 when nobody said."""
        found = select(collections.c.total).where(collections.c.collection == collection)
        with self._database.reading() as connection:
            return connection.execute(found).scalar_one_or_none() or 0

    def collections(self) -> list[str]:
        """The collections that have a ledger."""
        with self._database.reading() as connection:
            found = select(collections.c.collection).order_by(collections.c.collection)
            return list(connection.execute(found).scalars())

    def overdue(self) -> list[str]:
        """The collections with ACTIVE leases whose time is over."""
        with self._database.reading() as connection:
            now = self._database.now(connection)
            found = select(leases.c.collection).where(
                leases.c.state == LeaseState.ACTIVE, leases.c.expires_at <= now
            )
            return list(connection.execute(found.distinct()).scalars())

    def events(
        self,
        collection: str,
        after: int,
        limit: int,
        *,
        actor: str = "",
        connection: Connection | None = None,
    ) -> list[Event]:
        """At most `limit` events after a seq, by seq; of one actor if named.

        Raises:
            LedgerDamaged: an event is not what was written.
        """
        found = _after(collection, after).limit(limit)
        if actor:
            found = found.where(events.c.actor == actor)
        rows = self._all(found, connection)
        if rows and not actor:
            before = select(events.c.hash).where(
                events.c.collection == collection, events.c.seq == after
            )
            _check_chain(rows, [row.hash for row in self._all(before, connection)] or [NO_HASH])
        return [_event(row) for row in rows]

    def event(self, collection: str, seq: int) -> Event | None:
        """One event."""
        found = self.events(collection, seq - 1, 1)
        return found[0] if found and found[0].seq == seq else None

    def marks(self, collection: str, *, connection: Connection | None = None) -> list[Mark]:
        """All UNDO and CLEAR events, by seq."""
        found = (
            select(events.c.seq, events.c.kind, events.c.undone_seq)
            .where(events.c.collection == collection, events.c.kind.in_(_MARKS))
            .order_by(events.c.seq)
        )
        rows = self._all(found, connection)
        return [Mark(row.seq, EventKind(row.kind), row.undone_seq) for row in rows]

    def decisions_of(self, collection: str, actor: str, before: int, limit: int) -> list[int]:
        """The seqs of an actor's decisions before a seq, newest first."""
        found = (
            select(events.c.seq)
            .where(
                events.c.collection == collection,
                events.c.actor == actor,
                events.c.kind == EventKind.DECISION,
                events.c.seq < before,
            )
            .order_by(events.c.seq.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return list(connection.execute(found).scalars())

    def judges(self, collection: str, after: int) -> list[tuple[int, EventKind, str]]:
        """Seq, kind and actor of the DECISION and IMPORT events after a seq."""
        found = select(events.c.seq, events.c.kind, events.c.actor).where(
            events.c.collection == collection,
            events.c.seq > after,
            events.c.kind.in_((EventKind.DECISION, EventKind.IMPORT)),
        )
        return [(row.seq, EventKind(row.kind), row.actor) for row in self._all(found, None)]

    def actors(self, collection: str, seqs: Sequence[int]) -> dict[int, str]:
        """Who made these events, at most some thousand."""
        found = select(events.c.seq, events.c.actor).where(
            events.c.collection == collection, events.c.seq.in_(seqs)
        )
        return {row.seq: row.actor for row in self._all(found, None)}

    def leased(self, collection: str) -> Rows:
        """The rows of ACTIVE leases: int64 [n]."""
        found = select(leased_rows.c.row).where(leased_rows.c.collection == collection)
        with self._database.reading() as connection:
            return np.array(connection.execute(found).scalars().all(), np.int64)

    def given_back(self, collection: str, annotator: str, since: float) -> set[str]:
        """The ids of the pages that somebody released lately."""
        found = select(leases.c.page_id).where(
            leases.c.collection == collection,
            leases.c.state == LeaseState.RELEASED,
            leases.c.annotator == annotator,
            leases.c.expires_at > since,
        )
        with self._database.reading() as connection:
            return set(connection.execute(found).scalars())

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _lock(self, connection: Connection, collection: str) -> Head:
        found = (
            select(collections.c.head_seq, collections.c.head_hash)
            .where(collections.c.collection == collection)
            .with_for_update()
        )
        row = connection.execute(found).one_or_none()
        if row is None:
            connection.execute(_first_head(connection, collection))
            row = connection.execute(found).one()
        return Head(row.head_seq, row.head_hash)

    def _all(self, found: Select[Any], connection: Connection | None) -> Sequence[Row[Any]]:
        if connection is not None:
            return connection.execute(found).all()
        with self._database.reading() as own:
            return own.execute(found).all()


def _first_head(connection: Connection, collection: str) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {"head_seq": 0, "head_hash": NO_HASH, "total": 0, "snapshot_seq": 0}
    return (
        dialect.insert(collections).values(collection=collection, **values).on_conflict_do_nothing()
    )


def _after(collection: str, seq: int) -> Select[Any]:
    return (
        select(events)
        .where(events.c.collection == collection, events.c.seq > seq)
        .order_by(events.c.seq)
    )


def _columns(collection: str, head: Head, draft: Draft, now: float) -> dict[str, Any]:
    return {
        "collection": collection,
        "seq": head.seq + 1,
        "kind": int(draft.kind),
        "request_id": draft.request_id,
        "body": draft.body,
        "actor": draft.actor,
        "token": draft.token,
        "page_id": draft.page.page_id if draft.page else "",
        "undone_seq": draft.undone_seq,
        "content": content_to_bytes(draft),
        "created_at": now,
        "prev_hash": head.hash,
    }


_CHAINED = tuple(column.name for column in events.c if column.name != "hash")


def _hash(values: dict[str, Any]) -> bytes:
    """The sha256 over every column of an event, the hash of the event before among them."""
    parts = [values[name] for name in _CHAINED]
    text = json.dumps([hashlib.sha256(p).hexdigest() if isinstance(p, bytes) else p for p in parts])
    return hashlib.sha256(text.encode()).digest()


def _check_chain(rows: Sequence[Row[Any]], before: Sequence[bytes]) -> None:
    hashes = [*before, *(row.hash for row in rows)]
    for at, row in enumerate(rows):
        whole = row.prev_hash == hashes[at] and row.hash == _hash(row._asdict())
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


def _lease(row: Row[Any]) -> Lease:
    return Lease(
        row.token,
        page_from_bytes(row.page),
        row.annotator,
        row.expires_at,
        LeaseState(row.state),
    )
