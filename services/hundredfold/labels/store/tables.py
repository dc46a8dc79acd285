"""The tables of the record store, the same on SQLite and Postgres."""

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)

metadata = MetaData()

# SQLite gives out row ids for INTEGER alone; AUTOINCREMENT there means that none comes twice.
_TOKEN = BigInteger().with_variant(Integer, "sqlite")

collections = Table(
    "collections",
    metadata,
    Column("collection", String(63), primary_key=True),
    Column("head_seq", BigInteger, nullable=False),
    Column("head_hash", LargeBinary, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("snapshot_seq", BigInteger, nullable=False),
)
"""The head of each ledger. Who writes events or gives leases locks the row first."""

events = Table(
    "events",
    metadata,
    Column("collection", String(63), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("request_id", String(200), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("page_id", String(200), nullable=False),
    Column("undone_seq", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    UniqueConstraint("collection", "request_id"),
    Index("events_by_actor", "collection", "actor", "seq"),
    Index("events_by_kind", "collection", "kind", "seq"),
    Index("events_by_time", "collection", "created_at"),
)
"""The ledger. Rows are added, never changed."""

leases = Table(
    "leases",
    metadata,
    Column("token", _TOKEN, primary_key=True, autoincrement=True),
    Column("collection", String(63), nullable=False),
    Column("page_id", String(200), nullable=False),
    Column("annotator", String(128), nullable=False),
    Column("page", LargeBinary, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("state", String(8), nullable=False),
    Index("leases_by_state", "state", "collection", "expires_at"),
    sqlite_autoincrement=True,
)
"""Leases, the ended ones for a while, so that a late answer is told what became of its lease."""

leased_rows = Table(
    "leased_rows",
    metadata,
    Column("collection", String(63), primary_key=True),
    Column("row", BigInteger, primary_key=True, autoincrement=False),
    Column("token", BigInteger, nullable=False),
    Index("leased_rows_by_token", "token"),
)
"""The cells of ACTIVE leases (see `Page.cells`). Its primary key is why no image can be in two, or in two of one class."""


def create(connection: Connection) -> None:
    """Make the tables and indexes that are missing: of a ledger of an earlier version some are there."""
    metadata.create_all(connection)
    for table in metadata.tables.values():
        for index in table.indexes:
            index.create(connection, checkfirst=True)
