"""What every record store must do; a store's test class inherits it."""

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from hundredfold.labels.domain.event import Draft, EventKind, Judgement, Mark, Verdict
from hundredfold.labels.domain.page import Lease, LeaseState, Page, PageKind
from hundredfold.labels.domain.undoing import Wanted
from hundredfold.labels.store.database import Database
from hundredfold.labels.store.reading import LedgerDamaged
from hundredfold.labels.store.records import Records

BIRDS = "birds"


def page(*rows: int, page_id: str = "p1") -> Page:
    return Page(
        page_id,
        PageKind.VERIFY,
        np.array(rows, np.int64),
        class_id=2,
        second=np.arange(len(rows), dtype=np.int32),
        probability=np.linspace(0, 1, len(rows), dtype=np.float32),
        model="head@3",
        cluster="run/7",
        score=0.1,
    )


def draft(*rows: int, actor: str = "ann", request_id: str = "", undo: int = 0) -> Draft:
    said = (Judgement(2, Verdict.IS, np.array(rows, np.int64)),) if rows else ()
    return Draft(
        kind=EventKind.UNDO if undo else EventKind.DECISION,
        actor=actor,
        request_id=request_id or str(uuid.uuid4()),
        body=b"body",
        page=page(*rows) if rows else None,
        judgements=said,
        seconds=1.25,
        undone_seq=undo,
        token=7,
    )


def draft_of_many(*seqs: int) -> Draft:
    rows = np.array(seqs, np.int64)
    return Draft(EventKind.UNDO_MANY, "ann", str(uuid.uuid4()), b"body", rows=rows)


def ask(records: Records, what: str, *values: Any, collection: str = BIRDS, **named: Any) -> Any:
    with records.reading(collection) as reading:
        return getattr(reading, what)(*values, **named)


class RecordStoreContract:
    """Inherit it and give the fixture `database`."""

    @pytest.fixture
    def records(self, database: Database) -> Iterator[Records]:
        records = Records(database)
        yield records
        records.close()

    def append(self, records: Records, *drafts: Draft, collection: str = BIRDS) -> list[int]:
        with records.writing(collection) as work:
            return [work.append(each) for each in drafts]

    def lease(self, records: Records, *rows: int, ttl: float = 60) -> Lease:
        with records.writing(BIRDS) as work:
            return work.lease(page(*rows), "ann", ttl)

    def test_an_unknown_collection_is_empty(self, records: Records) -> None:
        assert ask(records, "head_seq") == 0
        assert ask(records, "total") == 0
        assert ask(records, "events", 0, 10) == []
        assert records.collections() == []

    def test_events_come_back_as_they_were_written(self, records: Records) -> None:
        written = draft(3, 1, 2)
        self.append(records, written)
        (read,) = ask(records, "events", 0, 10)
        assert (read.seq, read.kind, read.actor) == (1, EventKind.DECISION, "ann")
        assert (read.request_id, read.seconds) == (written.request_id, 1.25)
        assert (read.token, read.body) == (7, b"body")
        assert read.page is not None
        assert written.page is not None
        for name in ("page_id", "kind", "class_id", "model", "cluster", "score"):
            assert getattr(read.page, name) == getattr(written.page, name)
        for name in ("rows", "second", "probability"):
            got, wanted = getattr(read.page, name), getattr(written.page, name)
            assert got.dtype == wanted.dtype
            assert got.tolist() == wanted.tolist()
        assert read.judgements[0].rows.tolist() == [3, 1, 2]

    def test_seqs_have_no_gaps_and_are_each_collections_own(self, records: Records) -> None:
        assert self.append(records, draft(1), draft(2)) == [1, 2]
        assert self.append(records, draft(1), collection="cats") == [1]
        assert self.append(records, draft(3)) == [3]
        assert (ask(records, "head_seq"), ask(records, "head_seq", collection="cats")) == (3, 1)
        assert records.collections() == [BIRDS, "cats"]

    def test_what_a_failed_block_wrote_is_not_there(self, records: Records) -> None:
        def fail() -> None:
            with records.writing(BIRDS) as work:
                work.append(draft(1))
                work.lease(page(1), "ann", 60)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert ask(records, "head_seq") == 0
        assert ask(records, "leased").size == 0
        assert self.append(records, draft(1)) == [1]

    def test_events_can_be_read_from_a_place_and_by_actor(self, records: Records) -> None:
        self.append(records, draft(1), draft(2, actor="bob"), draft(3), draft(4))
        assert [e.seq for e in ask(records, "events", 1, 2)] == [2, 3]
        by_ann = ask(records, "listed", Wanted(actor="ann"), 9, newest_first=False)
        assert [e.seq for e in by_ann] == [1, 3, 4]
        assert ask(records, "decisions_of", "ann", before=4, limit=9) == [3, 1]
        assert ask(records, "actors", [2, 3]) == {2: "bob", 3: "ann"}
        event = ask(records, "event", 2)
        assert event is not None
        assert event.actor == "bob"
        with pytest.raises(ValueError, match="not enough"):
            ask(records, "event", 5)

    def test_marks_are_the_events_that_take_back(self, records: Records) -> None:
        self.append(records, draft(1), draft(undo=1), draft(2), draft_of_many(1, 3))
        singly, many = Mark(2, EventKind.UNDO, (1,)), Mark(4, EventKind.UNDO_MANY, (1, 3))
        assert ask(records, "marks") == [singly, many]
        assert ask(records, "judges", 1) == [(3, EventKind.DECISION, "ann")]

    def test_events_are_listed_by_what_they_are_and_when(self, records: Records) -> None:
        self.append(records, draft(1), draft(2, actor="bob"), draft(undo=1), draft(3, actor="bob"))
        moments = [e.created_at for e in ask(records, "events", 0, 9)]

        def listed(limit: int = 9, *, newest_first: bool = True, **criteria: Any) -> list[int]:
            wanted = Wanted(**criteria)
            found = ask(records, "listed", wanted, limit, newest_first=newest_first)
            return [each.seq for each in found]

        assert listed() == [4, 3, 2, 1]
        assert listed(newest_first=False, limit=2) == [1, 2]
        assert listed(actor="bob") == [4, 2]
        assert listed(kinds=(EventKind.UNDO,)) == [3]
        assert listed(since=moments[0]) == [4, 3, 2, 1]
        assert listed(until=moments[0]) == []
        assert listed(until=moments[-1] + 1, head_seq=2) == [2, 1]
        before = ask(records, "listed", Wanted(), 9, before=3, newest_first=True)
        assert [each.seq for each in before] == [2, 1]
        bobs = ask(records, "judging", Wanted(actor="bob"), 2, 9)
        assert bobs == [(4, EventKind.DECISION, "bob")]
        assert ask(records, "kinds_of", [9, 3]) == [(3, EventKind.UNDO, "ann")]
        assert [e.seq for e in ask(records, "of_seqs", [4, 1, 7])] == [1, 4]

    def test_flags_are_read_with_their_images(self, records: Records) -> None:
        rows = np.array([5, 2], np.int64)
        flag = Draft(EventKind.FLAG, "ann", "f", b"", details={"comment": "blurred"}, rows=rows)
        self.append(records, draft(1), flag)
        (event,) = ask(records, "flags", 0)
        assert (event.seq, event.rows.tolist()) == (2, [5, 2])
        assert event.details == {"comment": "blurred"}
        assert ask(records, "flags", 2) == []

    def test_the_newest_lease_of_a_page_that_holds_or_was_answered_is_found(
        self, records: Records
    ) -> None:
        lease = self.lease(records, 1)
        assert ask(records, "lease_of", "p1", "bob") is None
        found = ask(records, "lease_of", "p1", "ann")
        assert found.token == lease.token
        with records.writing(BIRDS) as work:
            work.end_leases([lease.token], LeaseState.ANSWERED)
        assert ask(records, "lease_of", "p1", "ann").state is LeaseState.ANSWERED
        released = self.lease(records, 1)
        with records.writing(BIRDS) as work:
            work.end_leases([released.token], LeaseState.RELEASED)
        assert ask(records, "lease_of", "p1", "ann").token == lease.token

    def test_a_request_id_is_found_and_cannot_be_written_twice(self, records: Records) -> None:
        written = draft(1)
        self.append(records, written)
        with records.writing(BIRDS) as work:
            found = work.find(written.request_id)
            assert found is not None
            assert found.seq == 1
            assert work.find(str(uuid.uuid4())) is None
        with pytest.raises(IntegrityError):
            self.append(records, written)
        assert self.append(records, written, collection="cats") == [1]

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE events SET actor = 'eve' WHERE seq = 2",
            "UPDATE events SET created_at = created_at + 1 WHERE seq = 2",
            "DELETE FROM events WHERE seq = 2",
            "UPDATE events SET content = (SELECT content FROM events WHERE seq = 1) WHERE seq = 2",
        ],
    )
    def test_an_event_that_was_changed_or_lost_is_noticed(
        self, records: Records, database: Database, change: str
    ) -> None:
        self.append(records, draft(1), draft(2), draft(3))
        with database.writing() as connection:
            connection.execute(text(change))
        with pytest.raises(LedgerDamaged):
            ask(records, "events", 0, 10)
        with pytest.raises(LedgerDamaged):
            [e for after in (0, 1, 2) for e in ask(records, "events", after, 1)]

    def test_a_lease_takes_its_rows_until_it_ends(self, records: Records) -> None:
        lease = self.lease(records, 1, 2)
        assert sorted(ask(records, "leased")) == [1, 2]
        with records.writing(BIRDS) as work:
            assert work.taken(np.array([0, 1, 2])).tolist() == [False, True, True]
            found = work.find_lease(lease.token)
            assert found is not None
            assert (found.state, found.annotator) == (LeaseState.ACTIVE, "ann")
            assert found.page.rows.tolist() == [1, 2]
            assert [each.token for each in work.active_leases()] == [lease.token]
            work.end_leases([lease.token], LeaseState.ANSWERED)
        with records.writing(BIRDS) as work:
            ended = work.find_lease(lease.token)
            assert ended is not None
            assert ended.state is LeaseState.ANSWERED
            assert work.active_leases([lease.token]) == []
        assert ask(records, "leased").size == 0

    def test_an_ended_lease_stays_as_it_ended(self, records: Records) -> None:
        lease = self.lease(records, 1)
        for state in (LeaseState.EXPIRED, LeaseState.ANSWERED):
            with records.writing(BIRDS) as work:
                work.end_leases([lease.token], state)
        with records.writing(BIRDS) as work:
            ended = work.find_lease(lease.token)
            assert ended is not None
            assert ended.state is LeaseState.EXPIRED

    def test_the_database_refuses_a_row_in_two_leases(self, records: Records) -> None:
        self.lease(records, 1, 2)
        with pytest.raises(IntegrityError):
            self.lease(records, 2, 3)
        assert sorted(ask(records, "leased")) == [1, 2]

    def test_tokens_grow_and_none_comes_twice(self, records: Records) -> None:
        first = self.lease(records, 1)
        second = self.lease(records, 2)
        assert second.token > first.token
        with records.writing(BIRDS) as work:
            work.end_leases([first.token, second.token], LeaseState.EXPIRED)
            work.forget_leases(work.now + 1e6)
            assert work.find_lease(second.token) is None
        assert self.lease(records, 1).token > second.token

    def test_leases_run_out_by_the_clock_of_the_database(
        self, records: Records, pass_time: Callable[[float], None]
    ) -> None:
        short, long = self.lease(records, 1, ttl=0.2), self.lease(records, 2, ttl=60)
        assert records.overdue() == []
        pass_time(0.3)
        assert records.overdue() == [BIRDS]
        with records.writing(BIRDS) as work:
            assert [each.token for each in work.active_leases(expired=True)] == [short.token]
            work.renew([short.token], work.now + 60)
        assert records.overdue() == []
        with records.writing(BIRDS) as work:
            assert len(work.active_leases([short.token, long.token])) == 2

    def test_rows_without_an_active_lease_are_freed(
        self, records: Records, database: Database
    ) -> None:
        self.lease(records, 1)
        with database.writing() as connection:
            connection.execute(text("INSERT INTO leased_rows VALUES ('birds', 9, 999)"))
        with records.writing(BIRDS) as work:
            assert work.free_stale_rows() == 1
        assert ask(records, "leased").tolist() == [1]

    def test_pages_somebody_gave_back_are_known_for_a_while(
        self, records: Records, pass_time: Callable[[float], None]
    ) -> None:
        lease = self.lease(records, 1, ttl=0.2)
        with records.writing(BIRDS) as work:
            work.end_leases([lease.token], LeaseState.RELEASED)
        assert ask(records, "given_back", "ann") == {"p1"}
        assert ask(records, "given_back", "bob") == set()
        pass_time(0.3)
        assert ask(records, "given_back", "ann") == set()

    def test_the_total_is_kept_and_a_snapshot_is_claimed_once(self, records: Records) -> None:
        with records.writing(BIRDS) as work:
            work.set_total(12)
            assert not work.claim_snapshot(2)
            work.append(draft(1))
            work.append(draft(2))
            assert work.claim_snapshot(2)
            assert not work.claim_snapshot(2)
        assert ask(records, "total") == 12

    def test_many_writers_leave_no_gap_and_no_row_twice(self, records: Records) -> None:
        def work_at(worker: int) -> list[int]:
            seqs = []
            for step in range(10):
                with records.writing(BIRDS) as work:
                    rows = np.array([step % 3])
                    if not work.taken(rows).any():
                        lease = work.lease(page(step % 3), f"w{worker}", 60)
                        work.end_leases([lease.token], LeaseState.ANSWERED)
                    seqs.append(work.append(draft(step)))
            return seqs

        with ThreadPoolExecutor(8) as pool:
            seqs = [seq for found in pool.map(work_at, range(8)) for seq in found]
        assert sorted(seqs) == list(range(1, 81))
        assert [e.seq for e in ask(records, "events", 0, 100)] == sorted(seqs)

    def test_readers_are_not_kept_waiting_by_a_writer(self, records: Records) -> None:
        self.append(records, draft(1))
        with self.blocked(records), ThreadPoolExecutor(1) as pool:
            assert pool.submit(ask, records, "head_seq").result(timeout=5) == 1

    @contextmanager
    def blocked(self, records: Records) -> Iterator[None]:
        ready, done = threading.Event(), threading.Event()

        def hold() -> None:
            with records.writing(BIRDS) as work:
                work.append(draft(5))
                ready.set()
                done.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        ready.wait()
        try:
            yield
        finally:
            done.set()
            holder.join()
