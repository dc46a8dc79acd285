"""The record store: the ledger and the leases of all collections, in one database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from hundredfold.labels.domain.page import LeaseState
from hundredfold.labels.store.database import Database
from hundredfold.labels.store.reading import NO_HASH, Reading
from hundredfold.labels.store.tables import collections, leases
from hundredfold.labels.store.writing import Head, Writing


class Records:
    """Ledgers and leases. Safe for threads and, on Postgres, for replicas."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def reading(self, collection: str) -> Iterator[Reading]:
        """A transaction that reads."""
        with self._database.reading() as connection:
            yield Reading(connection, collection, self._database.now)

    @contextmanager
    def writing(self, collection: str) -> Iterator[Writing]:
        """Lock a ledger's head; what the block did is on disk when it has ended.

        Raises:
            ResourceExhausted: the disk is nearly full.
        """
        with self._database.writing() as connection:
            head = _lock(connection, collection)
            yield Writing(connection, collection, self._database.now, head)

    def check(self) -> None:
        """Raise Unavailable while the database is away."""
        with self._database.reading() as connection:
            self._database.now(connection)

    def collections(self) -> list[str]:
        """The collections that have a ledger."""
        found = select(collections.c.collection).order_by(collections.c.collection)
        with self._database.reading() as connection:
            return list(connection.execute(found).scalars())

    def overdue(self) -> list[str]:
        """The collections with ACTIVE leases whose time is over."""
        with self._database.reading() as connection:
            found = select(leases.c.collection).where(
                leases.c.state == LeaseState.ACTIVE,
                leases.c.expires_at <= self._database.now(connection),
            )
            return list(connection.execute(found.distinct()).scalars())

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _lock(connection: Connection, collection: str) -> Head:
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


def _first_head(connection: Connection, collection: str) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {"head_seq": 0, "head_hash": NO_HASH, "total": 0, "snapshot_seq": 0}
    return (
        dialect.insert(collections).values(collection=collection, **values).on_conflict_do_nothing()
    )
