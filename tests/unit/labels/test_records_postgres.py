"""Postgres as the record store; skipped where there are no programs of Postgres."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from hundredfold.chassis.errors import Unavailable
from hundredfold.labels.store.database import Database, open_database
from hundredfold.labels.store.records import Records
from tests.unit.labels.record_store import BIRDS, RecordStoreContract, ask, draft
from tests.unit.labels.servers import postgres_server


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


class TestPostgres(RecordStoreContract):
    @pytest.fixture
    def database(self, server: str) -> Database:
        database = open_database(server)
        with database.writing() as connection:
            connection.execute(text("TRUNCATE collections, events, leases, leased_rows"))
        return database

    @pytest.fixture
    def pass_time(self) -> Callable[[float], None]:
        return lambda seconds: threading.Event().wait(seconds) and None

    def test_replicas_that_start_together_share_tables_and_ledger(self, server: str) -> None:
        with ThreadPoolExecutor(4) as pool:
            replicas = [Records(base) for base in pool.map(open_database, [server] * 4)]

        def write(records: Records) -> list[int]:
            seqs = []
            for _ in range(10):
                with records.writing(BIRDS) as work:
                    seqs.append(work.append(draft(1)))
            return seqs

        with replicas[0].writing(BIRDS) as work:
            before = work.head.seq
        with ThreadPoolExecutor(4) as pool:
            seqs = [seq for found in pool.map(write, replicas) for seq in found]
        assert sorted(seqs) == list(range(before + 1, before + 41))
        for each in replicas:
            each.close()


def test_a_database_that_is_away_is_unavailable() -> None:
    with postgres_server() as url:
        records = Records(open_database(url))
        with records.writing(BIRDS) as work:
            work.append(draft(1))
    with pytest.raises(Unavailable):
        ask(records, "head_seq")
    with pytest.raises(Unavailable), records.writing(BIRDS):
        pass
    records.close()
