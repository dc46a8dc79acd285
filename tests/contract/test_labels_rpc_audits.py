"""LabelsService: audits and certificates. Every error that the comment of an RPC names."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.errors import (
    Aborted,
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NotFound,
)
from hundredfold.chassis.holdout import in_stream, sample_share
from hundredfold.chassis.paging import encode_token
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import serving
from hundredfold.labels.__main__ import Assembled, assemble
from hundredfold.labels.answers import Asker
from hundredfold.labels.auditing import Auditor
from hundredfold.labels.audits import Audits
from hundredfold.labels.config import LabelsConfig
from hundredfold.labels.drawing import Wanted
from hundredfold.labels.store.audits import AuditStore
from tests.unit.labels.audit_world import (
    HEAD,
    answer,
    certify,
    get,
    halves,
    put_right,
    start,
    write_clusters,
    write_predictions,
)
from tests.unit.labels.servers import RedisServer
from tests.unit.labels.world import (
    BIRDS,
    IS,
    IS_NOT,
    OLD_OWL,
    OWL,
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
    write_schema,
)

OPEN, PASSED, FAILED = (
    labels_pb2.AUDIT_STATE_OPEN,
    labels_pb2.AUDIT_STATE_PASSED,
    labels_pb2.AUDIT_STATE_FAILED,
)
CERTIFIED, ABANDONED = labels_pb2.AUDIT_STATE_CERTIFIED, labels_pb2.AUDIT_STATE_ABANDONED
AUDIT = page_pb2.PAGE_KIND_AUDIT
MANY = 1_000


class AuditContract(LabelsContract):
    """A collection of 1,000 images, half owls and half tits, and a head that is right about all."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ArtifactStore:
        store = ArtifactStore(str(tmp_path / "store"))
        make_collection(store, rows=MANY)
        write_predictions(store, halves(MANY))
        return store

    @pytest.fixture
    def truth(self) -> dict[int, int]:
        return halves(MANY)

    @pytest.fixture
    def passed(self, client: Client, truth: dict[int, int]) -> Any:
        """An audit of at most 200 images without an error."""
        client.offer(total=MANY)
        started = start(client, sample=200)
        answer(client, truth)
        return get(client, started.audit_id)


def ledger_events(assembled: Assembled) -> list[Any]:
    with assembled.ledger.records.reading(BIRDS) as reading:
        return list(reading.events(0, 100))


class TestStartAudit(AuditContract):
    def test_it_says_what_was_drawn_and_puts_pages_before_all_others(self, client: Client) -> None:
        client.decide(OWL, 0, 2)
        client.offer(page_message("others", [1, 3], score=1e9), total=MANY)
        audit = start(client, sample=200, allowed_error=0.04, by_class=True)
        assert (audit.collection, audit.model, audit.state) == (BIRDS, HEAD, OPEN)
        assert (audit.total, audit.population, audit.sample) == (MANY, MANY - 2, 200)
        assert (audit.look, audit.answered, audit.errors, audit.bound) == (1, 0, 0, 1)
        assert audit.alpha == pytest.approx(0.05 * 3 / 4)
        assert (audit.allowed_error, audit.confidence) == (np.float32(0.04), np.float32(0.95))
        assert [(g.class_id, g.population, g.sample, g.bound) for g in audit.groups] == [
            (OWL, 498, 100, 1),
            (TIT, 500, 100, 1),
        ]
        leases = client.lease(limit=16)
        asked = [lease.page for lease in leases if lease.page.kind == AUDIT]
        assert [page.page_id for page in asked] == [lease.page.page_id for lease in leases[:6]]
        assert sorted(len(rows_of(page.rows)) for page in asked) == [4, 4, 48, 48, 48, 48]
        assert {page.class_id for page in asked} == {OWL, TIT}
        assert all(page.audit_id == audit.audit_id and page.model == HEAD for page in asked)
        drawn = sorted(row for page in asked for row in rows_of(page.rows))
        assert len(set(drawn)) == 200
        assert rows_of(client.pieces()[0].audit_rows) == drawn
        assert leases[-1].page.page_id == "others"

    def test_pages_show_the_surest_first(self, client: Client, store: ArtifactStore) -> None:
        sure = {row: 0.5 + row / 4000 for row in range(MANY)}
        write_predictions(store, halves(MANY), probability=sure)
        start(client, sample=90)
        for lease in client.lease(limit=3):
            shown = np.frombuffer(lease.page.probability.data, "<f4")
            assert (np.diff(shown) < 0).all()
            assert shown.tolist() == pytest.approx([sure[r] for r in rows_of(lease.page.rows)])

    def test_what_was_drawn_from_is_kept(self, client: Client, store: ArtifactStore) -> None:
        audit = start(client, sample=50)
        folder = layout.audit(BIRDS, audit.audit_id)
        manifest = Manifest.load(store, folder)
        assert dict(manifest.meta) == {"model": HEAD, "cluster": ""}
        assert not manifest.verify(store)
        rows = manifest.read_array(store, layout.AUDIT_ROWS)
        assert rows.tolist() == list(range(MANY))
        drawn = manifest.read_array(store, layout.AUDIT_SAMPLE).tolist()
        assert len(set(drawn)) == audit.most_sample == 50
        assert sorted(drawn[: audit.sample]) == rows_of(client.pieces()[0].audit_rows)
        (event,) = client.events()
        assert (event.kind, event.audit_id) == (labels_pb2.EVENT_KIND_AUDIT, audit.audit_id)
        assert (audit.seq, event.seq, event.images) == (1, 1, 0)

    def test_the_same_again_returns_the_same_audit(self, client: Client) -> None:
        request_id = new_id()
        first = start(client, sample=50, request_id=request_id)
        assert start(client, sample=50, request_id=request_id) == first
        assert len(client.events()) == 1
        with pytest.raises(AlreadyExists) as told:
            start(client, sample=51, request_id=request_id)
        assert told.value.reason == "REQUEST_ID_REUSED"

    def test_only_images_that_a_model_would_label_are_drawn(
        self, client: Client, store: ArtifactStore
    ) -> None:
        make_collection(store, rows=20)
        make_duplicates(store, [0, 0, *range(2, 19), -1])
        write_predictions(store, {**halves(20), 9: 0})
        client.decide(OWL, 2)
        client.offer_rows([4, 6, 8])
        (lease,) = client.lease()
        client.submit(lease.token, said(0, UNSURE, 4), said(OWL, IS_NOT, 6), said(TIT, IS_NOT, 8))
        audit = start(client, sample=100)
        # Not a copy, a broken image, without a class, labelled, set aside, or kicked from that class.
        assert audit.population == audit.sample == 20 - len([1, 19, 9, 2, 4, 6])
        assert not {1, 19, 9, 2, 4, 6} & set(rows_of(client.pieces()[0].audit_rows))

    def test_a_size_is_found_that_likely_proves_the_bound(
        self, client: Client, store: ArtifactStore
    ) -> None:
        easy = start(client, allowed_error=0.1)
        harder = start(client, allowed_error=0.06)
        assert 30 <= easy.sample < harder.sample < MANY
        write_predictions(store, halves(MANY), probability=0.5)
        hopeless = start(client, allowed_error=0.01)
        assert harder.sample < hopeless.sample <= MANY

    def test_another_claim_has_looks_of_its_own(self, client: Client) -> None:
        looks = [start(client, allowed_error=error).look for error in (0.05, 0.02, 0.05, 0.02)]
        assert looks == [1, 1, 2, 2]

    def test_looks_share_the_probability_of_error(self, client: Client) -> None:
        audits = [start(client, sample=30) for _ in range(3)]
        assert [audit.look for audit in audits] == [1, 2, 3]
        assert [audit.alpha for audit in audits] == pytest.approx([0.0375, 0.0375 / 4, 0.0375 / 16])
        assert [get(client, audit.audit_id).state for audit in audits] == [
            ABANDONED,
            ABANDONED,
            OPEN,
        ]

    def test_an_abandoned_audit_keeps_its_answers_and_shows_its_pages_no_more(
        self, client: Client, truth: dict[int, int]
    ) -> None:
        first = start(client, sample=100)
        (done,) = answer(client, truth, pages=1)
        (held,) = client.lease()
        second = start(client, sample=60, allowed_error=0.1)
        client.submit(held.token, said(held.page.class_id, IS, *rows_of(held.page.rows)))
        with pytest.raises(Conflict) as told:
            certify(client, first.audit_id)
        assert told.value.reason == "AUDIT_ABANDONED"
        leases = answer(client, truth)
        assert {lease.page.audit_id for lease in leases} == {second.audit_id}
        assert get(client, first.audit_id).state == ABANDONED
        assert set(rows_of(done.page.rows) + rows_of(held.page.rows)) <= client.labels().keys()
        assert get(client, second.audit_id).state == PASSED

    def test_a_cluster_is_audited_by_itself_without_the_random_stream(
        self, client: Client, store: ArtifactStore
    ) -> None:
        write_clusters(store, [0] * 400 + [1] * 600)
        stream = np.flatnonzero(in_stream(np.arange(400), sample_share(MANY))).tolist()
        left = [row for row in stream if row >= 20]
        client.decide(OWL, *range(20))
        client.offer(total=MANY)
        audit = start(client, cluster="c1/0", class_id=OWL, sample=150, allowed_error=0.05)
        assert (audit.cluster, audit.model, audit.total) == ("c1/0", "", 400 - len(stream))
        assert (audit.population, audit.look) == (380 - len(left), 1)
        leases = answer(client, dict.fromkeys(range(MANY), OWL))
        assert all(lease.page.cluster == "c1/0" for lease in leases)
        assert get(client).state == PASSED
        labelled = certify(client, audit.audit_id).labelled
        assert labelled == audit.population - get(client).sample
        assert left
        assert client.labels() == {row: OWL for row in range(400) if row not in left}
        assert start(client, cluster="c1/1", class_id=TIT, sample=30).look == 1

    def test_a_cluster_is_expected_to_have_some_wrong_ones(
        self, client: Client, store: ArtifactStore
    ) -> None:
        write_clusters(store, [0] * MANY)
        client.offer(total=MANY)
        audit = start(client, cluster="c1/0", class_id=OWL, allowed_error=0.05)
        assert 50 <= audit.sample < audit.most_sample < 300

    def test_an_audit_of_all_images_answers_for_those_that_were_labelled_as_a_cluster(
        self, client: Client, store: ArtifactStore, truth: dict[int, int]
    ) -> None:
        write_clusters(store, [0] * 400 + [1] * 600)
        client.offer(total=MANY)
        cluster = start(client, cluster="c1/0", class_id=OWL, allowed_error=0.4)
        owls = dict.fromkeys(range(400), OWL)  # as somebody who does not look
        answer(client, owls)
        assert certify(client, cluster.audit_id).labelled
        audit = start(client, sample=600)
        assert audit.population == MANY - get(client, cluster.audit_id).answered
        answer(client, truth)
        # About half of the first 400 are tits.
        assert get(client).state == FAILED
        assert get(client).errors > 40

    def test_an_image_that_was_leased_is_answered_from_its_own_page(
        self, client: Client, store: ArtifactStore
    ) -> None:
        make_collection(store, rows=40)
        write_predictions(store, halves(40))
        client.offer_rows(range(0, 40, 2))
        (lease,) = client.lease("bob")
        audit = start(client, sample=40)
        answer(client, halves(40))
        assert get(client).answered == 20
        client.submit(lease.token, said(OWL, IS, *range(0, 40, 2)))
        assert get(client, audit.audit_id).state == PASSED

    def test_ten_images_are_all_looked_at(self, client: Client, store: ArtifactStore) -> None:
        make_collection(store, rows=10)
        write_predictions(store, halves(10))
        audit = start(client)
        assert audit.sample == audit.population == 10
        answer(client, halves(10))
        audit = get(client)
        assert (audit.state, audit.errors, audit.bound) == (PASSED, 0, 0)
        assert certify(client, audit.audit_id).labelled == 0
        with pytest.raises(Conflict) as told:
            start(client)
        assert told.value.reason == "NOTHING_TO_AUDIT"

    def test_a_schema_of_one_class_is_one_group(self, client: Client, store: ArtifactStore) -> None:
        write_schema(store, {OWL: "owl"}, {})
        write_predictions(store, dict.fromkeys(range(MANY), OWL))
        audit = start(client, sample=200, by_class=True)
        answer(client, dict.fromkeys(range(MANY), OWL))
        audit = get(client, audit.audit_id)
        assert (audit.state, len(audit.groups)) == (PASSED, 1)
        assert audit.groups[0].bound <= audit.bound * MANY / 800 + 1e-6

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"model": ""}, "model"),
            ({"model": HEAD, "cluster": "c1/0"}, "model"),
            ({"model": "../x"}, "model"),
            ({"cluster": "c1", "class_id": OWL}, "cluster"),
            ({"cluster": "../../x/1", "class_id": OWL}, "cluster"),
            ({"cluster": "c1/0"}, "class_id"),
            ({"cluster": "c1/0", "class_id": 77}, "class_id"),
            ({"allowed_error": 0.00001}, "allowed_error"),
            ({"allowed_error": 0.6}, "allowed_error"),
            ({"allowed_error": float("nan")}, "allowed_error"),
            ({"confidence": 0.4}, "confidence"),
            ({"confidence": 1.0}, "confidence"),
            ({"sample": -1}, "sample"),
            ({"sample": 100_001}, "sample"),
            ({"request_id": ""}, "request_id"),
        ],
    )
    def test_bounds(self, client: Client, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidArgument) as told:
            start(client, **fields)
        assert told.value.field == field
        assert not client.events()

    @pytest.mark.parametrize(
        "fields",
        [
            {"model": "head-birds@2"},
            {"cluster": "c9/0", "class_id": OWL},
            {"cluster": "c1/7", "class_id": OWL},
        ],
    )
    def test_what_is_not_there_is_not_found(
        self, client: Client, store: ArtifactStore, fields: dict[str, Any]
    ) -> None:
        write_clusters(store, [0] * MANY)
        with pytest.raises(NotFound):
            start(client, **fields)

    def test_one_that_others_outrun_again_and_again_is_aborted(
        self, assembled: Assembled, store: ArtifactStore
    ) -> None:
        class Outrun(AuditStore):
            """Somebody else starts an audit whenever this one is about to."""

            def save(self, *args: Any) -> None:
                super().save(*args)
                other.start(BIRDS, Asker("bob"), new_id(), wanted)

        wanted = Wanted(HEAD, "", 0, 0.05, 0.95, 30, by_class=False, find_threshold=False)
        ledger, kept = assembled.ledger, AuditStore(store)
        audits = Audits(ledger, kept)
        other = Auditor(ledger, audits, kept)
        with pytest.raises(Aborted):
            Auditor(ledger, audits, Outrun(store)).start(BIRDS, Asker("ann"), new_id(), wanted)
        assert len(ledger_events(assembled)) == 3

    def test_two_at_once_are_two_looks(self, client: Client) -> None:
        with ThreadPoolExecutor(2) as pool:
            started = [
                pool.submit(start, client, sample=30, request_id=name) for name in ("a", "b")
            ]
            assert sorted(each.result().look for each in started) == [1, 2]

    def test_without_a_queue_the_pages_come_later(self, client: Client, redis: RedisServer) -> None:
        redis.kill()
        audit = start(client, sample=30)
        assert audit.state == OPEN
        redis.start()
        assert client.lease()[0].page.audit_id == audit.audit_id


class TestPagesOfAnAudit(AuditContract):
    def shown(self, client: Client) -> set[int]:
        return {
            row
            for lease in client.lease("zoe", limit=16)
            if lease.page.kind == AUDIT
            for row in rows_of(lease.page.rows)
        }

    def test_they_survive_the_replacement_of_all_pages(self, client: Client) -> None:
        start(client, sample=400)
        drawn = set(rows_of(client.pieces()[0].audit_rows))
        assert client.offer(page_message("new", [1], score=1e12), replace=True) >= 4
        assert self.shown(client) == drawn

    @pytest.mark.parametrize("heal", ["lease", "reconcile", "offer"])
    def test_they_survive_a_lost_queue(
        self, client: Client, redis: RedisServer, truth: dict[int, int], heal: str
    ) -> None:
        audit = start(client, sample=600)
        answer(client, truth, pages=1)
        (held,) = client.lease("bob")
        redis.kill()
        redis.start()
        if heal == "reconcile":
            client.stub.Reconcile(labels_pb2.ReconcileRequest(collection=BIRDS))
        elif heal == "offer":
            client.offer(page_message("new", [1]))
        assert balanced(client.progress())
        waiting = set(rows_of(client.pieces()[0].audit_rows)) - set(rows_of(held.page.rows))
        (first,) = client.lease("ann")
        assert self.shown(client) | set(rows_of(first.page.rows)) >= waiting
        for lease in (held, first):
            client.submit(lease.token, said(lease.page.class_id, IS, *rows_of(lease.page.rows)))
        assert get(client, audit.audit_id).state == OPEN

    def test_they_survive_a_restart_of_the_service(
        self, client: Client, config: LabelsConfig, truth: dict[int, int], clock: Clock
    ) -> None:
        audit = start(client, sample=100)
        answer(client, truth, pages=2)
        before = get(client)
        again = assemble(config, clock=clock)
        with serving(*again.mounts, config=config) as channel:
            other = Client(channel)
            assert get(other) == before
            answer(other, truth)
            assert get(other, audit.audit_id).state == PASSED
        again.close()
        assert get(client).state == PASSED, "the first process sees it too"

    def test_images_that_are_not_judged_are_asked_about_again(self, client: Client) -> None:
        start(client, sample=30)
        (lease,) = client.lease()
        rows = rows_of(lease.page.rows)
        client.submit(lease.token, said(lease.page.class_id, IS, *rows[1:]))
        assert rows[0] in self.shown(client)

    def test_undo_opens_the_audit_again(self, client: Client, passed: Any) -> None:
        assert passed.state == PASSED
        lease = client.undo(lease_again=True).lease
        assert get(client).state == OPEN
        assert get(client).answered == passed.answered - len(rows_of(lease.page.rows))
        client.submit(lease.token, said(lease.page.class_id, IS, *rows_of(lease.page.rows)))
        assert get(client) == passed

    def test_clearing_ends_the_audit_and_undoing_that_opens_it(
        self, client: Client, truth: dict[int, int]
    ) -> None:
        audit = start(client, sample=100)
        answer(client, truth, pages=1)
        clear = labels_pb2.ClearLabelsRequest(collection=BIRDS, request_id=new_id())
        seq = client.stub.ClearLabels(clear).seq
        assert get(client).state == ABANDONED
        assert not client.lease()
        assert not rows_of(client.pieces()[0].audit_rows)
        with pytest.raises(Conflict) as told:
            certify(client, audit.audit_id)
        assert told.value.reason == "AUDIT_ABANDONED"
        client.undo(seq)
        answer(client, truth)
        assert get(client, audit.audit_id).state == PASSED

    def test_an_audit_can_be_taken_back(self, client: Client) -> None:
        audit = start(client, sample=30)
        client.undo(audit.seq)
        assert get(client).state == ABANDONED
        assert not client.lease()

    def test_nobody_else_may_offer_pages_of_an_audit(self, client: Client) -> None:
        with pytest.raises(InvalidArgument) as told:
            client.offer(page_message("a", [1], kind=AUDIT, class_id=OWL, audit_id="x"))
        assert told.value.field == "pages"

    def test_pages_of_the_random_stream_are_answered_as_to_verify(self, client: Client) -> None:
        client.offer(page_message("stream", [1, 2, 3], kind=AUDIT, class_id=TIT))
        (lease,) = client.lease()
        client.submit(lease.token, said(TIT, IS, 1, 3), said(TIT, IS_NOT, 2))
        (piece,) = client.pieces()
        assert np.frombuffer(piece.origins.data, "u1").tolist() == [AUDIT, AUDIT]
        client.offer(page_message("again", [1, 2], kind=AUDIT, class_id=TIT))
        assert not client.lease()


class TestStages(AuditContract):
    """An audit of 300 of 1,000 images: 150 or 300 of them are looked at."""

    @pytest.fixture
    def truth(self) -> dict[int, int]:
        """A little of what the head says is wrong."""
        return {row: 3 - each if row % 35 == 0 else each for row, each in halves(MANY).items()}

    def waiting(self, client: Client) -> set[int]:
        return set(rows_of(client.pieces()[0].audit_rows))

    def stage(self, client: Client, truth: dict[int, int]) -> Any:
        """Answer the images that are asked for now, and no others."""
        while rows := self.waiting(client):
            (lease,) = client.lease()
            asked = rows_of(lease.page.rows)
            assert set(asked) <= rows
            right = [row for row in asked if truth[row] == lease.page.class_id]
            odd = [row for row in asked if truth[row] != lease.page.class_id]
            said_so = said(lease.page.class_id, IS, *right), said(lease.page.class_id, IS_NOT, *odd)
            client.submit(lease.token, *said_so)
            if not rows & self.waiting(client):
                break
        return get(client)

    def test_they_are_asked_for_one_after_the_other_until_one_passes(
        self, client: Client, truth: dict[int, int]
    ) -> None:
        first = start(client, sample=300, allowed_error=0.06)
        assert (first.sample, first.most_sample, first.bound) == (150, 300, 1)
        seen = self.waiting(client)
        assert len(seen) == 150
        sizes, audit = [first.sample], self.stage(client, truth)
        while audit.state == OPEN:
            assert audit.allowed_error < audit.bound < 1, "that of the stage before"
            assert len(self.waiting(client)) == audit.sample - audit.answered
            assert not seen & self.waiting(client)
            seen |= self.waiting(client)
            sizes.append(audit.sample)
            audit = self.stage(client, truth)
        assert sizes == [150, 300][: len(sizes)]
        assert len(sizes) > 1
        assert (audit.state, audit.answered) == (FAILED, sizes[-1])
        assert not self.waiting(client)
        put_right(client, truth)
        assert get(client).state == PASSED
        assert not client.lease()
        assert certify(client, audit.audit_id).labelled == MANY - len(seen)

    @pytest.mark.parametrize("heal", ["lease", "reconcile", "restart"])
    def test_a_later_one_survives_a_lost_queue_and_a_restart(
        self,
        client: Client,
        redis: RedisServer,
        truth: dict[int, int],
        heal: str,
        config: LabelsConfig,
    ) -> None:
        start(client, sample=300)
        assert self.stage(client, truth).sample == 300
        waiting = self.waiting(client)
        redis.kill()
        redis.start()
        if heal == "reconcile":
            client.stub.Reconcile(labels_pb2.ReconcileRequest(collection=BIRDS))
            assert client.progress().ready == len(waiting)
        if heal == "restart":
            again = assemble(config)
            with serving(*again.mounts, config=config) as channel:
                assert self.waiting(Client(channel)) == waiting
                assert self.stage(Client(channel), truth).answered == 300
            again.close()
        else:
            assert self.stage(client, truth).answered == 300

    def test_an_answer_of_an_earlier_one_that_is_taken_back_opens_that_one(
        self, client: Client, truth: dict[int, int]
    ) -> None:
        start(client, sample=300)
        assert self.stage(client, truth).sample == 300
        lease = client.undo(lease_again=True).lease
        assert (get(client).state, get(client).sample) == (OPEN, 150)
        assert self.waiting(client) == set(rows_of(lease.page.rows))

    def test_it_fails_after_the_last(self, client: Client, truth: dict[int, int]) -> None:
        audit = start(client, sample=300, allowed_error=0.035)
        while audit.state == OPEN:
            audit = self.stage(client, truth)
        assert (audit.state, audit.answered) == (FAILED, audit.sample)
        assert not self.waiting(client)

    def test_a_largest_sample_is_found_that_allows_for_bad_luck(self, client: Client) -> None:
        audit = start(client, allowed_error=0.1)
        assert 30 <= audit.sample < audit.most_sample < MANY

    @pytest.mark.parametrize("kind", ["by_class", "find_threshold"])
    def test_where_each_class_or_a_threshold_is_proved_there_is_one(
        self, client: Client, kind: str
    ) -> None:
        audit = start(client, sample=300, **{kind: True})
        assert audit.sample == audit.most_sample == 300
        assert len(self.waiting(client)) == 300


class TestGetAudit(AuditContract):
    def test_errors_are_counted_by_class_and_bounds_come_at_the_end(
        self, client: Client, truth: dict[int, int]
    ) -> None:
        client.offer(total=MANY)
        truth |= dict.fromkeys(range(1, MANY, 20), OWL)  # a tenth of the tits is none
        start(client, sample=300, allowed_error=0.1, by_class=True)
        answer(client, truth, pages=2)
        assert get(client).bound == 1
        answer(client, truth)
        audit = get(client)
        assert (audit.state, audit.answered) == (FAILED, 300)
        put_right(client, truth)
        before, audit = audit, get(client)
        assert (audit.state, audit.errors) == (PASSED, before.errors)
        assert audit.bound == pytest.approx(before.bound - audit.errors / MANY)
        owls, tits = audit.groups
        assert (owls.errors, tits.errors) == (0, audit.errors)
        assert 5 < audit.errors < 30
        assert 50 - audit.errors <= audit.bound * MANY, "there are 50 errors"
        assert owls.bound < tits.bound
        assert (50 - audit.errors) / (500 - tits.sample) <= tits.bound < 1

    def test_slips_of_people_count(self, client: Client, truth: dict[int, int]) -> None:
        client.offer(total=MANY)
        client.offer_rows(range(1, 60))
        (lease,) = client.lease()
        client.submit(
            lease.token, said(TIT, IS, *range(1, 60, 2)), said(TIT, IS_NOT, *range(2, 60, 2))
        )
        start(client, sample=200)
        answer(client, truth)
        audit = get(client)
        # 29 kicked, and of 39 odd images one is taken to be overlooked.
        assert audit.people_error == pytest.approx(29 / 39 / len(client.labels()), rel=1e-5)
        assert audit.bound > 29 / 39 / MANY

    def test_whatever_is_known_of_an_image_answers(
        self, client: Client, store: ArtifactStore
    ) -> None:
        make_collection(store, rows=30)
        write_predictions(store, dict.fromkeys(range(30), OWL))
        start(client, sample=30)
        (lease,) = client.lease()
        client.submit(
            lease.token,
            said(OWL, IS, *range(20), *range(24, 30)),
            said(OWL, IS_NOT, 20, 21),
            said(TIT, IS, 21, 22),
            said(0, UNSURE, 23),
        )
        audit = get(client)
        assert (audit.answered, audit.errors) == (30, 4)
        # 20 was kicked by one and is called an owl by another: the later answer counts.
        client.decide(OWL, 20, annotator="bob")
        assert (get(client).answered, get(client).errors) == (30, 3)
        client.undo(annotator="bob")
        assert (get(client).answered, get(client).errors) == (30, 4)

    def test_a_class_that_is_renamed_or_merged_meanwhile_is_what_it_became(
        self, client: Client, store: ArtifactStore
    ) -> None:
        write_schema(store, {OWL: "owl", TIT: "tit", OLD_OWL: "barn owl"}, {})
        truth = {row: (OWL, TIT, OLD_OWL)[row % 3] for row in range(MANY)}
        write_predictions(store, truth)
        audit = start(client, sample=120)
        answer(client, truth, pages=1)
        write_schema(store, {OWL: "owls", TIT: "tit", OLD_OWL: "barn owl"}, {OLD_OWL: OWL})
        merged = {row: OWL if each == OLD_OWL else each for row, each in truth.items()}
        for lease in client.lease("ann", limit=16):
            meant = OWL if lease.page.class_id == OLD_OWL else lease.page.class_id
            client.submit(lease.token, said(meant, IS, *rows_of(lease.page.rows)))
        answer(client, merged)
        audit = get(client)
        assert (audit.state, audit.errors) == (PASSED, 0)
        certify(client, audit.audit_id)
        assert client.labels() == merged

    def test_an_image_whose_guess_was_refused_is_wrong_until_it_has_a_label(
        self, client: Client, truth: dict[int, int]
    ) -> None:
        refused = [row for row, class_id in truth.items() if class_id == OWL][:60]
        client.offer(page_message("refused", refused, class_id=OWL), total=MANY)
        (lease,) = client.lease()
        client.submit(lease.token, said(OWL, IS_NOT, *refused))
        started = start(client, sample=200)
        assert started.population == MANY - 60
        answer(client, truth)
        audit = get(client, started.audit_id)
        assert (audit.errors, audit.state) == (0, FAILED)
        assert audit.bound > 60 / MANY
        put_right(client, truth | dict.fromkeys(refused, TIT))
        audit = get(client, started.audit_id)
        assert audit.state == PASSED
        assert audit.bound < 60 / MANY

    def test_a_labeller_who_kicks_everything_fails_it(
        self, client: Client, truth: dict[int, int]
    ) -> None:
        audit = start(client, sample=60)
        answer(client, dict.fromkeys(truth, 0))
        audit = get(client, audit.audit_id)
        assert (audit.state, audit.answered, audit.errors) == (FAILED, 30, 30), (
            "nothing can help it"
        )
        assert audit.most_sample == 60
        assert audit.bound > 0.9
        assert not client.labels()

    def test_an_empty_id_is_the_newest(self, client: Client) -> None:
        first, second = start(client, sample=30), start(client, sample=30)
        assert get(client).audit_id == second.audit_id
        assert get(client, first.audit_id).audit_id == first.audit_id

    @pytest.mark.parametrize("audit_id", ["", "nowhere", "../x"])
    def test_an_unknown_audit_is_not_found(self, client: Client, audit_id: str) -> None:
        with pytest.raises(NotFound):
            get(client, audit_id)


class TestListAudits(AuditContract):
    def listed(self, client: Client, **fields: Any) -> Any:
        return client.stub.ListAudits(labels_pb2.ListAuditsRequest(collection=BIRDS, **fields))

    def test_the_newest_come_first_in_pages(self, client: Client) -> None:
        assert not self.listed(client).audits
        seqs = [start(client, sample=30).seq for _ in range(5)]
        first = self.listed(client, page_size=3)
        rest = self.listed(client, page_size=3, page_token=first.next_page_token)
        assert [each.seq for each in (*first.audits, *rest.audits)] == seqs[::-1]
        assert not rest.next_page_token
        assert [each.state for each in first.audits] == [OPEN, ABANDONED, ABANDONED]

    @pytest.mark.parametrize(
        ("field", "value"),
        [("page_size", -1), ("page_token", "!!"), ("page_token", encode_token("x"))],
    )
    def test_bounds(self, client: Client, field: str, value: Any) -> None:
        with pytest.raises(InvalidArgument) as told:
            self.listed(client, **{field: value})
        assert told.value.field == field


class TestCertify(AuditContract):
    def test_the_rest_gets_the_models_labels_by_one_event(
        self, client: Client, passed: Any, truth: dict[int, int]
    ) -> None:
        certificate = certify(client, passed.audit_id)
        assert certificate.labelled == MANY - passed.sample
        assert certificate.audit.state == CERTIFIED
        assert certificate.audit.certificate_seq == certificate.seq == client.progress().head_seq
        assert (certificate.audit.bound, certificate.audit.sample) == (passed.bound, passed.sample)
        assert client.labels() == truth
        (piece,) = client.pieces()
        origins = np.frombuffer(piece.origins.data, "u1")
        assert np.bincount(origins, minlength=128)[[AUDIT, 127]].tolist() == [
            passed.sample,
            MANY - passed.sample,
        ]
        event = client.events()[-1]
        assert event.kind == labels_pb2.EVENT_KIND_CERTIFICATE
        assert (event.audit_id, event.images) == (passed.audit_id, MANY - passed.sample)
        progress = client.progress()
        assert (progress.labelled, progress.total) == (MANY, MANY)
        assert balanced(progress)

    def test_without_auto_label_only_the_bound_is_stated(self, client: Client, passed: Any) -> None:
        certificate = certify(client, passed.audit_id, auto_label=False)
        assert certificate.labelled == 0
        assert get(client).state == CERTIFIED
        assert len(client.labels()) == passed.sample
        rest = MANY - passed.sample
        assert certify(client, passed.audit_id).labelled == rest, "later, if that is wanted"

    def test_undo_takes_it_back(self, client: Client, passed: Any) -> None:
        seq = certify(client, passed.audit_id).seq
        undone = client.undo(seq)
        assert undone.undone.audit_id == passed.audit_id
        assert len(client.labels()) == passed.sample
        assert get(client) == passed

    def test_the_same_again_returns_the_same_answer(self, client: Client, passed: Any) -> None:
        request_id = new_id()
        first = certify(client, passed.audit_id, request_id=request_id)
        assert certify(client, passed.audit_id, request_id=request_id) == first
        with pytest.raises(AlreadyExists) as told:
            certify(client, passed.audit_id, request_id=request_id, auto_label=False)
        assert told.value.reason == "REQUEST_ID_REUSED"

    def test_labels_of_people_stay_above(
        self, client: Client, passed: Any, truth: dict[int, int]
    ) -> None:
        free = [row for row in range(MANY) if row not in client.labels()][:4]
        client.decide(TIT if truth[free[0]] == OWL else OWL, free[0])
        client.offer_rows(free[1:])
        (lease,) = client.lease()
        client.submit(lease.token, said(0, UNSURE, free[1]), said(truth[free[2]], IS_NOT, free[2]))
        before = client.labels()
        assert certify(client, passed.audit_id).labelled == MANY - passed.sample - 3
        after = client.labels()
        assert after[free[0]] == before[free[0]] != truth[free[0]]
        assert not {free[1], free[2]} & after.keys()
        assert not client.offer(page_message("x", [free[3]])) or not client.lease()

    def test_an_audit_that_is_certified_stays_as_it_was(self, client: Client, passed: Any) -> None:
        certified = certify(client, passed.audit_id).audit
        page = client.events()[1].page
        client.undo(2)
        assert get(client) == certified
        assert not set(rows_of(page.rows)) & client.labels().keys()

    def test_what_a_certificate_labelled_is_still_asked_by_another_audit(
        self, client: Client, passed: Any, truth: dict[int, int]
    ) -> None:
        start(client, sample=60, allowed_error=0.2)
        certify(client, passed.audit_id)
        assert len(client.labels()) == MANY
        answer(client, truth)
        assert (get(client).answered, get(client).state) == (get(client).sample, PASSED)
        assert get(client).sample < 60

    def test_many_labels_are_one_event_that_is_listed_without_them(
        self, client: Client, store: ArtifactStore
    ) -> None:
        make_collection(store, rows=100_000)
        write_predictions(store, halves(100_000))
        audit = start(client, sample=150)
        answer(client, halves(100_000))
        certificate = certify(client, audit.audit_id)
        left = 100_000 - get(client).sample
        assert certificate.labelled == left > 99_850
        event = client.events()[-1]
        assert (event.images, len(event.judgements)) == (left, 0)
        assert client.labels() == halves(100_000)
        client.undo(certificate.seq)
        assert len(client.labels()) == 100_000 - left

    def test_an_open_audit_is_refused(self, client: Client) -> None:
        audit = start(client, sample=30)
        with pytest.raises(Conflict) as told:
            certify(client, audit.audit_id)
        assert told.value.reason == "AUDIT_OPEN"

    def test_a_bound_that_is_not_met_is_told(self, client: Client, truth: dict[int, int]) -> None:
        audit = start(client, sample=60)
        answer(client, truth | dict.fromkeys(range(0, MANY, 4), TIT))
        with pytest.raises(Conflict) as told:
            certify(client, audit.audit_id)
        assert told.value.reason == "BOUND_NOT_MET"
        assert float(told.value.metadata["bound"]) == pytest.approx(get(client).bound, rel=1e-4)
        assert get(client).state == FAILED

    @pytest.mark.parametrize("audit_id", ["", "nowhere"])
    def test_an_unknown_audit_is_not_found(self, client: Client, audit_id: str) -> None:
        with pytest.raises(NotFound):
            certify(client, audit_id)


class TestThresholds(AuditContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ArtifactStore:
        """The less sure the head is, the more often it is wrong."""
        store = ArtifactStore(str(tmp_path / "store"))
        make_collection(store, rows=MANY)
        sure = {row: 1 - row / 2 / MANY for row in range(MANY)}
        write_predictions(store, halves(MANY), probability=sure)
        return store

    @pytest.fixture
    def truth(self) -> dict[int, int]:
        random = np.random.default_rng(7)
        wrong = random.random(MANY) < np.arange(MANY) / 2 / MANY
        return {row: 3 - right if wrong[row] else right for row, right in halves(MANY).items()}

    @pytest.fixture
    def found(self, client: Client, truth: dict[int, int]) -> Iterator[Any]:
        start(client, find_threshold=True, allowed_error=0.2, sample=400)
        answer(client, truth)
        return get(client)

    def test_only_sure_predictions_become_labels(
        self, client: Client, found: Any, truth: dict[int, int]
    ) -> None:
        assert found.state == PASSED
        assert 0.5 < found.threshold < 1
        assert found.bound <= found.allowed_error
        before = client.labels()
        labelled = certify(client, found.audit_id).labelled
        new = {row: each for row, each in client.labels().items() if row not in before}
        assert len(new) == labelled > 60
        assert all(1 - row / 2 / MANY >= found.threshold - 1e-6 for row in new)
        assert np.mean([truth[row] != each for row, each in new.items()]) <= 0.2

    def test_none_is_good_enough_when_all_are_wrong(
        self, client: Client, truth: dict[int, int]
    ) -> None:
        start(client, find_threshold=True, sample=100)
        answer(client, {row: 3 - each for row, each in halves(MANY).items()})
        assert get(client).state == FAILED

    def test_a_size_is_found(self, client: Client) -> None:
        assert 100 < start(client, find_threshold=True, allowed_error=0.1).sample < MANY
