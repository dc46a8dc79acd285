"""LabelsService: pages of labels in doubt, planted images, who answers, and how labels came about."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.client import connect
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.paging import encode_token
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack
from hundredfold.chassis.testing import running, wait_for
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
    LabelsContract,
    balanced,
    config_for,
    make_duplicates,
    new_id,
    page_message,
    rows_of,
    said,
    token_file,
    write_schema,
)

CLUSTER, VERIFY, SINGLE = (
    page_pb2.PAGE_KIND_CLUSTER,
    page_pb2.PAGE_KIND_VERIFY,
    page_pb2.PAGE_KIND_SINGLE,
)
REVIEW = page_pb2.PAGE_KIND_REVIEW


def offer_review(client: Client, *rows: int, class_id: int = OWL, page_id: str = "review") -> None:
    client.offer(page_message(page_id, rows, kind=REVIEW, class_id=class_id), total=ROWS)


def offer_planted(client: Client, rows: list[int], *planted: int, class_id: int = TIT) -> None:
    among = pack(np.array(planted, np.int64))
    page = page_message(new_id(), rows, kind=VERIFY, class_id=class_id, planted=among)
    client.offer(page, total=ROWS)


def origins(client: Client, **fields: Any) -> dict[int, int]:
    found: dict[int, int] = {}
    for piece in client.pieces(**fields):
        found |= dict(zip(rows_of(piece.rows), piece.origins.data, strict=True))
    return found


class TestReviewPages(LabelsContract):
    def test_labels_of_people_are_shown_and_nothing_else(self, client: Client) -> None:
        client.decide(OWL, 1, 2)
        client.decide(TIT, 3)
        offer_review(client, 1, 2, 3, 4)
        (lease,) = client.lease()
        assert (lease.page.kind, lease.page.class_id) == (REVIEW, OWL)
        assert rows_of(lease.page.rows) == [1, 2]
        progress = client.progress()
        assert (progress.labelled, progress.leased, progress.ready) == (3, 0, 0)
        assert balanced(progress)

    def test_is_confirms_and_the_label_is_not_asked_about_again(self, client: Client) -> None:
        client.decide(OWL, 1, 2)
        offer_review(client, 1, 2)
        (lease,) = client.lease()
        client.submit(lease.token, said(OWL, IS, 1))
        assert client.labels() == {1: OWL, 2: OWL}
        assert origins(client) == {1: REVIEW, 2: CLUSTER}
        offer_review(client, 1, 2)
        (lease,) = client.lease()
        assert rows_of(lease.page.rows) == [2]

    def test_is_not_takes_the_label_away_and_refuses_the_class(self, client: Client) -> None:
        client.decide(OWL, 1, 2)
        offer_review(client, 1, 2)
        (lease,) = client.lease()
        client.submit(lease.token, said(OWL, IS_NOT, 1), said(OWL, IS, 2))
        assert client.labels() == {2: OWL}
        (piece,) = client.pieces()
        assert rows_of(piece.negative_rows) == [1]
        client.offer(page_message("again", [1], kind=VERIFY, class_id=OWL))
        assert not client.lease()
        client.undo()
        assert client.labels() == {1: OWL, 2: OWL}

    def test_another_class_or_unsure_can_be_said_too(self, client: Client) -> None:
        client.decide(OWL, 1, 2)
        offer_review(client, 1, 2)
        (lease,) = client.lease()
        client.submit(lease.token, said(TIT, IS, 1), said(0, UNSURE, 2))
        assert client.labels() == {1: TIT}
        assert rows_of(client.pieces()[0].unsure_rows) == [2]

    def test_a_label_that_is_given_back_or_changed_leaves_the_page(self, client: Client) -> None:
        client.decide(OWL, 1)
        client.decide(OWL, 2)
        offer_review(client, 1, 2)
        client.undo()
        client.stub.Reconcile(labels_pb2.ReconcileRequest(collection=BIRDS))
        (lease,) = client.lease()
        assert rows_of(lease.page.rows) == [1]

    def test_undo_can_lease_the_page_again(self, client: Client) -> None:
        client.decide(OWL, 1, 2, 3)
        offer_review(client, 1, 2, 3)
        (lease,) = client.lease()
        client.submit(lease.token, said(OWL, IS, 1), said(OWL, IS_NOT, 2))
        again = client.undo(lease_again=True).lease
        assert rows_of(again.page.rows) == [1, 2, 3]
        client.submit(again.token, said(OWL, IS, 1, 2, 3))
        assert origins(client) == dict.fromkeys([1, 2, 3], REVIEW)

    def test_a_page_given_back_comes_again(self, client: Client) -> None:
        client.decide(OWL, 1)
        offer_review(client, 1)
        (lease,) = client.lease()
        request = labels_pb2.ReleaseLeasesRequest(collection=BIRDS, tokens=[lease.token])
        client.stub.ReleaseLeases(request)
        assert rows_of(client.lease("bob")[0].page.rows) == [1]

    def test_a_label_of_a_class_that_was_merged_is_one_of_what_it_became(
        self, client: Client, store: ArtifactStore
    ) -> None:
        write_schema(store, {OWL: "owl", TIT: "tit", OLD_OWL: "barn owl"}, {})
        client.decide(OLD_OWL, 1, 2)
        offer_review(client, 1, 2)
        assert not client.lease()
        write_schema(store, {OWL: "owl", TIT: "tit", OLD_OWL: "barn owl"}, {OLD_OWL: OWL})
        offer_review(client, 1, 2)
        (lease,) = client.lease()
        client.submit(lease.token, said(OWL, IS, 1), said(OWL, IS_NOT, 2))
        assert client.labels() == {1: OWL}

    def test_they_need_a_class(self, client: Client) -> None:
        with pytest.raises(InvalidArgument, match="class_id"):
            offer_review(client, 1, class_id=0)


class TestPlantedImages(LabelsContract):
    def test_they_are_shown_but_not_told_to_who_answers(self, client: Client) -> None:
        client.decide(OWL, 1)
        offer_planted(client, [2, 1, 3], 1)
        (lease,) = client.lease()
        assert rows_of(lease.page.rows) == [2, 1, 3]
        assert not lease.page.HasField("planted")
        client.submit(lease.token, said(TIT, IS, 2, 3), said(TIT, IS_NOT, 1))
        again = client.undo(lease_again=True)
        assert rows_of(again.lease.page.rows) == [2, 1, 3]
        assert not again.lease.page.HasField("planted")
        assert rows_of(client.events()[1].page.planted) == [1]

    @pytest.mark.parametrize(
        "judged", [said(TIT, IS, 1), said(OWL, IS_NOT, 1), said(TIT, IS_NOT, 1), said(0, UNSURE, 1)]
    )
    def test_what_is_said_of_them_changes_no_label_and_no_count(
        self, client: Client, judged: Any
    ) -> None:
        client.decide(OWL, 1)
        offer_planted(client, [1, 2], 1)
        progress = client.progress()
        assert (progress.labelled, progress.ready, progress.pool) == (1, 1, ROWS - 2)
        (lease,) = client.lease()
        assert client.progress().leased == 1
        client.submit(lease.token, judged)
        (piece,) = client.pieces()
        assert (client.labels(), origins(client)) == ({1: OWL}, {1: CLUSTER})
        assert rows_of(piece.seqs) == [1]
        assert not rows_of(piece.negative_rows) + rows_of(piece.unsure_rows)
        progress = client.progress()
        assert (progress.labelled, progress.unsure, progress.decisions) == (1, 0, 2)
        assert progress.labels_per_minute == 0.1
        assert len(client.events()[1].judgements) == 1
        assert balanced(progress)

    def test_a_page_of_which_only_they_are_left_is_dropped(self, client: Client) -> None:
        client.decide(OWL, 1)
        offer_planted(client, [1, 2], 1)
        client.decide(TIT, 2)
        healed = client.stub.Reconcile(labels_pb2.ReconcileRequest(collection=BIRDS))
        assert healed.dropped_pages == 1
        offer_planted(client, [1, 2], 1)
        assert not client.lease()

    def test_one_that_is_known_no_more_to_be_another_leaves_the_page(self, client: Client) -> None:
        client.decide(OWL, 1)
        client.decide(TIT, 2)
        client.decide(OWL, 3)
        client.undo()
        offer_planted(client, [1, 2, 3, 4], 1, 2, 3)
        (lease,) = client.lease()
        assert rows_of(lease.page.rows) == [1, 4]

    def test_they_must_be_among_the_images(self, client: Client) -> None:
        for planted in ([5], [1, 1], [-1]):
            with pytest.raises(InvalidArgument) as told:
                offer_planted(client, [1, 2], *planted)
            assert told.value.field == "pages"


class TestListAnnotators(LabelsContract):
    def listed(self, client: Client, **fields: Any) -> Any:
        request = labels_pb2.ListAnnotatorsRequest(collection=BIRDS, **fields)
        return client.stub.ListAnnotators(request)

    def test_what_each_did_is_told_by_name(self, client: Client) -> None:
        client.decide(OWL, 1, 2, 3, annotator="bob")
        offer_planted(client, [1, 2, 4, 5], 1, 2)
        (lease,) = client.lease("ann")
        client.submit(lease.token, said(TIT, IS, 1, 4), said(TIT, IS_NOT, 2, 5), seconds=7.5)
        ann, bob = self.listed(client).annotators
        assert (ann.annotator, ann.decisions, ann.images, ann.seconds) == ("ann", 1, 2, 7.5)
        assert (ann.planted, ann.found) == (2, 1)
        assert ann.miss_rate == pytest.approx(1.5 / 22)
        assert ann.miss_rate_low < ann.miss_rate < ann.miss_rate_high
        assert (bob.annotator, bob.decisions, bob.images, bob.seconds) == ("bob", 1, 3, 2)
        assert (bob.planted, bob.found) == (0, 0)
        assert bob.miss_rate == pytest.approx(0.025)
        assert bob.miss_rate_low < 0.001
        assert 0.08 < bob.miss_rate_high < 0.11

    def test_what_was_taken_back_does_not_count(self, client: Client) -> None:
        client.decide(OWL, 1, annotator="bob")
        offer_planted(client, [1, 4], 1)
        (lease,) = client.lease("ann")
        client.submit(lease.token, said(TIT, IS, 1, 4))
        client.undo(annotator="ann")
        (bob,) = self.listed(client).annotators
        assert bob.annotator == "bob"
        client.undo(1, annotator="bob")
        assert not self.listed(client).annotators

    def test_one_of_whom_nothing_was_said_was_neither_found_nor_missed(
        self, client: Client
    ) -> None:
        client.decide(OWL, 1, annotator="ann")
        offer_planted(client, [1, 4], 1)
        (lease,) = client.lease("ann")
        client.submit(lease.token, said(TIT, IS, 4))
        (ann,) = self.listed(client).annotators
        assert (ann.planted, ann.found) == (0, 0)

    def test_they_come_in_pages(self, client: Client) -> None:
        assert not self.listed(client).annotators
        for row, name in enumerate(["ann", "bob", "eve", "zoe"]):
            client.decide(OWL, row, annotator=name)
        first = self.listed(client, page_size=3)
        rest = self.listed(client, page_size=3, page_token=first.next_page_token)
        names = [each.annotator for each in (*first.annotators, *rest.annotators)]
        assert names == ["ann", "bob", "eve", "zoe"]
        assert not rest.next_page_token

    @pytest.mark.parametrize(
        ("field", "value"),
        [("page_size", -1), ("page_token", "!!"), ("page_token", encode_token(1, 2))],
    )
    def test_bounds(self, client: Client, field: str, value: Any) -> None:
        with pytest.raises(InvalidArgument) as told:
            self.listed(client, **{field: value})
        assert told.value.field == field


class TestOrigins(LabelsContract):
    def test_each_label_says_how_it_came_about(
        self, client: Client, store: ArtifactStore, tmp_path: Path
    ) -> None:
        make_duplicates(store, [0, 1, 2, 3, 1, *range(5, 99), -1])
        for row, kind in enumerate((CLUSTER, VERIFY, SINGLE)):
            client.offer(page_message(f"p{kind}", [row], kind=kind, class_id=OWL))
            (lease,) = client.lease()
            client.submit(lease.token, said(OWL, IS, row))
        out = tmp_path / "out"
        out.mkdir()
        (out / "labels.csv").write_text("key,label\n3.jpg,tit\n")
        request = labels_pb2.ImportRequest(
            collection=BIRDS,
            source=str(out / "labels.csv"),
            format=labels_pb2.FORMAT_CSV,
            request_id=new_id(),
        )
        client.ended(client.stub.Import(request).run)
        wait_for(lambda: 3 in client.labels())
        assert origins(client) == {0: CLUSTER, 1: VERIFY, 2: SINGLE, 3: 0}
        assert origins(client, include_copies=True) == {**origins(client), 4: VERIFY}

    def test_an_undone_answer_brings_the_first_origin_back(self, client: Client) -> None:
        client.decide(OWL, 1)
        offer_review(client, 1)
        (lease,) = client.lease()
        client.submit(lease.token, said(OWL, IS, 1))
        assert origins(client) == {1: REVIEW}
        client.undo()
        assert origins(client) == {1: CLUSTER}


class TestWhoLearnsOfPlantedImages(LabelsContract):
    @pytest.fixture
    def tokens(self, tmp_path: Path) -> dict[str, str]:
        people = {"viv": "viewer", "ann": "labeler", "rev": "reviewer", "selection": "service"}
        return token_file(tmp_path, **people)

    @pytest.fixture
    def config(self, tmp_path: Path, redis: RedisServer, tokens: dict[str, str]) -> LabelsConfig:
        return config_for(tmp_path, redis.url, tokens=tokens["path"])

    def test_only_reviewers_and_above(
        self, assembled: Assembled, config: LabelsConfig, tokens: dict[str, str]
    ) -> None:
        with running(*assembled.mounts, config=config) as server:
            channels = {
                name: connect(server.address, token=tokens[name])
                for name in ("viv", "ann", "rev", "selection")
            }
            people = {name: Client(channel) for name, channel in channels.items()}
            people["selection"].decide(OWL, 1)
            offer_planted(people["selection"], [1, 2], 1)
            (lease,) = people["ann"].lease()
            people["ann"].submit(lease.token, said(TIT, IS, 2), said(TIT, IS_NOT, 1))
            for name, knows in (("viv", False), ("ann", False), ("rev", True), ("selection", True)):
                (event,) = people[name].events(after_seq=1)
                assert event.page.HasField("planted") == knows
                request = labels_pb2.WatchDecisionsRequest(collection=BIRDS, after_seq=1)
                stream = people[name].stub.WatchDecisions(request)
                next(stream)
                assert next(stream).events[0].page.HasField("planted") == knows
                stream.cancel()
            undone = people["ann"].undo(lease_again=True)
            assert not undone.undone.page.HasField("planted")
            for channel in channels.values():
                channel.close()
