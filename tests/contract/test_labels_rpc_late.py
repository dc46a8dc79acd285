"""LabelsService: an answer that comes when its lease has run out is taken for what is still free."""

from collections.abc import Callable
from typing import Any

import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.chassis.errors import Conflict, InvalidArgument, PermissionDenied
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.labels.__main__ import Assembled
from tests.unit.labels.audit_world import halves, start, write_predictions
from tests.unit.labels.world import (
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
    new_id,
    page_message,
    rows_of,
    said,
)

Away = Callable[[], None]


class TestLateAnswers(LabelsContract):
    @pytest.fixture
    def lease(self, client: Client) -> Any:
        client.offer_rows([1, 2, 3, 4])
        return client.lease("ann")[0]

    @pytest.fixture
    def away(self, assembled: Assembled, clock: Clock) -> Away:
        """Everybody was away for longer than a lease holds."""

        def go() -> None:
            clock.advance(301)
            assert assembled.leasing.sweep() > 0

        return go

    def test_it_is_taken_as_it_was_said_while_its_images_are_free(
        self, client: Client, lease: Any, away: Away
    ) -> None:
        away()
        judged = [said(OWL, IS, 1, 2), said(OWL, IS_NOT, 3), said(0, UNSURE, 4)]
        answer = client.submit(lease.token, *judged)
        assert (answer.seq, answer.replayed, rows_of(answer.left_out)) == (1, False, [])
        (event,) = client.events()
        assert (event.actor, event.page) == ("ann", lease.page)
        assert list(event.judgements) == judged
        assert client.labels() == {1: OWL, 2: OWL}
        assert balanced(client.progress())

    def test_it_is_taken_once(self, client: Client, lease: Any, away: Away) -> None:
        away()
        request_id = new_id()
        first = client.submit(lease.token, said(OWL, IS, 1), request_id=request_id)
        again = client.submit(lease.token, said(OWL, IS, 1), request_id=request_id)
        assert (again.seq, again.replayed) == (first.seq, True)
        with pytest.raises(Conflict) as told:
            client.submit(lease.token, said(OWL, IS, 2))
        assert told.value.metadata["state"] == "ANSWERED"
        assert len(client.events()) == 1

    def test_what_others_labelled_meanwhile_is_left_out_and_named(
        self, client: Client, lease: Any, away: Away
    ) -> None:
        away()
        client.decide(TIT, 2, 4, annotator="bob")
        request_id = new_id()
        judged = [said(OWL, IS, 1, 2), said(OWL, IS_NOT, 3, 4)]
        answer = client.submit(lease.token, *judged, request_id=request_id)
        assert rows_of(answer.left_out) == [2, 4]
        assert client.labels() == {1: OWL, 2: TIT, 4: TIT}
        event = client.events()[-1]
        assert rows_of(event.page.rows) == [1, 3]
        assert [rows_of(each.rows) for each in event.judgements] == [[1], [3]]
        again = client.submit(lease.token, *judged, request_id=request_id)
        assert rows_of(again.left_out) == [2, 4]

    def test_what_others_have_on_their_screens_is_left_to_them(
        self, client: Client, lease: Any, away: Away
    ) -> None:
        away()
        client.offer(page_message("other", [3, 4], score=9))
        (bobs,) = client.lease("bob")
        assert rows_of(bobs.page.rows) == [3, 4]
        answer = client.submit(lease.token, said(OWL, IS, 1, 2, 3, 4))
        assert rows_of(answer.left_out) == [3, 4]
        client.submit(bobs.token, said(TIT, IS, 3, 4))
        assert client.labels() == {1: OWL, 2: OWL, 3: TIT, 4: TIT}

    def test_it_is_fenced_when_nothing_is_free(
        self, client: Client, lease: Any, away: Away
    ) -> None:
        away()
        (bobs,) = client.lease("bob")
        with pytest.raises(Conflict) as told:
            client.submit(lease.token, said(OWL, IS, 1, 2, 3, 4))
        assert told.value.reason == "LEASE_FENCED"
        assert told.value.metadata["state"] == "EXPIRED"
        client.submit(bobs.token, said(TIT, IS, 1))
        with pytest.raises(Conflict):
            client.submit(lease.token, said(OWL, IS, 1))
        assert client.labels() == {1: TIT}

    def test_the_rest_of_a_cluster_of_which_others_answered_half_is_taken(
        self, client: Client, away: Away
    ) -> None:
        client.offer(page_message("group", [1, 2, 3, 4], cluster="c1/7"), total=ROWS)
        (lease,) = client.lease("ann")
        away()
        client.decide(TIT, 1, 2, annotator="bob")
        answer = client.submit(lease.token, said(OWL, IS, 1, 2, 3, 4))
        assert rows_of(answer.left_out) == [1, 2]
        assert client.labels() == {1: TIT, 2: TIT, 3: OWL, 4: OWL}

    def test_what_an_open_audit_asks_about_is_left_to_it(
        self, client: Client, store: ArtifactStore, away: Away
    ) -> None:
        write_predictions(store, halves(ROWS))
        everything = list(range(ROWS - 2))
        client.offer(page_message("all", everything), total=ROWS)
        (lease,) = client.lease("ann")
        away()
        start(client)
        waiting = {row for piece in client.pieces() for row in rows_of(piece.audit_rows)}
        assert 0 < len(waiting & set(everything)) < len(everything)
        answer = client.submit(lease.token, said(OWL, IS, *everything))
        assert set(rows_of(answer.left_out)) == waiting & set(everything)

    def test_a_page_of_an_open_audit_is_taken_too(
        self, client: Client, store: ArtifactStore, away: Away
    ) -> None:
        write_predictions(store, halves(ROWS))
        start(client)
        (lease,) = client.lease("ann")
        assert lease.page.kind == page_pb2.PAGE_KIND_AUDIT
        away()
        rows = rows_of(lease.page.rows)
        answer = client.submit(lease.token, said(lease.page.class_id, IS, *rows))
        assert rows_of(answer.left_out) == []
        assert client.labels().keys() == set(rows)

    def test_undo_gives_back_what_was_taken_and_no_more(
        self, client: Client, lease: Any, away: Away
    ) -> None:
        away()
        client.decide(TIT, 2, annotator="bob")
        client.submit(lease.token, said(OWL, IS, 1, 2, 3, 4))
        undone = client.undo(lease_again=True)
        assert rows_of(undone.lease.page.rows) == [1, 3, 4]
        assert client.labels() == {2: TIT}

    def test_pages_to_verify_are_taken_too(self, client: Client, away: Away) -> None:
        client.offer(
            page_message("v", [5, 6], kind=page_pb2.PAGE_KIND_VERIFY, class_id=OWL), total=ROWS
        )
        (lease,) = client.lease("ann")
        away()
        client.submit(lease.token, said(OWL, IS, 5), said(OWL, IS_NOT, 6))
        assert client.labels() == {5: OWL}

    def test_only_whose_page_it_was_may_answer_it_late(
        self, client: Client, lease: Any, away: Away
    ) -> None:
        away()
        with pytest.raises(PermissionDenied):
            client.submit(lease.token, said(OWL, IS, 1), annotator="bob")
        with pytest.raises(InvalidArgument):
            client.submit(lease.token, said(OWL, IS, 9))
        assert client.labels() == {}
