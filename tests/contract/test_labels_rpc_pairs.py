"""LabelsService: pages of pairs, what is said of them, and what others read of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.client import connect
from hundredfold.chassis.errors import (
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack
from hundredfold.chassis.testing import running, serving
from hundredfold.labels.__main__ import Assembled, assemble
from hundredfold.labels.config import LabelsConfig
from tests.contract.test_labels_rpc_several import make_several
from tests.unit.labels.pair_world import (
    PAIR,
    PAIRS,
    judge,
    known,
    lease_pairs,
    pair_page,
    pairs_of,
    said_of,
    tensors,
    told,
    write_pairs,
)
from tests.unit.labels.review_world import flag, preview, undo_many
from tests.unit.labels.servers import RedisServer
from tests.unit.labels.world import (
    IS,
    IS_NOT,
    OWL,
    ROWS,
    UNSURE,
    Client,
    Clock,
    LabelsContract,
    balanced,
    config_for,
    new_id,
    page_message,
    rows_of,
    said,
    token_file,
)

SAME, OTHER = IS, IS_NOT
THREE = [(1, 2), (1, 3), (8, 9)]


def lease_page(client: Client, pairs: Any = THREE, annotator: str = "ann") -> Any:
    client.offer(pair_page(new_id(), pairs, score=1e6))
    (lease,) = client.lease(annotator)
    return lease


class TestPages(LabelsContract):
    def test_a_page_of_pairs_comes_by_score_and_says_what_is_asked(self, client: Client) -> None:
        probability = pack(np.array([0.75, 0.5, 0.25], np.float32))
        client.offer(
            page_message("rows", [1, 2], score=1),
            pair_page("pairs", THREE, score=2, probability=probability),
        )
        first, second = client.lease(limit=2)
        assert (first.page.page_id, first.page.kind) == ("pairs", PAIR)
        assert pairs_of(first.page) == THREE
        assert np.frombuffer(first.page.probability.data, "<f4").tolist() == [0.75, 0.5, 0.25]
        assert rows_of(second.page.rows) == [1, 2], "its images are on other pages all the same"

    def test_no_pair_is_in_two_leases_whichever_image_is_the_left_one(self, client: Client) -> None:
        client.offer(pair_page("a", [(1, 2), (3, 4)], score=2), pair_page("b", [(2, 1), (4, 5)]))
        (first,) = client.lease("ann")
        (second,) = client.lease("bob")
        assert pairs_of(first.page) == [(1, 2), (3, 4)]
        assert pairs_of(second.page) == [(4, 5)]

    def test_what_was_judged_is_not_asked_again(self, client: Client) -> None:
        lease = lease_page(client)
        client.submit(lease.token, said_of(SAME, (1, 2)), said_of(UNSURE, (8, 9)))
        client.offer(pair_page("again", THREE))
        (lease,) = client.lease()
        assert pairs_of(lease.page) == [(1, 3)]

    def test_a_page_that_is_given_back_waits_again(self, client: Client, clock: Clock) -> None:
        lease = lease_page(client)
        client.stub.ReleaseLeases(
            labels_pb2.ReleaseLeasesRequest(collection="birds", tokens=[lease.token])
        )
        (again,) = client.lease("bob", ttl_seconds=5)
        assert pairs_of(again.page) == THREE
        clock.advance(6)
        client.stub.Reconcile(labels_pb2.ReconcileRequest(collection="birds"))
        (third,) = client.lease()
        assert pairs_of(third.page) == THREE

    @pytest.mark.parametrize(
        ("pairs", "fields"),
        [
            ([(1, 1)], {}),
            ([(1, 2), (2, 1)], {}),
            ([(1, ROWS)], {}),
            ([(-1, 2)], {}),
            ([(1, 2)], {"class_id": OWL}),
            ([(1, 2)], {"cluster": "c/1"}),
            ([(1, 2)], {"planted": pack(np.array([1], np.int64))}),
            ([(1, 2)], {"others": pack(np.array([2, 3], np.int64))}),
            ([], {}),
        ],
    )
    def test_bounds_of_what_is_offered(
        self, client: Client, pairs: Any, fields: dict[str, Any]
    ) -> None:
        others = fields.pop("others", None)
        page = pair_page("p", pairs, **fields)
        if others:
            page.others.CopyFrom(others)
        with pytest.raises(InvalidArgument) as error:
            client.offer(page)
        assert error.value.field == "pages"

    def test_only_pages_of_pairs_have_others(self, client: Client) -> None:
        page = page_message("p", [1])
        page.others.CopyFrom(pack(np.array([2], np.int64)))
        with pytest.raises(InvalidArgument):
            client.offer(page)


class TestAnswers(LabelsContract):
    def test_an_answer_is_in_the_ledger_and_gives_no_label(
        self, client: Client, clock: Clock
    ) -> None:
        lease = lease_page(client)
        answer = client.submit(
            lease.token, said_of(SAME, (2, 1)), said_of(OTHER, (1, 3)), said_of(UNSURE, (8, 9))
        )
        assert known(client) == {(1, 2): SAME, (1, 3): OTHER, (8, 9): UNSURE}
        (event,) = client.events()
        assert (event.seq, event.kind, event.actor) == (answer.seq, PAIRS, "ann")
        assert (event.pairs, event.images, event.seconds) == (3, 0, 2.0)
        assert pairs_of(event.page) == THREE
        assert [(each.verdict, pairs_of(each)) for each in event.judgements] == [
            (SAME, [(2, 1)]),
            (OTHER, [(1, 3)]),
            (UNSURE, [(8, 9)]),
        ]
        assert client.labels() == {}

    def test_it_is_written_once(self, client: Client) -> None:
        lease, request_id = lease_page(client), new_id()
        first = client.submit(lease.token, said_of(SAME, (1, 2)), request_id=request_id)
        again = client.submit(lease.token, said_of(SAME, (1, 2)), request_id=request_id)
        assert (again.seq, again.replayed) == (first.seq, True)
        for other in (said_of(OTHER, (1, 2)), said_of(SAME, (1, 3))):
            with pytest.raises(AlreadyExists):
                client.submit(lease.token, other, request_id=request_id)
        with pytest.raises(Conflict) as error:
            client.submit(lease.token, said_of(OTHER, (1, 2)))
        assert error.value.reason == "LEASE_FENCED"

    @pytest.mark.parametrize(
        "judgements",
        [
            [said_of(SAME, (1, 9))],
            [said_of(SAME, (1, 2)), said_of(OTHER, (2, 1))],
            [said_of(SAME, (1, 2), (1, 2))],
            [said_of(SAME, (1, 1))],
            [said(OWL, IS, 1)],
            [said(0, UNSURE, 1)],
            [said_of(SAME, (1, 2)), said(OWL, IS, 1)],
            [labels_pb2.Judgement(class_id=OWL, verdict=SAME, **tensors([(1, 2)]))],
        ],
    )
    def test_what_a_page_of_pairs_does_not_take(
        self, client: Client, judgements: list[Any]
    ) -> None:
        lease = lease_page(client)
        with pytest.raises(InvalidArgument) as error:
            client.submit(lease.token, *judgements)
        assert error.value.field == "judgements"

    def test_a_page_of_images_takes_no_pairs(self, client: Client) -> None:
        client.offer_rows([1, 2])
        (lease,) = client.lease()
        with pytest.raises(InvalidArgument):
            client.submit(lease.token, said_of(SAME, (1, 2)))

    def test_pairs_count_apart(self, client: Client, store: ArtifactStore) -> None:
        write_pairs(store, THREE, [3, 4, 9])
        client.offer(total=ROWS)
        lease = lease_page(client, [(1, 2), (5, 6)])
        progress = client.progress()
        assert (progress.leased, progress.pool) == (0, ROWS)
        assert (progress.pairs_open, progress.pairs_judged) == (3, 0)
        client.submit(lease.token, said_of(SAME, (1, 2)), said_of(UNSURE, (5, 6)), seconds=4)
        progress = client.progress()
        assert balanced(progress)
        assert (progress.pairs_open, progress.pairs_judged, progress.pair_seconds) == (2, 2, 4)
        assert (progress.decisions, progress.human_seconds, progress.labelled) == (0, 0, 0)
        client.offer(pair_page("waits", [(3, 4)]))
        assert client.progress().ready == 0

    def test_pairs_that_cannot_be_read_hide_no_progress(
        self, client: Client, store: ArtifactStore
    ) -> None:
        write_pairs(store, THREE, [3, 4])
        assert client.progress().pairs_open == 0

    def test_of_pairs_those_are_taken_that_nobody_judged_meanwhile(
        self, client: Client, assembled: Assembled, clock: Clock
    ) -> None:
        lease = lease_page(client)
        clock.advance(301)
        assert assembled.leasing.sweep() > 0
        judge(client, said_of(OTHER, (1, 3)))
        answer = client.submit(lease.token, said_of(SAME, *THREE))
        assert rows_of(answer.left_out) == [1]
        assert known(client) == {(1, 2): SAME, (1, 3): OTHER, (8, 9): SAME}


class TestUndo(LabelsContract):
    def test_the_last_answer_is_taken_back_and_its_page_comes_again(self, client: Client) -> None:
        lease = lease_page(client)
        seq = client.submit(lease.token, said_of(SAME, *THREE)).seq
        undone = client.undo(lease_again=True)
        assert (undone.undone.seq, undone.undone.kind) == (seq, PAIRS)
        assert pairs_of(undone.lease.page) == THREE
        assert known(client) == {}
        client.submit(undone.lease.token, said_of(OTHER, *THREE))
        assert set(known(client).values()) == {OTHER}

    def test_an_earlier_word_counts_again(self, client: Client) -> None:
        first = judge(client, said_of(SAME, (1, 2)))
        second = judge(client, said_of(OTHER, (2, 1)))
        assert known(client) == {(1, 2): OTHER}
        client.undo(second, annotator="rev")
        assert known(client) == {(1, 2): SAME}
        third = judge(client, said_of(UNSURE, (1, 2)))
        client.undo(first, annotator="rev")
        assert known(client) == {(1, 2): UNSURE}, "an older one goes without a trace"
        client.undo(third, annotator="rev")
        assert known(client) == {}

    def test_many_are_taken_back_by_one_which_says_before_what_it_would_do(
        self, client: Client
    ) -> None:
        client.decide(OWL, 4)
        judge(client, said_of(SAME, (1, 2), (3, 4)), annotator="bob")
        judge(client, said_of(OTHER, (1, 2)), annotator="ann")
        would = preview(client, kinds=[PAIRS], actor="ann")
        assert (would.events, would.images, would.pairs_gone, would.pairs_back) == (1, 0, 1, 1)
        would = preview(client, kinds=[PAIRS])
        assert (would.events, would.pairs_gone, would.pairs_back) == (2, 2, 0)
        undone = undo_many(client, kinds=[PAIRS])
        assert known(client) == {}
        assert client.labels() == {4: OWL}
        client.undo(undone.seq)
        assert known(client) == {(1, 2): OTHER, (3, 4): SAME}

    def test_what_is_selected_by_who_did_it_leaves_flags_alone(self, client: Client) -> None:
        client.decide(OWL, 4)
        flag(client, [1])
        judge(client, said_of(SAME, (1, 2)), annotator="ann")
        assert preview(client, actor="ann").events == 2

    def test_a_clear_ends_them_and_undoing_it_brings_them_back(self, client: Client) -> None:
        judge(client, said_of(SAME, (1, 2)))
        request = labels_pb2.ClearLabelsRequest(collection="birds", request_id=new_id())
        seq = client.stub.ClearLabels(request).seq
        assert known(client) == {}
        client.undo(seq)
        assert known(client) == {(1, 2): SAME}

    def test_a_clear_of_a_program_is_refused_where_people_judged_pairs(
        self, client: Client
    ) -> None:
        judge(client, said_of(SAME, (1, 2)), annotator="ann")
        request = labels_pb2.ClearLabelsRequest(
            collection="birds", request_id=new_id(), only_actors_with_prefix="sim"
        )
        with pytest.raises(Conflict):
            client.stub.ClearLabels(request)


class TestWhatOthersRead(LabelsContract):
    def test_it_holds_the_newest_word_on_each_pair(
        self, client: Client, store: ArtifactStore
    ) -> None:
        assert told(store) == {}
        lease = lease_page(client)
        client.submit(lease.token, said_of(SAME, (2, 1)), said_of(OTHER, (1, 3), (9, 8)))
        first = told(store)
        assert (first["left"], first["right"]) == ([1, 1, 8], [2, 3, 9])
        assert first["same"] == [True, False, False]
        judge(client, said_of(OTHER, (1, 2)), said_of(UNSURE, (8, 9)), said_of(SAME, (3, 7)))
        assert told(store)["left"] == [1, 1, 3]
        assert told(store)["same"] == [False, False, True]

    def test_undo_and_clear_change_it(self, client: Client, store: ArtifactStore) -> None:
        judge(client, said_of(SAME, (1, 2)), annotator="ann")
        judge(client, said_of(SAME, (3, 4)), annotator="ann")
        client.undo()
        assert told(store)["left"] == [1]
        client.stub.ClearLabels(
            labels_pb2.ClearLabelsRequest(collection="birds", request_id=new_id())
        )
        assert told(store)["left"] == []

    def test_images_that_stand_for_others_are_in_it_the_newest_choice_first(
        self, client: Client, store: ArtifactStore
    ) -> None:
        judge(client, said_of(SAME, (5, 2)), kept_rows=[5])
        second = judge(client, said_of(SAME, (2, 5)), kept_rows=[2])
        assert told(store)["keep"] == [2, 5]
        client.undo(second, annotator="rev")
        assert told(store)["keep"] == [5]

    def test_what_was_not_written_is_written_by_a_reconciliation(
        self, client: Client, store: ArtifactStore, config: LabelsConfig
    ) -> None:
        judge(client, said_of(SAME, (1, 2)))
        store.delete(layout.pair_judgements("birds"))
        assembled = assemble(config)
        with serving(*assembled.mounts, config=config) as channel:
            request = labels_pb2.ReconcileRequest(collection="birds")
            Client(channel).stub.Reconcile(request)
        assembled.close()
        assert told(store)["left"] == [1]

    def test_a_start_from_a_snapshot_knows_them(
        self, client: Client, store: ArtifactStore, assembled: Assembled, config: LabelsConfig
    ) -> None:
        judge(client, said_of(SAME, (1, 2)), kept_rows=[2])
        judge(client, said_of(OTHER, (3, 4)))
        ledger = assembled.ledger
        ledger._every = 1
        ledger.follow()
        assert store.list(layout.label_snapshots("birds"))
        again = assemble(config)
        with serving(*again.mounts, config=config) as channel:
            assert known(Client(channel)) == {(1, 2): SAME, (3, 4): OTHER}
        with again.ledger.fold("birds") as fold:
            assert fold.likeness.kept().tolist() == [[2, 1]]
        again.close()


class TestLeasePairs(LabelsContract):
    @pytest.fixture(autouse=True)
    def pairs(self, store: ArtifactStore) -> None:
        write_pairs(store, THREE, [2, 6, 12])

    def test_the_likeliest_come_first_with_what_they_lean_to(self, client: Client) -> None:
        lease = lease_pairs(client, limit=2)
        assert (lease.page.kind, pairs_of(lease.page)) == (PAIR, [(1, 2), (1, 3)])
        near, even = np.frombuffer(lease.page.probability.data, "<f4")
        assert near > even == 0.5
        other = lease_pairs(client, "bob")
        assert pairs_of(other.page) == [(8, 9)], "nobody sees what another one holds"
        assert lease_pairs(client, "eve") is None

    def test_what_people_say_shifts_what_others_lean_to(
        self, client: Client, store: ArtifactStore
    ) -> None:
        pairs = [(row, row + 50) for row in range(12)]
        write_pairs(store, pairs, [6] * 12, run="d2")
        judge(client, said_of(OTHER, *pairs[:10]))
        lease = lease_pairs(client)
        assert np.frombuffer(lease.page.probability.data, "<f4").max() < 0.2

    def test_what_was_judged_is_left_out_and_what_is_given_back_is_no_page_of_the_queue(
        self, client: Client
    ) -> None:
        judge(client, said_of(UNSURE, (1, 2)))
        lease = lease_pairs(client)
        assert pairs_of(lease.page) == [(1, 3), (8, 9)]
        client.stub.ReleaseLeases(
            labels_pb2.ReleaseLeasesRequest(collection="birds", tokens=[lease.token])
        )
        assert not client.lease()
        client.submit(lease_pairs(client).token, said_of(SAME, (1, 3), (8, 9)))
        assert lease_pairs(client) is None

    def test_what_somebody_gave_back_comes_to_him_after_the_others(self, client: Client) -> None:
        first = lease_pairs(client, limit=1)
        client.stub.ReleaseLeases(
            labels_pb2.ReleaseLeasesRequest(collection="birds", tokens=[first.token])
        )
        assert pairs_of(lease_pairs(client, limit=1).page) == [(1, 3)]
        assert pairs_of(lease_pairs(client, "bob", limit=1).page) == [(1, 2)]

    def test_an_answer_that_comes_late_is_taken_for_the_pairs_that_nobody_judged(
        self, client: Client, assembled: Assembled, clock: Clock
    ) -> None:
        client.decide(OWL, 1)
        lease = lease_pairs(client)
        clock.advance(301)
        assembled.leasing.sweep()
        judge(client, said_of(OTHER, (1, 2)))
        client.submit(lease.token, said_of(SAME, *THREE))
        assert known(client) == {(1, 2): OTHER, (1, 3): SAME, (8, 9): SAME}

    def test_there_are_none_without_groups_of_copies(
        self, client: Client, store: ArtifactStore
    ) -> None:
        store.delete(layout.duplicates_latest("birds"))
        assert lease_pairs(client) is None
        assert client.progress().pairs_open == 0

    def test_bounds(self, client: Client) -> None:
        bad: list[dict[str, Any]] = [{"limit": 257}, {"ttl_seconds": 4}]
        for fields in bad:
            with pytest.raises(InvalidArgument) as error:
                lease_pairs(client, **fields)
            (field,) = fields
            assert error.value.field == field
        with pytest.raises(NotFound):
            client.stub.LeasePairs(labels_pb2.LeasePairsRequest(collection="fish"))


class TestJudgePairs(LabelsContract):
    def test_it_is_written_once(self, client: Client) -> None:
        request_id = new_id()
        seq = judge(client, said_of(SAME, (1, 2)), request_id=request_id, kept_rows=[1])
        assert seq == judge(client, said_of(SAME, (1, 2)), request_id=request_id, kept_rows=[1])
        others: list[dict[str, Any]] = [{"kept_rows": [2]}, {}]
        for other in others:
            with pytest.raises(AlreadyExists):
                judge(client, said_of(SAME, (1, 2)), request_id=request_id, **other)
        (event,) = client.events()
        assert (event.pairs, rows_of(event.kept_rows)) == (1, [1])
        assert not event.HasField("page")

    @pytest.mark.parametrize(
        ("judgements", "fields", "field"),
        [
            ([], {}, "judgements"),
            ([said_of(SAME, (1, 1))], {}, "judgements"),
            ([said_of(SAME, (1, 2)), said_of(SAME, (2, 1))], {}, "judgements"),
            ([said_of(SAME, (1, ROWS))], {}, "judgements"),
            ([said_of(SAME, (1, 1 << 40))], {}, "judgements"),
            ([said_of(SAME, (-1, 2))], {}, "judgements"),
            ([said(OWL, IS, 1)], {}, "judgements"),
            ([said_of(SAME, (1, 2))], {"kept_rows": [1, 1]}, "kept_rows"),
            ([said_of(SAME, (1, 2))], {"kept_rows": [ROWS]}, "kept_rows"),
            ([said_of(SAME, (1, 2))], {"request_id": ""}, "request_id"),
        ],
    )
    def test_bounds(
        self, client: Client, judgements: list[Any], fields: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidArgument) as error:
            judge(client, *judgements, **fields)
        assert error.value.field == field

    def test_there_is_a_most(self, client: Client) -> None:
        many = [(left, right) for left in range(60) for right in range(left + 1, 99)]
        with pytest.raises(InvalidArgument):
            judge(client, said_of(OTHER, *many[:2049]), said_of(SAME, *many[2049:4097]))
        judge(client, said_of(OTHER, *many[:4096]))
        assert len(known(client)) == 4096

    def test_a_collection_that_is_not_there(self, client: Client) -> None:
        for call in (
            lambda: client.stub.JudgePairs(labels_pb2.JudgePairsRequest(collection="fish")),
            lambda: list(client.stub.GetPairs(labels_pb2.GetPairsRequest(collection="fish"))),
        ):
            with pytest.raises(NotFound):
                call()


class TestSeveralClasses(LabelsContract):
    def test_pairs_are_judged_there_too(self, client: Client, store: ArtifactStore) -> None:
        make_several(store)
        write_pairs(store, THREE, [1, 2, 3])
        lease = lease_page(client)
        client.submit(lease.token, said_of(SAME, (1, 2)))
        assert known(client) == {(1, 2): SAME}
        assert client.progress().pairs_open == 2
        assert balanced(client.progress())
        undone = client.undo(lease_again=True)
        assert pairs_of(undone.lease.page) == THREE


class TestWhoMay(LabelsContract):
    @pytest.fixture
    def tokens(self, tmp_path: Path) -> dict[str, str]:
        roles = {"viv": "viewer", "ann": "labeler", "bob": "labeler", "rev": "reviewer"}
        return token_file(tmp_path, **roles, selection="service")

    @pytest.fixture
    def config(self, tmp_path: Path, redis: RedisServer, tokens: dict[str, str]) -> LabelsConfig:
        return config_for(tmp_path, redis.url, tokens=tokens["path"])

    @pytest.fixture
    def people(self, assembled: Assembled, config: LabelsConfig, tokens: dict[str, str]) -> Any:
        names = [each for each in tokens if each != "path"]
        with running(*assembled.mounts, config=config) as server:
            channels = {name: connect(server.address, token=tokens[name]) for name in names}
            yield {name: Client(channel) for name, channel in channels.items()}
            for channel in channels.values():
                channel.close()

    def test_roles(self, people: Any, store: ArtifactStore) -> None:
        write_pairs(store, THREE, [1, 2, 3])
        with pytest.raises(PermissionDenied):
            judge(people["ann"], said_of(SAME, (1, 2)))
        with pytest.raises(PermissionDenied):
            lease_pairs(people["viv"])
        mine = lease_pairs(people["ann"], limit=1)
        with pytest.raises(PermissionDenied):
            people["bob"].submit(mine.token, said_of(SAME, (1, 2)))
        seq = people["ann"].submit(mine.token, said_of(SAME, (1, 2))).seq
        with pytest.raises(PermissionDenied):
            people["bob"].undo(seq)
        judge(people["rev"], said_of(OTHER, (1, 2)))
        assert known(people["viv"]) == {(1, 2): OTHER}
        assert [event.actor for event in people["viv"].events()] == ["ann", "rev"]
