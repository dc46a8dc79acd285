"""Where the record store lives: SQLite on this machine, or Postgres.

Acknowledged means committed and on disk: SQLite runs with WAL and synchronous=FULL, Postgres must not
run with `synchronous_commit` or `fsync` off.
"""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from hundredfold.chassis.errors import InvalidArgument, ResourceExhausted, Unavailable
from hundredfold.labels.store.tables import create

BUSY_SECONDS = 5
LEAST_FREE_BYTES = 100_000_000
_SCHEMA_LOCK = 4_207_849_484
_SQLITE_AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
}


class Disk(NamedTuple):
    """Bytes of a file system."""

    total: int
    free: int


class Database(Protocol):
    """A database that transactions run on. Safe for threads."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that only reads."""

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that may write; it is on disk when the block has ended.

        Raises:
            ResourceExhausted: the disk is nearly full.
        """

    def now(self, connection: Connection) -> float:
        """Unix seconds, by the clock that all who use this database share."""

    def close(self) -> None:
        """Close all connections."""


def open_database(
    url: str,
    *,
    clock: Callable[[], float] = time.time,
    disk: Callable[[Path], Disk] | None = None,
) -> Database:
    """Open a database and make its tables.

    Args:
        url: `sqlite:///<path>` or `postgresql+psycopg://...`.
        clock: Unix seconds, for SQLite; Postgres has its own.
        disk: tells the space around SQLite's file; None asks the machine.

    Raises:
        InvalidArgument: it is neither, or there is no driver.
        Unavailable: Postgres is away.
    """
    try:
        backend = make_url(url).get_backend_name()
        if backend == "sqlite":
            return SQLiteDatabase(url, clock, disk or _disk)
        if backend == "postgresql":
            return PostgresDatabase(url)
    except ArgumentError:
        raise _bad_url("is no URL of a database") from None  # it may hold a password
    except ModuleNotFoundError as error:
        raise _bad_url("needs a driver: pip install 'hundredfold[postgres]'") from error
    raise _bad_url(f"must be sqlite or postgresql, not {backend}")


def _bad_url(why: str) -> InvalidArgument:
    return InvalidArgument(f"the database_url {why}", field="HUNDREDFOLD_LABELS_DATABASE_URL")


class SQLiteDatabase:
    """One file; one writer at a time, readers beside it."""

    def __init__(self, url: str, clock: Callable[[], float], disk: Callable[[Path], Disk]) -> None:
        self._file = Path(make_url(url).database or "").absolute()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._disk = disk
        # SQLite makes writers wait by polling; a lock hands over at once.
        self._writer = threading.Lock()
        self._readers = create_engine(f"sqlite:///{self._file}", pool_size=16, max_overflow=64)
        event.listen(self._readers, "connect", _configure)
        event.listen(self._readers, "begin", _begin)
        self._writers = self._readers.execution_options(hundredfold_writes=True)
        with self.writing() as connection:
            create(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """See Database."""
        with _errors(), self._readers.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """See Database."""
        self._check_disk()
        with _errors(), self._writer, self._writers.begin() as connection:
            yield connection

    def now(self, connection: Connection) -> float:  # noqa: ARG002  Postgres needs it
        """See Database."""
        return self._clock()

    def close(self) -> None:
        """See Database."""
        self._readers.dispose()

    def _check_disk(self) -> None:
        # The smaller of the two: 1 % of a large disk is room for years of labels.
        disk = self._disk(self._file.parent)
        if disk.free < min(LEAST_FREE_BYTES, disk.total // 100):
            raise ResourceExhausted(
                f"only {disk.free // 1_000_000} MB are free where the labels are kept",
                reason="DISK_FULL",
            )


class PostgresDatabase:
    """A Postgres database, which several replicas of the service may share."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = create_engine(
            url,
            pool_size=16,
            max_overflow=64,
            pool_pre_ping=True,
            connect_args={"connect_timeout": BUSY_SECONDS},
        )
        with self.writing() as connection:
            # Replicas that start together would make the same tables at once.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
            create(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """See Database."""
        with _errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """See Database."""
        with _errors(), self._engine.begin() as connection:
            yield connection

    def now(self, connection: Connection) -> float:
        """See Database."""
        now = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())"))
        return float(now.scalar_one())

    def close(self) -> None:
        """See Database."""
        self._engine.dispose()


def _disk(folder: Path) -> Disk:
    usage = shutil.disk_usage(folder)
    return Disk(usage.total, usage.free)


def _configure(connection: sqlite3.Connection, _: object) -> None:
    # Python's driver would begin transactions by itself, and never an IMMEDIATE one.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "cache_size=-16000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("hundredfold_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _errors() -> Iterator[None]:
    """Make a database that is away or full an error that the caller may see."""
    try:
        yield
    except DBAPIError as error:
        if _is_full(error.orig):
            raise ResourceExhausted(
                "the disk with the labels is full", reason="DISK_FULL"
            ) from error
        if error.connection_invalidated or _is_away(error):
            raise Unavailable("the record store is away or busy", reason="DATABASE_AWAY") from error
        raise


def _is_full(error: BaseException | None) -> bool:
    return _sqlite_code(error) == sqlite3.SQLITE_FULL or getattr(error, "sqlstate", "") == "53100"


def _is_away(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_code(error.orig) in _SQLITE_AWAY
    # Of Postgres: no connection, shut down, too many clients, a deadlock.
    return isinstance(error, OperationalError)


def _sqlite_code(error: BaseException | None) -> int:
    # The low byte; the others say more closely what happened.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
