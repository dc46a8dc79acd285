"""LabelsService: labels, progress, the queue and its healing, and who may do what."""

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import redis as redis_client

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2, labels_pb2_grpc
from hundredfold.chassis.client import connect
from hundredfold.chassis.errors import (
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack
from hundredfold.chassis.testing import running
from hundredfold.labels.__main__ import Assembled
from hundredfold.labels.config import LabelsConfig
from tests.unit.labels.servers import RedisServer
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
    make_duplicates,
    new_id,
    page_message,
    rows_of,
    said,
    token_file,
    write_schema,
)

CLUSTER = page_pb2.PAGE_KIND_CLUSTER


class TestGetLabels(LabelsContract):
    def test_no_labels_are_one_empty_piece(self, client: Client) -> None:
        (piece,) = client.pieces()
        assert (piece.seq, rows_of(piece.rows)) == (0, [])
        (piece,) = client.pieces(include_copies=True)
        assert (piece.seq, rows_of(piece.rows)) == (0, [])

    def test_a_merged_class_is_the_one_it_was_merged_into(
        self, client: Client, store: ArtifactStore
    ) -> None:
        client.decide(OLD_OWL, 1)
        client.decide(TIT, 2)
        assert client.labels() == {1: OWL, 2: TIT}
        write_schema(store, {OWL: "owl", TIT: "tit", OLD_OWL: "o"}, {OLD_OWL: OWL, OWL: TIT})
        assert client.labels() == {1: TIT, 2: TIT}
        assert client.progress().labels_by_class == {TIT: 2}

    def test_copies_have_the_label_of_their_representative(
        self, client: Client, store: ArtifactStore
    ) -> None:
        make_duplicates(store, [0, 0, 2, 2, 2, *range(5, 99), -1])
        client.decide(OWL, 0, 7)
        assert client.labels() == {0: OWL, 7: OWL}
        assert client.labels(include_copies=True) == {0: OWL, 1: OWL, 7: OWL}
        client.decide(TIT, 2)
        (piece,) = client.pieces(include_copies=True)
        assert rows_of(piece.seqs) == [1, 1, 2, 2, 2, 1]
        assert client.progress().labelled_with_copies == 6

    def test_many_labels_come_in_pieces_of_one_seq(
        self, client: Client, assembled: Assembled, store: ArtifactStore
    ) -> None:
        make_collection(store, rows=100_000)
        rows = np.arange(100_000)
        for begin in range(0, 100_000, 1000):
            client.offer(page_message(f"p{begin}", rows[begin : begin + 1000].tolist()))
        for _ in range(7):
            for lease in client.lease(limit=16):
                client.submit(lease.token, said(TIT, IS, *rows_of(lease.page.rows)))
        pieces = client.pieces()
        assert len(pieces) > 1
        assert {piece.seq for piece in pieces} == {100}
        assert client.labels() == dict.fromkeys(range(100_000), TIT)
        assert client.labels(include_copies=True) == client.labels()

    def test_an_unknown_collection_is_not_found(self, client: Client) -> None:
        with pytest.raises(NotFound):
            next(client.stub.GetLabels(labels_pb2.GetLabelsRequest(collection="fish")))


class TestGetProgress(LabelsContract):
    def test_every_image_is_counted_once(self, client: Client, clock: Clock) -> None:
        client.offer(page_message("a", [1, 2, 3, 4], score=3), total=99)
        client.offer(page_message("b", [5, 6]), page_message("c", [6, 7]))
        (lease,) = client.lease()
        client.submit(lease.token, said(OWL, IS, 1, 2), said(0, UNSURE, 3), seconds=4.5)
        client.offer(page_message("d", [1, 8], score=9))
        client.lease()
        progress = client.progress()
        assert (progress.total, progress.labelled, progress.unsure) == (99, 2, 1)
        assert (progress.leased, progress.ready, progress.ready_pages) == (1, 3, 2)
        assert progress.pool == 99 - 2 - 1 - 1 - 3
        assert (progress.head_seq, progress.decisions, progress.human_seconds) == (1, 1, 4.5)
        assert progress.labels_by_class == {OWL: 2}
        assert progress.labels_per_minute == 0.2
        clock.advance(601)
        assert client.progress().labels_per_minute == 0

    def test_what_was_taken_back_does_not_count(self, client: Client) -> None:
        client.decide(OWL, 1, 2)
        client.undo()
        progress = client.progress()
        assert (progress.decisions, progress.human_seconds, progress.labels_per_minute) == (0, 0, 0)
        assert progress.head_seq == 2
        assert not progress.labels_by_class

    def test_a_collection_nobody_worked_on_has_no_progress(self, client: Client) -> None:
        assert client.progress() == labels_pb2.GetProgressResponse()

    def test_the_total_grows_with_labels_that_nobody_offered(self, client: Client) -> None:
        client.offer(page_message("a", [1, 2]))
        assert client.progress().total == 2
        assert balanced(client.progress())

    def test_it_works_while_the_queue_is_away(self, client: Client, redis: RedisServer) -> None:
        client.decide(OWL, 1)
        client.offer_rows([2, 3])
        assert client.progress().ready == 2
        redis.kill()
        progress = client.progress()
        assert (progress.labelled, progress.ready, progress.ready_pages) == (1, 0, 0)
        assert balanced(progress)

    def test_an_unknown_collection_is_not_found(self, client: Client) -> None:
        with pytest.raises(NotFound):
            client.stub.GetProgress(labels_pb2.GetProgressRequest(collection="fish"))


class TestOfferPages(LabelsContract):
    def test_it_says_how_many_wait_and_replaces_by_id(self, client: Client) -> None:
        assert client.offer(page_message("a", [1]), page_message("b", [2])) == 2
        assert client.offer(page_message("a", [3], score=5)) == 2
        assert client.offer() == 2
        assert [rows_of(each.page.rows) for each in client.lease(limit=3)] == [[3], [2]]

    def test_replace_empties_the_queue_and_leaves_leases(self, client: Client) -> None:
        client.offer_rows([1], [2])
        (lease,) = client.lease()
        assert client.offer(page_message("new", [1, 3]), replace=True) == 1
        assert client.submit(lease.token, said(OWL, IS, 1)).seq == 1
        assert [rows_of(each.page.rows) for each in client.lease(limit=3)] == [[3]]

    def test_no_total_leaves_the_total(self, client: Client) -> None:
        client.offer(total=50)
        client.offer(page_message("a", [1]))
        assert client.progress().total == 50

    @pytest.mark.parametrize(
        "page",
        [
            page_message("", [1]),
            page_message("x" * 201, [1]),
            page_message("x\0", [1]),
            page_message("a", []),
            page_message("a", [1, 1]),
            page_message("a", [-1]),
            page_message("a", [ROWS]),
            page_message("a", [1 << 40]),
            page_message("a", range(1025)),
            page_message("a", [1], kind=page_pb2.PAGE_KIND_UNSPECIFIED),
            page_message("a", [1], kind=7),
            page_message("a", [1], kind=page_pb2.PAGE_KIND_VERIFY),
            page_message("a", [1], class_id=-1),
            page_message("a", [1], score=float("nan")),
            page_message("a", [1], model="x" * 201),
            page_message("a", [1], second=pack(np.array([1, 2], np.int32))),
            page_message("a", [1], probability=pack(np.array([1, 2], np.float32))),
            page_message("a", [1], second=pack(np.array([1], np.int64))),
            page_pb2.Page(page_id="a", kind=CLUSTER),
            page_pb2.Page(page_id="a", kind=CLUSTER, rows=pack(np.array([[1]], np.int64))),
        ],
    )
    def test_bad_pages_are_refused(self, client: Client, page: page_pb2.Page) -> None:
        with pytest.raises(InvalidArgument) as told:
            client.offer(page_message("good", [1]), page)
        assert told.value.field.startswith("pages")
        assert client.progress().ready_pages == 0

    def test_bounds(self, client: Client) -> None:
        with pytest.raises(InvalidArgument, match="256"):
            client.offer(*(page_message(str(i), [1]) for i in range(257)))
        with pytest.raises(InvalidArgument, match="same page_id"):
            client.offer(page_message("a", [1]), page_message("a", [2]))
        with pytest.raises(InvalidArgument):
            client.offer(total=-1)
        with pytest.raises(NotFound):
            client.stub.OfferPages(labels_pb2.OfferPagesRequest(collection="fish"))

    def test_images_ingested_a_moment_ago_can_be_offered(
        self, client: Client, store: ArtifactStore
    ) -> None:
        client.offer(page_message("a", [1]))
        make_collection(store, rows=200)
        assert client.offer(page_message("b", [150])) == 2

    def test_without_a_queue_it_is_unavailable_soon(
        self, client: Client, redis: RedisServer
    ) -> None:
        redis.kill()
        with pytest.raises(Unavailable) as told:
            client.offer(page_message("a", [1]))
        assert told.value.reason == "QUEUE_AWAY"

    def test_a_queue_that_was_lost_is_filled_again(
        self, client: Client, redis: RedisServer
    ) -> None:
        client.offer_rows([1], [2])
        (lease,) = client.lease()
        redis.kill()
        redis.start()
        assert not client.lease()
        assert client.progress().ready_pages == 0
        client.offer_rows([1], [2])
        assert [rows_of(each.page.rows) for each in client.lease(limit=3)] == [[2]]
        assert client.submit(lease.token, said(OWL, IS, 1)).seq == 1


class TestClearLabels(LabelsContract):
    def clear(self, client: Client, prefix: str = "", request_id: str = "") -> int:
        request = labels_pb2.ClearLabelsRequest(
            collection=BIRDS,
            request_id=request_id or new_id(),
            only_actors_with_prefix=prefix,
        )
        return client.stub.ClearLabels(request).seq

    def test_nothing_before_counts_and_nothing_is_lost(self, client: Client) -> None:
        client.decide(OWL, 1)
        client.offer_rows([2])
        (lease,) = client.lease()
        assert self.clear(client) == 2
        assert client.labels() == {}
        client.submit(lease.token, said(TIT, IS, 2))
        assert client.labels() == {2: TIT}
        assert [event.seq for event in client.events()] == [1, 2, 3]
        assert client.progress().decisions == 1

    def test_the_same_again_returns_the_same_answer(self, client: Client) -> None:
        request_id = new_id()
        assert self.clear(client, request_id=request_id) == 1
        assert self.clear(client, request_id=request_id) == 1
        with pytest.raises(AlreadyExists) as told:
            self.clear(client, "sim", request_id=request_id)
        assert told.value.reason == "REQUEST_ID_REUSED"

    def test_it_asks_whose_labels_they_are(self, client: Client) -> None:
        client.decide(OWL, 1, annotator="sim-1")
        assert self.clear(client, "sim-") == 2
        client.decide(OWL, 1, annotator="ann")
        with pytest.raises(Conflict) as told:
            self.clear(client, "sim-")
        assert told.value.metadata["actor"] == "ann"
        client.undo(annotator="ann")
        assert self.clear(client, "sim-") == 5

    def test_bounds(self, client: Client) -> None:
        with pytest.raises(InvalidArgument):
            client.stub.ClearLabels(labels_pb2.ClearLabelsRequest(collection=BIRDS))
        request = labels_pb2.ClearLabelsRequest(collection="fish", request_id=new_id())
        with pytest.raises(NotFound):
            client.stub.ClearLabels(request)


class TestReconcile(LabelsContract):
    def reconcile(self, client: Client) -> Any:
        return client.stub.Reconcile(labels_pb2.ReconcileRequest(collection=BIRDS))

    def test_a_sound_queue_is_left_as_it_is(self, client: Client) -> None:
        client.offer_rows([1, 2], [3])
        answer = self.reconcile(client)
        assert (answer.expired_leases, answer.dropped_pages) == (0, 0)
        assert answer.progress == client.progress()
        assert balanced(answer.progress)
        assert [rows_of(each.page.rows) for each in client.lease(limit=9)] == [[1, 2], [3]]

    def test_leases_that_ran_out_give_their_pages_back(self, client: Client, clock: Clock) -> None:
        client.offer_rows([1, 2], [3])
        first, _ = client.lease(limit=2)
        clock.advance(301)
        assert self.reconcile(client).expired_leases == 2
        again, _ = client.lease(limit=2)
        assert rows_of(again.page.rows) == [1, 2]
        assert again.token > first.token

    def test_pages_lose_what_is_done_leased_or_on_a_better_page(self, client: Client) -> None:
        client.decide(OWL, 1, 2)
        client.offer(page_message("l", [3], score=9))
        client.lease()
        client.offer(
            page_message("gone", [1, 3], score=5),
            page_message("best", [2, 4, 5], score=3),
            page_message("less", [5, 6], score=2),
            page_message("none", [4], score=1),
        )
        answer = self.reconcile(client)
        assert answer.dropped_pages == 2
        assert (answer.progress.ready_pages, answer.progress.ready) == (2, 3)
        assert balanced(answer.progress)
        assert [rows_of(each.page.rows) for each in client.lease(limit=9)] == [[4, 5], [6]]

    def test_what_is_half_in_the_queue_is_taken_out(
        self, client: Client, redis: RedisServer
    ) -> None:
        client.offer_rows([1], [2], [3])
        prefix = f"hundredfold:labels:{{{BIRDS}}}"
        with redis_client.Redis.from_url(redis.url) as inside:
            inside.hdel(f"{prefix}:pages", "page-1")
            inside.zrem(f"{prefix}:ready", "page-2")
            inside.hset(f"{prefix}:pages", "page-3", b"not a page")
        self.reconcile(client)
        progress = client.progress()
        assert (progress.ready, progress.ready_pages) == (0, 0)
        assert balanced(progress)

    def test_without_a_queue_it_is_unavailable(self, client: Client, redis: RedisServer) -> None:
        redis.kill()
        with pytest.raises(Unavailable):
            self.reconcile(client)

    def test_an_unknown_collection_is_not_found(self, client: Client) -> None:
        with pytest.raises(NotFound):
            client.stub.Reconcile(labels_pb2.ReconcileRequest(collection="fish"))


ROLES = {
    "viv": "viewer",
    "ann": "labeler",
    "bob": "labeler",
    "rev": "reviewer",
    "root": "admin",
    "selection": "service",
}


class TestWhoMayDoWhat(LabelsContract):
    @pytest.fixture
    def tokens(self, tmp_path: Path) -> dict[str, str]:
        return token_file(tmp_path, **ROLES)

    @pytest.fixture
    def config(self, tmp_path: Path, redis: RedisServer, tokens: dict[str, str]) -> LabelsConfig:
        return config_for(tmp_path, redis.url, tokens=tokens["path"])

    @pytest.fixture
    def people(self, assembled: Assembled, config: LabelsConfig, tokens: dict[str, str]) -> Any:
        with running(*assembled.mounts, config=config) as server:
            channels = {
                name: connect(server.address, token=tokens.get(name, ""))
                for name in (*ROLES, "nobody")
            }
            yield {name: Client(channel) for name, channel in channels.items()}
            for channel in channels.values():
                channel.close()

    def test_each_rpc_asks_for_its_role(self, people: dict[str, Client]) -> None:
        order = ["viewer", "labeler", "reviewer", "admin", "service"]
        least = {
            "LeasePages": "labeler",
            "RenewLeases": "labeler",
            "ReleaseLeases": "labeler",
            "SubmitDecision": "labeler",
            "Undo": "labeler",
            "LeaseRows": "labeler",
            "LeasePairs": "labeler",
            "JudgePairs": "reviewer",
            "GetPairs": "viewer",
            "UndoMany": "labeler",
            "PreviewUndo": "labeler",
            "FlagImages": "labeler",
            "ResolveFlags": "labeler",
            "ListFlags": "viewer",
            "ListDecisions": "viewer",
            "GetProgress": "viewer",
            "OfferPages": "service",
            "ClearLabels": "admin",
            "Reconcile": "admin",
            "Export": "reviewer",
            "Import": "admin",
            "WatchDecisions": "viewer",
            "GetLabels": "viewer",
            "StartAudit": "reviewer",
            "GetAudit": "viewer",
            "ListAudits": "viewer",
            "Certify": "reviewer",
            "ListAnnotators": "reviewer",
        }
        methods = labels_pb2.DESCRIPTOR.services_by_name["LabelsService"].methods
        assert {method.name for method in methods} == least.keys()
        for method in methods:
            request = getattr(labels_pb2, method.input_type.name)(collection="fish")
            for name, role in ROLES.items():
                may = order.index(role) >= order.index(least[method.name])
                refused: type[Exception] = PermissionDenied if not may else NotFound
                with pytest.raises((refused, InvalidArgument) if may else refused):
                    call(people[name].stub, method.name, request)
            with pytest.raises(Unauthenticated):
                call(people["nobody"].stub, method.name, request)

    def test_the_token_says_who_one_is_and_a_service_may_say_it(
        self, people: dict[str, Client]
    ) -> None:
        people["selection"].offer_rows([1], [2])
        (own,) = people["ann"].lease("bob")
        assert own.annotator == "ann"
        (for_other,) = people["selection"].lease("carl")
        assert for_other.annotator == "carl"

    def test_another_leases_are_out_of_reach(self, people: dict[str, Client]) -> None:
        people["selection"].offer_rows([1])
        (lease,) = people["ann"].lease()
        tokens = {"collection": BIRDS, "tokens": [lease.token]}
        with pytest.raises(PermissionDenied):
            people["bob"].submit(lease.token, said(OWL, IS, 1))
        renewed = people["bob"].stub.RenewLeases(labels_pb2.RenewLeasesRequest(**tokens))
        assert not renewed.tokens
        people["bob"].stub.ReleaseLeases(labels_pb2.ReleaseLeasesRequest(**tokens))
        assert people["ann"].submit(lease.token, said(OWL, IS, 1)).seq == 1

    def test_others_decisions_take_a_reviewer(self, people: dict[str, Client]) -> None:
        people["selection"].offer_rows([1], [2])
        first, second = people["ann"].lease(limit=2)
        people["ann"].submit(first.token, said(OWL, IS, 1))
        people["ann"].submit(second.token, said(OWL, IS_NOT, 2))
        with pytest.raises(PermissionDenied):
            people["bob"].undo(1)
        with pytest.raises(NotFound):
            people["bob"].undo(annotator="ann")
        assert people["rev"].undo(1).undone.actor == "ann"
        assert people["ann"].undo().undone.seq == 2
        assert people["viv"].events()[2].actor == "rev"


def call(stub: labels_pb2_grpc.LabelsServiceStub, name: str, request: Any) -> Any:
    answer = getattr(stub, name)(request)
    return (
        next(answer)
        if isinstance(answer, grpc.RpcContext) or hasattr(answer, "__next__")
        else answer
    )
