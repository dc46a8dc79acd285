"""LabelsService: leases, decisions and the ledger. Every error that the comment of an RPC names."""

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.client import connect
from hundredfold.chassis.errors import (
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from hundredfold.chassis.paging import encode_token
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack
from hundredfold.chassis.testing import running, wait_for
from hundredfold.labels import ledger
from hundredfold.labels.__main__ import Assembled
from tests.unit.labels.servers import RedisServer
from tests.unit.labels.world import (
    BIRDS,
    IS,
    IS_NOT,
    OWL,
    ROWS,
    TIT,
    UNSURE,
    Client,
    Clock,
    LabelsContract,
    balanced,
    ids_of,
    make_collection,
    new_id,
    page_message,
    rows_of,
    said,
    write_schema,
)


class TestLeasePages(LabelsContract):
    def test_pages_come_by_score_and_say_what_is_asked(self, client: Client) -> None:
        client.offer(
            page_message("low", [1], score=1),
            page_message(
                "high",
                [5, 3],
                score=2,
                kind=page_pb2.PAGE_KIND_VERIFY,
                class_id=TIT,
                second=pack(np.array([OWL, TIT], np.int32)),
                probability=pack(np.array([0.25, 0.5], np.float32)),
                model="head@7",
                cluster="c/1",
            ),
        )
        first, second = client.lease("ann", limit=5)
        assert (first.page.page_id, second.page.page_id) == ("high", "low")
        assert rows_of(first.page.rows) == [5, 3]
        assert ids_of(first.page.second) == [OWL, TIT]
        assert np.frombuffer(first.page.probability.data, "<f4").tolist() == [0.25, 0.5]
        assert (first.page.kind, first.page.class_id) == (page_pb2.PAGE_KIND_VERIFY, TIT)
        assert (first.page.model, first.page.cluster) == ("head@7", "c/1")
        assert first.annotator == "ann"
        assert second.token > first.token
        assert not client.lease("bob")

    def test_a_cluster_of_which_half_was_answered_is_not_shown_again(self, client: Client) -> None:
        rows = list(range(1, 11))
        client.offer(page_message("round-1", rows, cluster="c/0"), total=ROWS)
        (lease,) = client.lease()
        # The next round does not know yet what is being answered.
        client.offer(page_message("round-2", rows, cluster="c/0"), total=ROWS)
        client.submit(lease.token, said(OWL, IS, *rows[:3]), said(OWL, IS_NOT, *rows[3:8]))
        assert not client.lease()
        client.offer(
            page_message("verify", rows[3:], kind=page_pb2.PAGE_KIND_VERIFY, class_id=TIT),
            total=ROWS,
        )
        (lease,) = client.lease()
        assert rows_of(lease.page.rows) == rows[3:]

    def test_one_page_for_five_minutes_unless_asked_otherwise(
        self, client: Client, clock: Clock
    ) -> None:
        client.offer_rows([1], [2], [3])
        (lease,) = client.lease()
        assert lease.expires_at == clock.now + 300
        (lease,) = client.lease(ttl_seconds=7)
        assert lease.expires_at == clock.now + 7

    def test_what_is_labelled_unsure_or_leased_by_now_is_left_out(self, client: Client) -> None:
        client.decide(OWL, 1, 2)
        client.offer_rows([3, 4])
        (lease,) = client.lease()
        client.submit(lease.token, said(0, UNSURE, 3), said(TIT, IS_NOT, 4))
        client.offer_rows([5])
        client.lease()
        client.offer_rows([1, 2], [2, 3, 4, 5, 6], [5, 6])
        (lease,) = client.lease(limit=3)
        assert rows_of(lease.page.rows) == [4, 6]

    def test_an_image_is_not_offered_again_under_a_class_it_is_not_of(self, client: Client) -> None:
        client.offer_rows([1, 2])
        (lease,) = client.lease()
        client.submit(lease.token, said(TIT, IS_NOT, 1))
        verify = {"kind": page_pb2.PAGE_KIND_VERIFY}
        client.offer(page_message("tits", [1, 2], class_id=TIT, **verify))
        (lease,) = client.lease()
        assert rows_of(lease.page.rows) == [2]
        client.offer(page_message("owls", [1], class_id=OWL, **verify))
        (lease,) = client.lease()
        assert rows_of(lease.page.rows) == [1]

    def test_an_unknown_collection_is_not_found(self, client: Client) -> None:
        with pytest.raises(NotFound):
            client.stub.LeasePages(labels_pb2.LeasePagesRequest(collection="fish"))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("limit", 17),
            ("limit", -1),
            ("ttl_seconds", 4),
            ("ttl_seconds", 3601),
            ("annotator", "x" * 129),
            ("annotator", "a\nb"),
            ("collection", "../x"),
        ],
    )
    def test_bounds(self, client: Client, field: str, value: Any) -> None:
        request = {"collection": BIRDS, field: value}
        with pytest.raises(InvalidArgument) as told:
            client.stub.LeasePages(labels_pb2.LeasePagesRequest(**request))
        assert told.value.field == field

    def test_without_a_queue_it_is_unavailable_soon(
        self, client: Client, redis: RedisServer
    ) -> None:
        redis.kill()
        with pytest.raises(Unavailable) as told:  # not DeadlineExceeded
            client.lease()
        assert told.value.reason == "QUEUE_AWAY"

    def test_with_a_queue_that_hangs_it_is_unavailable_soon(
        self, client: Client, redis: RedisServer
    ) -> None:
        client.offer_rows([1], [2])
        (lease,) = client.lease()
        with redis.hanging():
            with pytest.raises(Unavailable):  # not DeadlineExceeded
                client.lease()
            assert client.submit(lease.token, said(OWL, IS, 1)).seq == 1
        assert client.lease()


class TestRenewLeases(LabelsContract):
    def test_leases_that_hold_are_prolonged_and_the_others_left_out(
        self, client: Client, clock: Clock
    ) -> None:
        client.offer_rows([1], [2])
        first, second = client.lease(limit=2)
        client.submit(second.token, said(OWL, IS, 2))
        clock.advance(200)
        request = labels_pb2.RenewLeasesRequest(
            collection=BIRDS, tokens=[first.token, second.token, 999], ttl_seconds=600
        )
        for _ in range(2):
            answer = client.stub.RenewLeases(request)
            assert list(answer.tokens) == [first.token]
            assert answer.expires_at == clock.now + 600

    def test_it_works_while_the_queue_is_away(self, client: Client, redis: RedisServer) -> None:
        client.offer_rows([1])
        (lease,) = client.lease()
        redis.kill()
        request = labels_pb2.RenewLeasesRequest(collection=BIRDS, tokens=[lease.token])
        assert list(client.stub.RenewLeases(request).tokens) == [lease.token]

    def test_bounds(self, client: Client) -> None:
        with pytest.raises(InvalidArgument, match="64"):
            client.stub.RenewLeases(
                labels_pb2.RenewLeasesRequest(collection=BIRDS, tokens=range(65))
            )
        with pytest.raises(NotFound):
            client.stub.RenewLeases(labels_pb2.RenewLeasesRequest(collection="fish"))


class TestReleaseLeases(LabelsContract):
    def release(self, client: Client, *tokens: int) -> None:
        client.stub.ReleaseLeases(labels_pb2.ReleaseLeasesRequest(collection=BIRDS, tokens=tokens))

    def test_the_page_goes_to_the_next_and_to_the_same_only_after_others(
        self, client: Client
    ) -> None:
        client.offer_rows([1], [2])
        (lease,) = client.lease("ann")
        for _ in range(2):
            self.release(client, lease.token, 999)
        assert client.progress().leased == 0
        (other,) = client.lease("ann")
        assert rows_of(other.page.rows) == [2]
        (again,) = client.lease("ann")
        assert rows_of(again.page.rows) == [1]
        assert again.token > lease.token
        self.release(client, again.token)
        (bobs,) = client.lease("bob")
        assert rows_of(bobs.page.rows) == [1]

    def test_an_answer_after_it_is_fenced(self, client: Client) -> None:
        client.offer_rows([1])
        (lease,) = client.lease()
        self.release(client, lease.token)
        with pytest.raises(Conflict) as told:
            client.submit(lease.token, said(OWL, IS, 1))
        assert told.value.reason == "LEASE_FENCED"
        assert told.value.metadata["state"] == "RELEASED"

    def test_without_a_queue_the_images_go_back_to_the_pool(
        self, client: Client, redis: RedisServer
    ) -> None:
        client.offer_rows([1])
        (lease,) = client.lease()
        redis.kill()
        self.release(client, lease.token)
        assert client.progress().leased == 0
        assert balanced(client.progress())

    def test_bounds(self, client: Client) -> None:
        with pytest.raises(InvalidArgument, match="64"):
            self.release(client, *range(65))
        with pytest.raises(NotFound):
            client.stub.ReleaseLeases(labels_pb2.ReleaseLeasesRequest(collection="fish"))


class TestSubmitDecision(LabelsContract):
    @pytest.fixture
    def lease(self, client: Client) -> Any:
        client.offer_rows([1, 2, 3, 4])
        return client.lease()[0]

    def test_a_decision_is_in_the_ledger_as_it_was_said(
        self, client: Client, lease: Any, clock: Clock
    ) -> None:
        request_id = new_id()
        answer = client.submit(
            lease.token,
            said(OWL, IS, 1, 2),
            said(OWL, IS_NOT, 3),
            said(0, UNSURE, 4),
            request_id=request_id,
            seconds=1.5,
        )
        assert (answer.seq, answer.replayed) == (1, False)
        (event,) = client.events()
        assert event.kind == labels_pb2.EVENT_KIND_DECISION
        assert (event.seq, event.actor, event.seconds) == (1, "ann", 1.5)
        assert (event.request_id, event.created_at) == (request_id, clock.now)
        assert event.page == lease.page
        assert [(each.class_id, each.verdict) for each in event.judgements] == [
            (OWL, IS),
            (OWL, IS_NOT),
            (0, UNSURE),
        ]
        assert event.images == 4
        (piece,) = client.pieces()
        assert (piece.seq, rows_of(piece.rows), ids_of(piece.class_ids)) == (1, [1, 2], [OWL, OWL])
        assert rows_of(piece.seqs) == [1, 1]
        assert (rows_of(piece.negative_rows), ids_of(piece.negative_class_ids)) == ([3], [OWL])
        assert rows_of(piece.unsure_rows) == [4]

    def test_the_same_again_returns_the_same_answer(self, client: Client, lease: Any) -> None:
        request_id = new_id()
        first = client.submit(lease.token, said(OWL, IS, 1), request_id=request_id)
        again = client.submit(lease.token, said(OWL, IS, 1), request_id=request_id)
        assert (again.seq, again.replayed) == (first.seq, True)
        assert len(client.events()) == 1

    @pytest.mark.parametrize(
        "change", [{"seconds": 3.0}, {"token": 1}, {"judgement": said(TIT, IS, 1)}]
    )
    def test_the_same_id_with_another_body_is_refused(
        self, client: Client, lease: Any, change: dict[str, Any]
    ) -> None:
        request_id = new_id()
        client.submit(lease.token, said(OWL, IS, 1), request_id=request_id)
        token = lease.token + change.pop("token", 0)
        judgement = change.pop("judgement", said(OWL, IS, 1))
        with pytest.raises(AlreadyExists) as told:
            client.submit(token, judgement, request_id=request_id, **change)
        assert told.value.reason == "REQUEST_ID_REUSED"

    @pytest.mark.parametrize(
        ("end", "state"), [("answer", "ANSWERED"), ("lose", "EXPIRED"), ("absent", "UNKNOWN")]
    )
    def test_a_lost_lease_is_fenced_and_says_why(
        self, client: Client, assembled: Assembled, clock: Clock, end: str, state: str
    ) -> None:
        client.offer_rows([1, 2])
        token = client.lease()[0].token
        if end == "answer":
            client.submit(token, said(OWL, IS, 1))
        elif end == "lose":
            clock.advance(301)
            assert assembled.leasing.sweep() == 1
            assert len(client.lease("bob")) == 1
        else:
            token = 999
        with pytest.raises(Conflict) as told:
            client.submit(token, said(OWL, IS, 1))
        assert told.value.reason == "LEASE_FENCED"
        assert told.value.metadata["state"] == state

    def test_a_lease_past_its_time_is_good_until_it_is_swept(
        self, client: Client, lease: Any, clock: Clock
    ) -> None:
        clock.advance(10_000)
        assert client.submit(lease.token, said(OWL, IS, 1)).seq == 1

    def test_images_that_are_not_judged_go_back_to_the_pool(
        self, client: Client, lease: Any
    ) -> None:
        client.submit(lease.token, said(OWL, IS, 1))
        progress = client.progress()
        assert (progress.labelled, progress.leased, progress.pool) == (1, 0, ROWS - 1)
        client.offer_rows([2, 3, 4])
        assert rows_of(client.lease()[0].page.rows) == [2, 3, 4]

    @pytest.mark.parametrize(
        "judgements",
        [
            [said(OWL, IS, 5)],
            [said(OWL, IS, -1)],
            [said(77, IS, 1)],
            [said(77, IS_NOT, 1)],
            [said(0, IS, 1)],
            [said(-1, IS, 1)],
            [said(OWL, UNSURE, 1)],
            [said(OWL, IS, 1, 1)],
            [said(OWL, IS, 1), said(TIT, IS, 1)],
            [said(OWL, IS, 1), said(OWL, IS_NOT, 1)],
            [said(OWL, IS, 1), said(0, UNSURE, 1)],
            [said(OWL, labels_pb2.VERDICT_UNSPECIFIED, 1)],
            [said(OWL, 9, 1)],
            [labels_pb2.Judgement(class_id=OWL, verdict=IS)],
            [
                labels_pb2.Judgement(
                    class_id=OWL, verdict=IS, rows=pack(np.array([1.5], np.float32))
                )
            ],
            [said(OWL, IS)] * 1001,
        ],
    )
    def test_bad_judgements_are_refused_and_change_nothing(
        self, client: Client, lease: Any, judgements: list[Any]
    ) -> None:
        with pytest.raises(InvalidArgument) as told:
            client.submit(lease.token, *judgements)
        assert told.value.field.startswith("judgements")
        assert not client.events()
        assert client.submit(lease.token, said(OWL, IS, 1)).seq == 1

    @pytest.mark.parametrize("seconds", [-1.0, 86_401.0, math.nan, math.inf])
    def test_seconds_have_bounds(self, client: Client, lease: Any, seconds: float) -> None:
        with pytest.raises(InvalidArgument) as told:
            client.submit(lease.token, said(OWL, IS, 1), seconds=seconds)
        assert told.value.field == "seconds"

    @pytest.mark.parametrize("request_id", ["", "x" * 201, "a\tb"])
    def test_a_request_id_is_needed(self, client: Client, lease: Any, request_id: str) -> None:
        request = labels_pb2.SubmitDecisionRequest(
            collection=BIRDS, token=lease.token, request_id=request_id
        )
        with pytest.raises(InvalidArgument) as told:
            client.stub.SubmitDecision(request)
        assert told.value.field == "request_id"

    def test_it_works_while_the_queue_is_away(
        self, client: Client, lease: Any, redis: RedisServer
    ) -> None:
        redis.kill()
        assert client.submit(lease.token, said(OWL, IS, 1)).seq == 1
        assert client.labels() == {1: OWL}
        assert client.progress().labelled == 1
        assert len(client.events()) == 1
        assert client.undo(1).seq == 2

    def test_classes_made_a_moment_ago_count_and_the_catalog_is_not_asked(
        self, client: Client, lease: Any, store: ArtifactStore
    ) -> None:
        write_schema(store, {OWL: "owl", 9: "new"}, {})
        assert client.submit(lease.token, said(9, IS, 1)).seq == 1

    def test_a_decision_may_say_nothing(self, client: Client, lease: Any) -> None:
        client.submit(lease.token)
        assert client.progress().decisions == 1
        assert client.labels() == {}


class TestUndo(LabelsContract):
    def test_the_last_decision_is_taken_back_by_an_event(self, client: Client) -> None:
        client.decide(OWL, 1)
        client.decide(TIT, 2)
        answer = client.undo()
        assert answer.seq == 3
        assert (answer.undone.seq, rows_of(answer.undone.page.rows)) == (2, [2])
        assert not answer.HasField("lease")
        assert client.labels() == {1: OWL}
        assert client.undo().undone.seq == 1
        assert client.labels() == {}
        kinds = [event.kind for event in client.events()]
        assert kinds == [labels_pb2.EVENT_KIND_DECISION] * 2 + [labels_pb2.EVENT_KIND_UNDO] * 2
        assert [event.undone_seq for event in client.events()] == [0, 0, 2, 1]

    def test_an_earlier_decision_can_be_named(self, client: Client) -> None:
        client.decide(OWL, 1)
        client.decide(TIT, 2)
        assert client.undo(1).undone.seq == 1
        assert client.labels() == {2: TIT}

    def test_the_last_is_each_annotators_own(self, client: Client) -> None:
        client.decide(OWL, 1, annotator="ann")
        client.decide(TIT, 2, annotator="bob")
        assert client.undo(annotator="ann").undone.seq == 1

    def test_an_undone_relabelling_brings_the_first_label_back(self, client: Client) -> None:
        client.decide(OWL, 1)
        lease = client.undo(lease_again=True).lease
        client.submit(lease.token, said(TIT, IS, 1))
        assert client.labels() == {1: TIT}
        client.undo()
        assert client.labels() == {}

    def test_the_page_can_be_leased_again(self, client: Client, clock: Clock) -> None:
        client.offer_rows([1, 2, 3])
        (lease,) = client.lease()
        client.submit(lease.token, said(OWL, IS, 1, 2))
        client.decide(TIT, 3, annotator="bob")
        request_id = new_id()
        again = client.undo(lease_again=True, request_id=request_id).lease
        assert again.token > lease.token
        assert again.annotator == "ann"
        assert again.page.page_id == lease.page.page_id
        assert rows_of(again.page.rows) == [1, 2], "3 has a label by now"
        replayed = client.undo(lease_again=True, request_id=request_id)
        assert replayed.lease == again
        assert replayed.seq == 3
        client.submit(again.token, said(TIT, IS, 1))
        assert client.labels() == {1: TIT, 3: TIT}

    def test_no_lease_when_the_images_are_leased_to_another(self, client: Client) -> None:
        client.offer_rows([1, 2])
        (lease,) = client.lease()
        client.submit(lease.token, said(OWL, IS_NOT, 1, 2))
        client.offer_rows([1, 2])
        client.lease("bob")
        assert not client.undo(lease_again=True).HasField("lease")

    def test_the_same_id_for_another_undo_is_refused(self, client: Client) -> None:
        client.decide(OWL, 1)
        client.decide(OWL, 2)
        request_id = new_id()
        client.undo(1, request_id=request_id)
        assert client.undo(1, request_id=request_id).seq == 3
        with pytest.raises(AlreadyExists) as told:
            client.undo(2, request_id=request_id)
        assert told.value.reason == "REQUEST_ID_REUSED"

    @pytest.mark.parametrize("seq", [0, 5])
    def test_nothing_to_undo_is_not_found(self, client: Client, seq: int) -> None:
        with pytest.raises(NotFound):
            client.undo(seq)

    def test_an_event_that_does_not_count_is_refused(self, client: Client) -> None:
        client.decide(OWL, 1)
        client.undo(1)
        with pytest.raises(Conflict, match="does not count"):
            client.undo(1)
        with pytest.raises(Conflict, match="can't be undone"):
            client.undo(2)
        with pytest.raises(NotFound):
            client.undo()

    def test_a_negative_seq_is_refused(self, client: Client) -> None:
        with pytest.raises(InvalidArgument) as told:
            client.undo(-1)
        assert told.value.field == "seq"

    def test_a_clear_can_be_taken_back(self, client: Client) -> None:
        client.decide(OWL, 1)
        request = labels_pb2.ClearLabelsRequest(collection=BIRDS, request_id=new_id())
        seq = client.stub.ClearLabels(request).seq
        assert client.labels() == {}
        client.undo(seq)
        assert client.labels() == {1: OWL}


class TestListDecisions(LabelsContract):
    def test_events_come_by_seq_in_pages(self, client: Client) -> None:
        for row in range(5):
            client.decide(OWL, row, annotator="ann" if row % 2 else "bob")
        request = labels_pb2.ListDecisionsRequest(collection=BIRDS, page_size=2)
        seqs = []
        while True:
            answer = client.stub.ListDecisions(request)
            seqs.append([event.seq for event in answer.events])
            if not answer.next_page_token:
                break
            request.page_token = answer.next_page_token
        assert seqs == [[1, 2], [3, 4], [5]]
        assert [event.seq for event in client.events(after_seq=3)] == [4, 5]
        assert [event.seq for event in client.events(actor="ann")] == [2, 4]
        request = labels_pb2.ListDecisionsRequest(collection=BIRDS, actor="bob", page_size=2)
        answer = client.stub.ListDecisions(request)
        request.page_token = answer.next_page_token
        assert [event.seq for event in client.stub.ListDecisions(request).events] == [5]

    def test_large_events_are_spread_over_pages(self, client: Client, store: ArtifactStore) -> None:
        make_collection(store, rows=1024)
        for _ in range(60):
            client.offer(page_message(new_id(), range(1024)))
            (lease,) = client.lease()
            client.submit(lease.token, said(OWL, IS_NOT, *range(1024)))
        request = labels_pb2.ListDecisionsRequest(collection=BIRDS, page_size=1000)
        answer = client.stub.ListDecisions(request)
        assert 0 < len(answer.events) <= 60
        assert answer.ByteSize() < 2 << 20

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("page_size", -1),
            ("page_token", "!!"),
            ("page_token", encode_token(1 << 70)),
            ("after_seq", -1),
            ("actor", "a\0b"),
        ],
    )
    def test_bounds(self, client: Client, field: str, value: Any) -> None:
        with pytest.raises(InvalidArgument) as told:
            client.events(**{field: value})
        assert told.value.field == field

    def test_an_unknown_collection_is_not_found(self, client: Client) -> None:
        with pytest.raises(NotFound):
            client.stub.ListDecisions(labels_pb2.ListDecisionsRequest(collection="fish"))


def _ended_watch(record: logging.LogRecord) -> bool:
    return str(getattr(record, "method", "")).endswith("/WatchDecisions")


class TestWatchDecisions(LabelsContract):
    def watch(self, client: Client, after: int = 0) -> Any:
        request = labels_pb2.WatchDecisionsRequest(collection=BIRDS, after_seq=after)
        return client.stub.WatchDecisions(request)

    def test_the_newest_seq_comes_at_once_and_then_each_event(self, client: Client) -> None:
        client.decide(OWL, 1)
        client.decide(OWL, 2)
        stream = self.watch(client, after=1)
        first = next(stream)
        assert (first.head_seq, list(first.events)) == (2, [])
        assert [event.seq for event in next(stream).events] == [2]
        client.decide(OWL, 3)
        message = next(stream)
        assert ([event.seq for event in message.events], message.head_seq) == ([3], 3)
        client.undo()
        assert next(stream).events[0].kind == labels_pb2.EVENT_KIND_UNDO
        stream.cancel()

    def test_an_event_is_sent_without_waiting_for_a_poll(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ledger, "POLL_SECONDS", 3_600.0)
        stream = self.watch(client)
        next(stream)
        client.decide(OWL, 1)
        assert next(stream).head_seq == 1
        stream.cancel()

    def test_whoever_goes_away_leaves_nothing_behind_that_waits(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(ledger, "POLL_SECONDS", 3_600.0)
        caplog.set_level(logging.DEBUG, "hundredfold.rpc")
        stream = self.watch(client)
        next(stream)
        stream.cancel()
        wait_for(lambda: any(_ended_watch(record) for record in caplog.records))

    def test_it_ends_when_the_server_drains(self, assembled: Assembled) -> None:
        with running(*assembled.mounts) as server, connect(server.address) as channel:
            stream = self.watch(Client(channel))
            next(stream)
            with ThreadPoolExecutor(1) as pool:
                rest = pool.submit(list, stream)
                server.stop(grace=10)
                assert rest.result() == []  # it was not cut off after the grace

    def test_bounds(self, client: Client) -> None:
        with pytest.raises(InvalidArgument):
            next(self.watch(client, after=-1))
        with pytest.raises(NotFound):
            next(client.stub.WatchDecisions(labels_pb2.WatchDecisionsRequest(collection="fish")))
