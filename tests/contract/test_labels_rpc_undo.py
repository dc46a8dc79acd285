"""LabelsService: taking many events back by one, and what that would do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack
from hundredfold.chassis.testing import serving
from hundredfold.labels.__main__ import Assembled, assemble
from hundredfold.labels.config import LabelsConfig
from tests.contract.test_labels_rpc_audits import CERTIFIED, MANY, PASSED, AuditContract
from tests.contract.test_labels_rpc_several import BAG, HAT, make_several, yes_and_no
from tests.unit.labels.audit_world import certify, get
from tests.unit.labels.review_world import (
    CERTIFICATE,
    DECISION,
    FLAG,
    IMPORT,
    UNDO,
    UNDO_MANY,
    flag,
    lease_rows,
    preview,
    undo_many,
)
from tests.unit.labels.servers import postgres_server, redis_server
from tests.unit.labels.world import (
    BIRDS,
    IS,
    IS_NOT,
    OLD_OWL,
    OWL,
    ROWS,
    TIT,
    UNSURE,
    Client,
    Clock,
    LabelsContract,
    balanced,
    config_for,
    make_collection,
    new_id,
    page_message,
    said,
)


def answer(client: Client, *judgements: Any, rows: list[int], annotator: str = "ann") -> int:
    """Lease a page of rows and say of it what is to be said; returns the seq."""
    client.offer(page_message(new_id(), rows, score=1e6), total=ROWS)
    (lease,) = client.lease(annotator)
    return int(client.submit(lease.token, *judgements).seq)


def annotators(client: Client) -> list[Any]:
    request = labels_pb2.ListAnnotatorsRequest(collection=BIRDS)
    return list(client.stub.ListAnnotators(request).annotators)


class TestUndoMany(LabelsContract):
    def test_all_that_one_person_said_is_taken_back_by_one_event(self, client: Client) -> None:
        client.decide(OWL, 1, 2)
        client.decide(TIT, 3, 4, annotator="bob")
        client.decide(TIT, 5)
        undone = undo_many(client, "rev", actor="ann")
        assert (undone.seq, undone.events, undone.replayed) == (4, 2, False)
        assert client.labels() == {3: TIT, 4: TIT}
        (event,) = client.events(after_seq=3)
        assert (event.kind, event.actor, event.undone_events) == (UNDO_MANY, "rev", 2)
        progress = client.progress()
        assert (progress.decisions, progress.labelled) == (1, 2)
        assert balanced(progress)
        assert [each.annotator for each in annotators(client)] == ["bob"]

    def test_undoing_it_brings_everything_back(self, client: Client) -> None:
        client.decide(OWL, 1, 2)
        client.decide(TIT, 3, annotator="bob")
        before, counts = client.labels(), client.progress()
        undone = undo_many(client, kinds=[DECISION])
        assert client.labels() == {}
        client.undo(undone.seq)
        assert client.labels() == before
        after = client.progress()
        assert (after.decisions, after.human_seconds) == (counts.decisions, counts.human_seconds)
        with pytest.raises(Conflict) as told:
            client.undo(undone.seq)
        assert told.value.reason == "DOES_NOT_COUNT"
        assert undo_many(client, kinds=[DECISION]).events == 2, "and may be done anew"

    def test_a_span_of_time_begins_at_its_first_second_and_ends_before_its_last(
        self, client: Client, clock: Clock
    ) -> None:
        for row in range(1, 5):
            client.decide(OWL, row)
            clock.advance(10)
        start = clock.now - 30
        assert undo_many(client, since=start, until=start + 20).events == 2
        assert sorted(client.labels()) == [1, 4]

    def test_what_counts_no_longer_is_passed_over(self, client: Client) -> None:
        for row in range(1, 4):
            client.decide(OWL, row)
        client.undo(2)
        assert undo_many(client, seqs=[1, 2]).events == 1
        assert sorted(client.labels()) == [3]
        with pytest.raises(NotFound):
            undo_many(client, seqs=[1, 2])

    def test_nothing_before_a_clear_is_taken_back(self, client: Client) -> None:
        client.decide(OWL, 1)
        request = labels_pb2.ClearLabelsRequest(collection=BIRDS, request_id=new_id())
        cleared = client.stub.ClearLabels(request).seq
        client.decide(OWL, 2)
        assert undo_many(client, actor="ann").events == 1
        client.undo(cleared)
        assert client.labels() == {1: OWL}

    def test_each_write_is_done_once(self, client: Client) -> None:
        client.decide(OWL, 1)
        request_id = new_id()
        first = undo_many(client, request_id=request_id, actor="ann")
        client.decide(OWL, 2)
        again = undo_many(client, request_id=request_id, actor="ann")
        assert (again.seq, again.events, again.replayed) == (first.seq, first.events, True)
        assert client.labels() == {2: OWL}
        with pytest.raises(AlreadyExists):
            undo_many(client, request_id=request_id, actor="bob")

    def test_an_earlier_label_counts_again(self, client: Client) -> None:
        client.decide(OWL, 1)
        lease = lease_rows(client, [1], OWL, annotator="bob", relabel=True)
        client.submit(lease.token, said(TIT, IS, 1))
        undo_many(client, actor="bob")
        assert client.labels() == {1: OWL}

    def test_pages_of_undone_decisions_are_asked_again(self, client: Client) -> None:
        client.decide(OWL, 1, 2)
        client.decide(OWL, 3)
        undo_many(client, seqs=[1])
        client.offer_rows([1, 2, 3])
        (lease,) = client.lease()
        assert len(lease.page.rows.data) == 2 * 8

    @pytest.mark.parametrize(
        ("selection", "field"),
        [
            ({}, "selection"),
            ({"head_seq": 3}, "selection"),
            ({"seqs": [1], "actor": "ann"}, "selection"),
            ({"seqs": range(10_001)}, "selection.seqs"),
            ({"kinds": [UNDO]}, "selection.kinds"),
            ({"kinds": [FLAG]}, "selection.kinds"),
            ({"kinds": [77]}, "selection.kinds"),
            ({"since": -1.0}, "selection.since"),
            ({"until": float("inf")}, "selection.until"),
            ({"actor": "a" * 129}, "selection.actor"),
            ({"actor": "ann", "head_seq": -1}, "selection.head_seq"),
        ],
    )
    def test_bounds(self, client: Client, selection: dict[str, Any], field: str) -> None:
        for call in (undo_many, preview):
            with pytest.raises(InvalidArgument) as told:
                call(client, **selection)
            assert told.value.field == field

    def test_only_what_judges_can_be_named(self, client: Client) -> None:
        client.decide(OWL, 1)
        seq = flag(client, [2])
        for call in (undo_many, preview):
            with pytest.raises(InvalidArgument) as told:
                call(client, seqs=[1, seq])
            assert told.value.field == "selection.seqs"

    def test_more_events_than_are_allowed_are_refused(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hundredfold.labels.undoing.MOST_EVENTS", 2)
        for row in range(3):
            client.decide(OWL, row)
        for call in (undo_many, preview):
            with pytest.raises(InvalidArgument) as told:
                call(client, actor="ann")
            assert told.value.field == "selection"
        assert undo_many(client, actor="ann", head_seq=2).events == 2

    def test_what_is_not_there_is_not_found(self, client: Client) -> None:
        for call in (undo_many, preview):
            for selection in ({"actor": "eve"}, {"seqs": [5, -1]}):
                with pytest.raises(NotFound):
                    call(client, **selection)


class TestPreviewUndo(LabelsContract):
    def test_it_says_what_would_change_and_changes_nothing(self, client: Client) -> None:
        client.decide(OWL, 1, 2, 3)
        rows = [1, 4, 5, 6]
        lease = lease_rows(client, [1], OWL, annotator="bob", relabel=True)
        client.submit(lease.token, said(TIT, IS, 1))
        answer(
            client,
            said(TIT, IS, 4),
            said(TIT, IS_NOT, 5),
            said(0, UNSURE, 6),
            rows=rows[1:],
            annotator="bob",
        )
        before = client.labels()
        told = preview(client, actor="bob")
        assert (told.head_seq, told.events, told.images) == (3, 2, 4)
        assert dict(told.labels_gone) == {TIT: 2}
        assert dict(told.labels_back) == {OWL: 1}
        assert (told.negatives_gone, told.negatives_back) == (1, 0)
        assert (told.unsure_gone, told.unsure_back) == (1, 0)
        assert client.labels() == before
        assert client.progress().head_seq == 3

    def test_just_what_it_said_is_undone_though_more_came_meanwhile(self, client: Client) -> None:
        client.decide(OWL, 1)
        told = preview(client, actor="ann")
        client.decide(OWL, 2)
        assert undo_many(client, actor="ann", head_seq=told.head_seq).events == told.events
        assert client.labels() == {2: OWL}

    def test_a_label_that_stays_the_same_by_an_earlier_word_does_not_go(
        self, client: Client
    ) -> None:
        client.decide(OWL, 1)
        lease = lease_rows(client, [1], OWL, annotator="bob", relabel=True)
        client.submit(lease.token, said(OWL, IS, 1))
        told = preview(client, actor="bob")
        assert (told.events, told.images) == (1, 1)
        assert not told.labels_gone
        assert not told.labels_back

    def test_merged_classes_are_what_they_are_by_now(self, client: Client) -> None:
        client.decide(OLD_OWL, 1)
        client.decide(OWL, 2)
        assert dict(preview(client, actor="ann").labels_gone) == {OWL: 2}

    def test_planted_images_are_not_counted(self, client: Client) -> None:
        client.decide(OWL, 1)
        planted = pack(np.array([1], np.int64))
        verify = page_pb2.PAGE_KIND_VERIFY
        client.offer(page_message("p", [1, 2, 3], kind=verify, class_id=TIT, planted=planted))
        (lease,) = client.lease()
        client.submit(lease.token, said(TIT, IS, 2, 3), said(TIT, IS_NOT, 1))
        told = preview(client, seqs=[2])
        assert (told.images, dict(told.labels_gone)) == (2, {TIT: 2})


class TestModelRuns(AuditContract):
    def test_a_certificate_is_taken_back_with_its_labels(self, client: Client, passed: Any) -> None:
        people = client.labels()
        written = certify(client, passed.audit_id)
        told = preview(client, kinds=[CERTIFICATE])
        assert (told.events, told.images) == (1, written.labelled)
        assert sum(told.labels_gone.values()) == written.labelled
        undone = undo_many(client, kinds=[CERTIFICATE])
        assert client.labels() == people
        assert get(client, passed.audit_id).state == PASSED
        client.undo(undone.seq)
        assert len(client.labels()) == MANY
        assert get(client, passed.audit_id).state == CERTIFIED

    def test_answers_of_an_audit_that_are_taken_back_open_it(
        self, client: Client, passed: Any
    ) -> None:
        assert passed.state == PASSED
        undo_many(client, kinds=[DECISION])
        opened = get(client, passed.audit_id)
        assert (opened.state, opened.answered) == (labels_pb2.AUDIT_STATE_OPEN, 0)
        assert client.lease()


class TestImportsAndExports(LabelsContract):
    def test_an_import_is_taken_back_and_exports_count_what_counts(
        self, client: Client, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        out.mkdir()
        (out / "in.csv").write_text("key,label\n1.jpg,owl\n2.jpg,tit\n")
        request = labels_pb2.ImportRequest(
            collection=BIRDS,
            source=str(out / "in.csv"),
            format=labels_pb2.FORMAT_CSV,
            request_id=new_id(),
        )
        client.ended(client.stub.Import(request).run)
        client.decide(TIT, 3)
        assert self.exported(client, out / "all.csv") == 3
        undone = undo_many(client, kinds=[IMPORT])
        assert self.exported(client, out / "rest.csv") == 1
        client.undo(undone.seq)
        assert self.exported(client, out / "again.csv") == 3

    def exported(self, client: Client, path: Path) -> int:
        """How many labelled lines there are."""
        request = labels_pb2.ExportRequest(
            collection=BIRDS,
            format=labels_pb2.FORMAT_CSV,
            destination=str(path),
            request_id=new_id(),
        )
        client.ended(client.stub.Export(request).run)
        return len(path.read_text().splitlines()) - 1


class TestSeveralClasses(LabelsContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ArtifactStore:
        store = ArtifactStore(str(tmp_path / "store"))
        make_collection(store)
        make_several(store)
        return store

    def test_pairs_go_and_come_back(self, client: Client) -> None:
        lease = lease_rows(client, [1, 2], HAT)
        client.submit(lease.token, said(HAT, IS, 1), said(HAT, IS_NOT, 2))
        lease = lease_rows(client, [1, 2, 3], BAG, annotator="bob")
        client.submit(lease.token, said(BAG, IS, 1, 2), said(0, UNSURE, 3))
        lease = lease_rows(client, [1], HAT, annotator="bob", relabel=True)
        client.submit(lease.token, said(HAT, IS_NOT, 1))
        before = yes_and_no(client)
        told = preview(client, actor="bob")
        assert (dict(told.labels_gone), dict(told.labels_back)) == ({BAG: 2}, {HAT: 1})
        assert (told.negatives_gone, told.negatives_back, told.unsure_gone) == (1, 0, 1)
        undone = undo_many(client, actor="bob")
        assert yes_and_no(client) == ({(1, HAT)}, {(2, HAT)})
        client.undo(undone.seq)
        assert yes_and_no(client) == before


@contextmanager
def service(config: LabelsConfig) -> Iterator[tuple[Assembled, Client]]:
    assembled = assemble(config)
    try:
        with serving(*assembled.mounts, config=config) as channel:
            yield assembled, Client(channel)
    finally:
        assembled.close()


def snapshot(assembled: Assembled) -> Any:
    with assembled.ledger.fold(BIRDS) as fold:
        return fold.state()


def test_it_survives_restarts_with_snapshots_and_on_postgres(tmp_path: Path) -> None:
    make_collection(ArtifactStore(str(tmp_path / "store")))
    with redis_server() as redis, postgres_server() as url:
        config = config_for(tmp_path, redis.url, database_url=url, snapshot_every=3)
        with service(config) as (assembled, client):
            for row in range(4):
                client.decide(OWL, row)
                assembled.ledger.follow()
            undone = undo_many(client, seqs=[1, 3])
            assembled.ledger.follow()
            left = client.labels()
        with service(config) as (assembled, client):
            assert client.labels() == left == {1: OWL, 3: OWL}
            client.decide(TIT, 9)
            assembled.ledger.follow()
            client.undo(undone.seq)
            whole = client.labels()
            assert sorted(whole) == [0, 1, 2, 3, 9]
        with service(config) as (_, client):
            assert client.labels() == whole


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said_by=st.lists(
        st.tuples(st.sampled_from(["ann", "bob"]), st.integers(1, 2), st.integers(1, 4)),
        min_size=1,
        max_size=8,
    ),
    who=st.sampled_from(["ann", "bob"]),
    undone_before=st.integers(0, 8),
)
def test_taking_many_back_leaves_what_taking_each_back_leaves(
    tmp_path_factory: pytest.TempPathFactory,
    redis_url: str,
    said_by: list[tuple[str, int, int]],
    who: str,
    undone_before: int,
) -> None:
    ends = []
    for many in (True, False):
        folder = tmp_path_factory.mktemp("ledger")
        make_collection(ArtifactStore(str(folder / "store")))
        with service(config_for(folder, redis_url)) as (assembled, client):
            for name, class_id, first in said_by:
                rows = range(first, first + 3)
                again = {row: client.labels().get(row, 0) for row in rows}
                for label in sorted(set(again.values())):
                    chosen = [row for row in rows if again[row] == label]
                    lease = lease_rows(client, chosen, label, name, relabel=label > 0)
                    client.submit(lease.token, said(class_id, IS, *chosen), seconds=1.0)
            if undone_before and undone_before <= client.progress().head_seq:
                client.undo(undone_before)
            mine = [e.seq for e in client.events(actor=who, kinds=[DECISION]) if e.counts]
            if mine and many:
                told = preview(client, actor=who)
                before = client.labels()
                undo_many(client, actor=who)
                after = client.labels()
                gone = [row for row in before if after.get(row) != before[row]]
                assert sum(told.labels_gone.values()) == len(gone)
                back = [row for row in after if after[row] != before.get(row)]
                assert sum(told.labels_back.values()) == len(back)
            else:
                for seq in mine:
                    client.undo(seq)
            state = snapshot(assembled)
            people = [(each.annotator, each.images) for each in annotators(client)]
            ends.append((client.labels(), people, state.decisions, state.refused.tolist()))
    assert ends[0] == ends[1]


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server() as server:
        yield server.url
