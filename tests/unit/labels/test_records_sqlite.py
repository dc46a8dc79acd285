"""SQLite as the record store."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hundredfold.chassis.errors import InvalidArgument, ResourceExhausted
from hundredfold.labels.store.database import Database, Disk, open_database
from hundredfold.labels.store.records import Records
from tests.unit.labels.record_store import BIRDS, RecordStoreContract, ask, draft


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class TestSQLite(RecordStoreContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def database(self, tmp_path: Path, clock: Clock) -> Database:
        return open_database(f"sqlite:///{tmp_path}/made/labels.sqlite3", clock=clock)

    @pytest.fixture
    def pass_time(self, clock: Clock) -> Callable[[float], None]:
        return clock.advance

    def test_commits_are_synced_and_readers_see_the_log(self, database: Database) -> None:
        with database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2

    def test_what_was_written_is_there_after_opening_again(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/labels.sqlite3"
        for count in (1, 2):
            records = Records(open_database(url))
            with records.writing(BIRDS) as work:
                assert work.append(draft(count)) == count
            records.close()

    def test_a_ledger_of_an_earlier_version_gets_the_indexes_that_it_lacks(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "labels.sqlite3"
        Records(open_database(f"sqlite:///{path}")).close()
        with sqlite3.connect(path) as before:
            before.execute("DROP INDEX events_by_time")
        before.close()
        Records(open_database(f"sqlite:///{path}")).close()
        with sqlite3.connect(path) as after:
            found = after.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall()
        after.close()
        assert ("events_by_time",) in found

    def test_nothing_is_taken_while_the_disk_is_nearly_full(self, tmp_path: Path) -> None:
        free = [10**9]
        database = open_database(
            f"sqlite:///{tmp_path}/labels.sqlite3", disk=lambda _: Disk(10**12, free[0])
        )
        records = Records(database)
        free[0] = 99_000_000
        with pytest.raises(ResourceExhausted, match="99 MB"), records.writing(BIRDS):
            pass
        assert ask(records, "head_seq") == 0, "reading goes on"
        free[0] = 101_000_000
        with records.writing(BIRDS) as work:
            assert work.append(draft(1)) == 1
        records.close()

    def test_a_small_disk_is_full_at_one_percent(self, tmp_path: Path) -> None:
        database = open_database(
            f"sqlite:///{tmp_path}/labels.sqlite3", disk=lambda _: Disk(10**9, 11_000_000)
        )
        with database.writing():
            pass
        database.close()

    def test_a_full_file_system_is_told_and_nothing_of_the_event_is_there(
        self, tmp_path: Path
    ) -> None:
        records = Records(open_database(f"sqlite:///{tmp_path}/labels.sqlite3"))
        with records.writing(BIRDS) as work:
            work.append(draft(1))

        def fill() -> None:
            with records.writing(BIRDS) as work:
                pages = work.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
                work.connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
                for row in range(1_000):
                    work.append(draft(*range(row, row + 100)))

        with pytest.raises(ResourceExhausted):
            fill()
        assert ask(records, "head_seq") == 1
        records.close()

    def test_another_writer_of_the_file_is_waited_for(self, tmp_path: Path) -> None:
        file = tmp_path / "labels.sqlite3"
        records = Records(open_database(f"sqlite:///{file}"))
        other = sqlite3.connect(file, isolation_level=None)
        with records.writing(BIRDS) as work:
            work.append(draft(1))
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE collections SET total = 5")
        other.execute("COMMIT")
        other.close()
        with records.writing(BIRDS) as work:
            assert work.append(draft(2)) == 2
        assert ask(records, "total") == 5
        records.close()


def test_other_databases_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="not mysql") as told:
        open_database("mysql://localhost/labels")
    assert told.value.field == "HUNDREDFOLD_LABELS_DATABASE_URL"


def test_a_url_that_is_none_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidArgument) as told:
        open_database("secret-password")
    assert "secret" not in told.value.message
