"""LabelsService: pages of images that a person picked himself."""

from pathlib import Path
from typing import Any

import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.errors import Conflict, InvalidArgument, NotFound
from hundredfold.chassis.storage.store import ArtifactStore
from tests.contract.test_labels_rpc_audits import MANY, AuditContract
from tests.contract.test_labels_rpc_several import BAG, HAT, make_several, yes_and_no
from tests.unit.labels.audit_world import certify, start
from tests.unit.labels.review_world import lease_rows
from tests.unit.labels.servers import RedisServer
from tests.unit.labels.world import (
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
    make_collection,
    make_duplicates,
    new_id,
    page_message,
    rows_of,
    said,
)

PICKED, REVIEW = page_pb2.PAGE_KIND_PICKED, page_pb2.PAGE_KIND_REVIEW


def picked(client: Client, *rows: int, class_id: int = OWL, **fields: Any) -> list[int]:
    lease = lease_rows(client, rows, class_id, **fields)
    return rows_of(lease.page.rows) if lease else []


class TestLeaseRows(LabelsContract):
    def test_images_are_one_page_in_the_order_they_were_picked(
        self, client: Client, clock: Clock
    ) -> None:
        lease = lease_rows(client, [5, 3, 9], TIT, ttl_seconds=60)
        assert (lease.page.kind, lease.page.class_id) == (PICKED, TIT)
        assert rows_of(lease.page.rows) == [5, 3, 9]
        assert (lease.annotator, lease.expires_at) == ("ann", clock.now + 60)

    def test_they_are_answered_like_any_page_and_say_how_they_came_about(
        self, client: Client
    ) -> None:
        lease = lease_rows(client, [5, 3, 9], TIT)
        client.submit(lease.token, said(TIT, IS, 5, 3), said(OWL, IS, 9))
        assert client.labels() == {5: TIT, 3: TIT, 9: OWL}
        (piece,) = client.pieces()
        assert set(piece.origins.data) == {PICKED}
        (event,) = client.events()
        assert (event.page.kind, event.images) == (PICKED, 3)

    def test_what_people_labelled_or_others_hold_is_left_out(self, client: Client) -> None:
        client.decide(OWL, 1)
        client.offer_rows([2, 3])
        client.lease("bob")
        assert picked(client, 1, 2, 4, 3, 5) == [4, 5]
        assert picked(client, 1, 2, 4) == []

    def test_what_was_set_aside_or_kicked_can_be_picked(self, client: Client) -> None:
        client.offer_rows([1, 2])
        (lease,) = client.lease()
        client.submit(lease.token, said(0, UNSURE, 1), said(OWL, IS_NOT, 2))
        assert picked(client, 1, 2) == [1, 2]

    def test_nobody_is_offered_what_somebody_picked(self, client: Client) -> None:
        client.offer_rows([1, 2, 3])
        assert picked(client, 2) == [2]
        (lease,) = client.lease("bob")
        assert rows_of(lease.page.rows) == [1, 3]

    def test_what_is_not_answered_goes_back_to_the_pool_and_not_into_the_queue(
        self, client: Client, clock: Clock
    ) -> None:
        client.offer(total=ROWS)
        lease = lease_rows(client, [1, 2])
        progress = client.progress()
        assert (progress.leased, progress.pool) == (2, ROWS - 2)
        client.stub.ReleaseLeases(
            labels_pb2.ReleaseLeasesRequest(collection="birds", tokens=[lease.token])
        )
        assert picked(client, 1, 2, ttl_seconds=5) == [1, 2]
        clock.advance(6)
        client.stub.Reconcile(labels_pb2.ReconcileRequest(collection="birds"))
        progress = client.progress()
        assert (progress.leased, progress.ready, progress.ready_pages) == (0, 0, 0)
        assert balanced(progress)
        assert not client.lease()

    def test_the_same_request_has_the_same_lease_as_long_as_it_holds(self, client: Client) -> None:
        request_id = new_id()
        first = lease_rows(client, [1, 2], request_id=request_id)
        assert lease_rows(client, [1, 2], request_id=request_id) == first
        assert lease_rows(client, [1, 2], annotator="bob", request_id=request_id) is None
        released = labels_pb2.ReleaseLeasesRequest(collection="birds", tokens=[first.token])
        client.stub.ReleaseLeases(released)
        again = lease_rows(client, [1, 2], request_id=request_id)
        assert again.token > first.token

    def test_an_answer_that_was_not_heard_can_be_sent_again(self, client: Client) -> None:
        request_id, answer_id = new_id(), new_id()
        seqs = set()
        for _ in range(2):
            lease = lease_rows(client, [1, 2], request_id=request_id)
            answer = client.submit(lease.token, said(OWL, IS, 1), request_id=answer_id)
            seqs.add(answer.seq)
        assert len(seqs) == 1
        with pytest.raises(Conflict) as told:
            client.submit(lease.token, said(TIT, IS, 2))
        assert told.value.metadata["state"] == "ANSWERED"
        assert picked(client, 1, 2) == [2]

    def test_undo_gives_the_page_again(self, client: Client) -> None:
        lease = lease_rows(client, [1, 2], OWL)
        client.submit(lease.token, said(OWL, IS, 1, 2))
        again = client.undo(lease_again=True).lease
        assert (again.page.kind, rows_of(again.page.rows)) == (PICKED, [1, 2])
        assert client.labels() == {}

    def test_copies_stand_for_their_representatives(
        self, client: Client, store: ArtifactStore
    ) -> None:
        make_duplicates(store, [0, 1, 2, 1, *range(4, 99), -1])
        assert picked(client, 5, 3, 99, 1) == [5, 1]

    def test_labels_are_looked_at_again_as_in_a_review(self, client: Client) -> None:
        client.decide(OWL, 1, 2)
        client.decide(OLD_OWL, 3)
        client.decide(TIT, 4)
        lease = lease_rows(client, [1, 2, 3, 4, 5], OWL, relabel=True)
        assert (lease.page.kind, lease.page.class_id) == (REVIEW, OWL)
        assert rows_of(lease.page.rows) == [1, 2, 3]
        client.submit(lease.token, said(OWL, IS, 1), said(TIT, IS, 2), said(OWL, IS_NOT, 3))
        assert client.labels() == {1: OWL, 2: TIT, 4: TIT}
        assert picked(client, 1, relabel=True) == [1], "what was reviewed can be picked again"

    def test_a_review_that_is_not_answered_is_not_offered_to_others(self, client: Client) -> None:
        client.decide(OWL, 1)
        lease = lease_rows(client, [1], OWL, relabel=True)
        client.stub.ReleaseLeases(
            labels_pb2.ReleaseLeasesRequest(collection="birds", tokens=[lease.token])
        )
        assert not client.lease("bob")

    def test_it_works_while_the_queue_is_away(self, client: Client, redis: RedisServer) -> None:
        redis.kill()
        lease = lease_rows(client, [1])
        client.submit(lease.token, said(OWL, IS, 1))

    def test_picked_pages_are_not_offered(self, client: Client) -> None:
        with pytest.raises(InvalidArgument) as told:
            client.offer(page_message("p", [1], kind=PICKED))
        assert told.value.field == "pages"

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"rows": []}, "rows"),
            ({"rows": [1, 1]}, "rows"),
            ({"rows": [-1]}, "rows"),
            ({"rows": [ROWS]}, "rows"),
            ({"rows": list(range(1025))}, "rows"),
            ({"class_id": 9}, "class_id"),
            ({"class_id": -1}, "class_id"),
            ({"relabel": True}, "class_id"),
            ({"ttl_seconds": 4}, "ttl_seconds"),
            ({"request_id": ""}, "request_id"),
            ({"annotator": "a\nb"}, "annotator"),
        ],
    )
    def test_bounds(self, client: Client, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidArgument) as told:
            lease_rows(client, fields.pop("rows", [1]), **fields)
        assert told.value.field == field

    def test_an_unknown_collection_is_not_found(self, client: Client) -> None:
        with pytest.raises(NotFound):
            client.stub.LeaseRows(labels_pb2.LeaseRowsRequest(collection="fish"))


class TestWithAudits(AuditContract):
    def test_what_an_open_audit_waits_for_is_left_to_it(self, client: Client) -> None:
        client.offer(total=MANY)
        start(client, sample=200)
        waiting = {row for piece in client.pieces() for row in rows_of(piece.audit_rows)}
        some = sorted(waiting)[:3]
        free = sorted(set(range(MANY)) - waiting)[:3]
        assert picked(client, *some, *free) == free

    def test_what_a_model_labelled_can_be_put_right(self, client: Client, passed: Any) -> None:
        labelled = certify(client, passed.audit_id).labelled
        by_model = [
            row
            for piece in client.pieces()
            for row, origin in zip(rows_of(piece.rows), piece.origins.data, strict=True)
            if origin == 127
        ]
        assert len(by_model) == labelled
        row = by_model[0]
        lease = lease_rows(client, [row], TIT)
        client.submit(lease.token, said(TIT, IS, row))
        assert client.labels()[row] == TIT
        assert picked(client, row) == []


class TestSeveralClasses(LabelsContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ArtifactStore:
        store = ArtifactStore(str(tmp_path / "store"))
        make_collection(store)
        make_several(store)
        return store

    def test_a_page_asks_about_one_class(self, client: Client) -> None:
        lease = lease_rows(client, [1, 2, 3], HAT)
        client.submit(lease.token, said(HAT, IS, 1), said(HAT, IS_NOT, 2), said(0, UNSURE, 3))
        assert yes_and_no(client) == ({(1, HAT)}, {(2, HAT)})
        assert picked(client, 1, 2, 3, 4, class_id=HAT) == [3, 4]
        assert picked(client, 1, 2, 3, class_id=BAG) == [1, 2, 3]

    def test_what_is_known_can_be_said_again(self, client: Client) -> None:
        client.decide(HAT, 1)
        lease = lease_rows(client, [1, 2], HAT, relabel=True)
        assert (lease.page.kind, rows_of(lease.page.rows)) == (PICKED, [1, 2])
        client.submit(lease.token, said(HAT, IS_NOT, 1))
        assert yes_and_no(client) == (set(), {(1, HAT)})

    def test_without_a_class_it_is_of_images_of_which_nothing_was_said(
        self, client: Client
    ) -> None:
        lease = lease_rows(client, [1], HAT)
        client.submit(lease.token, said(HAT, IS, 1))
        assert picked(client, 1, 2, class_id=0) == [2]
        assert client.progress().leased == 0, "it asks about no class"
