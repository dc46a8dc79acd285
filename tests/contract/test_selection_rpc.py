"""The selection service, with stand-ins of the labels, training and index services."""

import threading
import uuid
from contextlib import ExitStack

import numpy as np
import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.api.selection.v1 import selection_pb2 as pb
from hundredfold.chassis.errors import Conflict, InvalidArgument, NotFound, Unavailable
from hundredfold.chassis.storage import layout
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.chassis.testing import wait_for
from tests.contract.index_spaces import (
    COLLECTION,
    SPACE,
    blobs,
    make_collection,
    write_space,
)
from tests.contract.selection_system import System

SEED, VERIFY, LEFTOVERS, DONE = (
    pb.LOOP_PHASE_SEED,
    pb.LOOP_PHASE_VERIFY,
    pb.LOOP_PHASE_LEFTOVERS,
    pb.LOOP_PHASE_DONE,
)
CLUSTER = page_pb2.PAGE_KIND_CLUSTER
EACH = 40


def rows_of(page):
    return unpack(page.rows, dtype=np.int64, ndim=1, field="rows")


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def system(stack, tmp_path):
    truth = np.repeat(np.arange(1, 5), EACH)
    return System(stack, str(tmp_path), blobs(4, EACH, noise=0.8), truth)


def _all_of(run, pages):
    """The clusters of some pages, once all are of a run."""
    names = {page.cluster for page in pages}
    return names if names and all(each.startswith(run) for each in names) else None


def labels_of(system):
    with system.ledger.changed:
        return dict(system.ledger.labels)


class TestTheLoop:
    def test_it_goes_from_the_seed_to_the_end_and_every_label_is_right(self, system):
        started = system.start(expected_classes=4)
        assert (started.policy, started.space) == ("errors-per-second", SPACE)
        loop = system.seen()
        assert loop.phase == SEED
        assert loop.total == 4 * EACH
        pages = system.answer_until(lambda loop: loop.phase == DONE)
        assert labels_of(system) == system.truth
        loop = system.get()
        assert loop.labelled == loop.total
        assert loop.expected_accuracy == pytest.approx(1)
        assert not system.ledger.offered()
        assert len(pages) < 40

    def test_seed_pages_come_first_and_once_answered_are_not_offered_again(self, system):
        system.start(expected_classes=4)
        system.seen()
        clusters = {page.cluster for page in system.ledger.offered() if page.kind == CLUSTER}
        assert len(clusters) == 8
        first = system.ledger.offered()[0]
        assert first.cluster.startswith(system.get().clusters)
        system.person.answer(first)
        system.seen()
        assert first.cluster not in {page.cluster for page in system.ledger.offered()}

    def test_pages_are_of_one_predicted_class_with_their_guesses_and_their_head(self, system):
        system.start(expected_classes=4)
        system.answer_until(lambda loop: loop.phase == VERIFY)
        loop = system.get()
        pages = [page for page in system.ledger.offered() if page.kind == page_pb2.PAGE_KIND_VERIFY]
        assert pages
        for page in pages:
            assert page.class_id in {1, 2, 3, 4}
            assert page.model == loop.model
            second = unpack(page.second, dtype=np.int32, ndim=1, field="second")
            probability = unpack(page.probability, dtype=np.float32, ndim=1, field="probability")
            assert len(second) == len(probability) == len(rows_of(page)) <= 48
            assert (second != page.class_id).all()

    def test_no_image_waits_on_two_pages(self, system):
        system.start(expected_classes=4)
        for _ in range(6):
            system.seen()
            rows = np.concatenate([rows_of(page) for page in system.ledger.offered()])
            assert len(np.unique(rows)) == len(rows)
            system.person.answer(system.ledger.offered()[0])

    def test_a_kicked_image_never_comes_back_under_that_class(self, system):
        system.start(expected_classes=4)
        system.answer_until(lambda loop: loop.phase == VERIFY)
        for _ in range(8):
            system.seen()
            for page in system.ledger.offered():
                kicked = {(row, page.class_id) for row in rows_of(page).tolist()}
                assert not kicked & system.ledger.negatives or page.kind == CLUSTER
            if not system.ledger.offered():
                break
            system.person.answer(system.ledger.offered()[0])

    def test_images_set_aside_are_not_offered(self, system):
        system.start(expected_classes=4)
        system.seen()
        aside = rows_of(system.ledger.offered()[0])[:3]
        system.ledger.say(unsure=aside)
        system.seen()
        offered = np.concatenate([rows_of(page) for page in system.ledger.offered()])
        assert not np.isin(aside, offered).any()
        system.answer_until(lambda loop: loop.phase == DONE)
        assert len(labels_of(system)) == len(system.truth) - 3

    def test_page_ids_are_never_used_again(self, system, stack):
        system.start(expected_classes=4)
        system.answer_until(lambda loop: loop.rounds >= 3)
        system.serve(stack)
        system.answer_until(lambda loop: loop.rounds >= 6)
        ids = [page.page_id for offer in system.ledger.offers for page in offer.pages]
        assert len(set(ids)) == len(ids)

    def test_many_decisions_at_once_take_few_rounds(self, system):
        system.start(expected_classes=4)
        before = system.seen().rounds
        for row in system.rows[:60].tolist():
            system.ledger.say(labels={row: system.truth[row]})
        assert system.seen().rounds - before < 40

    def test_the_head_learns_all_that_the_queue_takes_into_account(self, system):
        system.start(expected_classes=4)
        system.answer_until(lambda loop: loop.phase == VERIFY)
        assert system.training.requests[-1].labels_seq == system.get().seen_seq
        assert system.training.requests[-1].space == SPACE


class TestEdges:
    def test_one_class_only(self, stack, tmp_path):
        system = System(stack, str(tmp_path), blobs(1, 60), np.ones(60, np.int64))
        system.start(expected_classes=1)
        system.answer_until(lambda loop: loop.phase == DONE)
        assert labels_of(system) == system.truth

    def test_ten_images(self, stack, tmp_path):
        system = System(stack, str(tmp_path), blobs(2, 5), np.repeat([1, 2], 5))
        system.start(expected_classes=2)
        system.answer_until(lambda loop: loop.phase == DONE)
        assert labels_of(system) == system.truth

    def test_one_image(self, stack, tmp_path):
        system = System(stack, str(tmp_path), blobs(1, 1), np.array([3]))
        system.start()
        system.answer_until(lambda loop: loop.phase == DONE)
        assert labels_of(system) == system.truth

    def test_images_that_are_all_alike(self, stack, tmp_path):
        vectors = np.repeat(blobs(1, 1), 50, axis=0)
        system = System(stack, str(tmp_path), vectors, np.repeat([1, 2], 25))
        system.start(expected_classes=2)
        system.answer_until(lambda loop: loop.phase == DONE)
        assert labels_of(system) == system.truth

    def test_a_class_that_no_image_has(self, system):
        system.store.write_json(
            layout.schema(COLLECTION),
            {"version": 1, "classes": [{"class_id": n, "merged_into": 0} for n in range(1, 8)]},
        )
        system.start()
        assert system.seen().total == len(system.truth)
        assert system.index.asked[-1].clusters == 14
        system.answer_until(lambda loop: loop.phase == DONE)

    def test_a_class_that_is_named_on_the_way_gets_its_pages(self, stack, tmp_path):
        truth = np.concatenate([np.repeat([1, 2], 90), np.full(20, 9)])
        vectors = np.concatenate([blobs(2, 90, noise=0.8), blobs(3, 20, noise=0.8)[40:]])
        system = System(stack, str(tmp_path), vectors, truth)
        system.start(expected_classes=2)
        system.answer_until(lambda loop: loop.phase == DONE)
        assert labels_of(system) == system.truth

    def test_without_expected_classes_the_index_chooses(self, system):
        system.start()
        system.seen()
        assert system.index.asked[-1].clusters == 0

    def test_a_merged_class_is_not_expected(self, system):
        classes = [{"class_id": n, "merged_into": 1 if n == 3 else 0} for n in range(1, 5)]
        system.store.write_json(layout.schema(COLLECTION), {"version": 1, "classes": classes})
        system.start()
        system.seen()
        assert system.index.asked[-1].clusters == 6

    def test_cleared_labels_lead_back_to_the_seed(self, system):
        system.start(expected_classes=4)
        system.answer_until(lambda loop: loop.phase == VERIFY)
        system.ledger.clear()
        loop = system.seen()
        assert loop.phase == SEED
        assert (loop.labelled, loop.model, loop.expected_accuracy) == (0, "", 0)
        system.answer_until(lambda loop: loop.phase == DONE)
        assert labels_of(system) == system.truth

    def test_new_vectors_are_offered_without_a_decision(self, stack, tmp_path):
        truth = np.repeat(np.arange(1, 5), EACH)
        vectors = blobs(4, EACH, noise=0.8)
        system = System(stack, str(tmp_path), vectors, truth)
        system.start(expected_classes=4)
        system.seen()
        rows = np.append(system.rows, system.rows[-1] + 1)
        vectors = np.concatenate([vectors, vectors[:1]])
        write_space(system.store, vectors, rows)
        assert system.until(lambda loop: loop.total == len(rows))
        assert rows[-1] in np.concatenate([rows_of(page) for page in system.ledger.offered()])


class TestClusters:
    def test_a_clustering_that_fits_is_taken(self, system):
        system.write_clusters("c1", 8)
        system.start(expected_classes=4)
        assert system.seen().clusters == "c1"
        assert not system.index.asked

    @pytest.mark.parametrize(("space", "count"), [(SPACE, 7), ("other@1", 8)])
    def test_one_of_another_number_or_space_is_made_anew(self, system, space, count):
        system.write_clusters("c1", count, space=space)
        system.start(expected_classes=4)
        assert system.seen().clusters != "c1"
        assert system.index.asked[-1].clusters == 8
        assert system.index.asked[-1].space == SPACE

    def test_any_number_fits_when_nobody_said_how_many_classes(self, system):
        system.write_clusters("c1", 7)
        system.start()
        assert system.seen().clusters == "c1"

    def test_a_clustering_that_fails_is_tried_again(self, system):
        system.index.failures = 1
        system.start(expected_classes=4)
        assert system.seen().phase == SEED
        first, *_, last = system.index.asked
        assert first.request_id != last.request_id

    def test_it_goes_on_with_what_people_made_of_its_clusters(self, system):
        system.write_clusters("c1", 8)
        system.start(expected_classes=4)
        assert system.seen().clusters == "c1"
        system.edit_clusters("c2", 8, after=["c1"], split=0)
        loop = wait_for(lambda: system.get() if system.get().clusters == "c2" else None)
        assert loop.phase == SEED
        names = wait_for(lambda: _all_of("c2/", system.ledger.offered()))
        assert {"c2/8", "c2/1"} <= names
        assert not system.index.asked

    def test_clusters_edited_before_it_is_started_anew_are_taken(self, system):
        system.write_clusters("c1", 8)
        system.edit_clusters("c2", 8, after=["c1"], split=0)
        system.start(expected_classes=4)
        assert system.seen().clusters == "c2"
        assert not system.index.asked

    def test_other_clusters_are_no_edit(self, system):
        system.write_clusters("c1", 8)
        system.start(expected_classes=4)
        system.seen()
        system.edit_clusters("c3", 8, after=["c2"], split=0)
        system.person.answer(system.ledger.offered()[0])
        assert system.seen().clusters == "c1"

    def test_a_clustering_that_was_dropped_is_made_anew(self, system, stack):
        system.start(expected_classes=4)
        gone = system.seen().clusters
        system.store.delete(layout.clusters(COLLECTION, gone))
        system.store.delete(layout.clusters_latest(COLLECTION))
        system.serve(stack)
        system.person.answer(system.ledger.offered()[0])
        assert system.seen().clusters not in {"", gone}


class TestTrouble:
    def test_while_training_is_away_it_says_so_and_goes_on_by_itself(self, system):
        system.start(expected_classes=4)
        system.seen()
        system.training.away = True
        seen = system.get().seen_seq
        system.person.answer(system.ledger.offered()[0])
        trouble = wait_for(lambda: system.get().trouble)
        assert trouble == "training: UNAVAILABLE: training is away"
        assert system.get().seen_seq == seen
        system.training.away = False
        assert system.seen().trouble == ""

    def test_while_the_ledger_is_away_it_says_so_and_goes_on_by_itself(self, system):
        system.start(expected_classes=4)
        system.seen()
        system.ledger.away = True
        assert wait_for(lambda: system.get().trouble).startswith("labels: UNAVAILABLE")
        system.ledger.away = False
        system.person.answer(system.ledger.offered()[0])
        assert system.until(lambda loop: not loop.trouble)

    def test_a_queue_that_was_lost_is_filled_again(self, system):
        system.start(expected_classes=4)
        system.seen()
        offers = len(system.ledger.offers)
        system.ledger.lose_queue()
        wait_for(lambda: len(system.ledger.offers) > offers)
        assert system.ledger.offered()

    def test_a_killed_service_takes_up_its_loops(self, system, stack):
        system.start(expected_classes=4, policy="random", page_size=24, seed=5)
        system.answer_until(lambda loop: loop.phase == VERIFY)
        before = system.get()
        system.serve(stack)
        system.person.answer(system.ledger.offered()[0])
        after = system.until(lambda loop: loop.rounds > before.rounds)
        assert (after.policy, after.clusters) == ("random", before.clusters)
        assert max(len(rows_of(page)) for page in system.ledger.offered()) <= 24
        system.answer_until(lambda loop: loop.phase == DONE)
        assert labels_of(system) == system.truth

    def test_decisions_made_while_it_was_down_are_seen(self, system, stack):
        system.start(expected_classes=4)
        pages = system.ledger.offered() if system.seen() else []
        system.loops.close()
        system.person.answer(pages[0])
        system.serve(stack)
        assert system.seen().labelled > 0

    def test_a_loop_that_can_not_be_read_does_not_stop_the_others(self, system, stack):
        system.start(expected_classes=4)
        system.seen()
        make_collection(system.store, "broken")
        system.store.write_json(layout.loop("broken"), {"phase": "?"})
        system.serve(stack)
        assert system.seen().phase == SEED
        with pytest.raises(NotFound):
            system.get("broken")
        write_space(system.store, system.training.vectors[:9], system.rows[:9], "broken")
        assert system.start(collection="broken").collection == "broken"

    def test_it_ends_while_a_peer_does_not_answer(self, system):
        system.start(expected_classes=4)
        system.seen()
        system.training.gate = threading.Event()
        system.person.answer(system.ledger.offered()[0])
        wait_for(lambda: system.training.requests)
        system.loops.stop()
        system.training.gate.set()
        system.loops.close()


class TestStartLoop:
    def test_the_same_request_again_changes_nothing(self, system):
        request_id = str(uuid.uuid4())
        system.start(expected_classes=4, request_id=request_id)
        before = system.seen()
        again = system.start(expected_classes=4, request_id=request_id)
        assert (again.rounds, again.phase, again.clusters) == (
            before.rounds,
            before.phase,
            before.clusters,
        )

    def test_other_settings_start_it_anew(self, system):
        system.start(expected_classes=4)
        rounds = system.seen().rounds
        system.start(expected_classes=6, page_size=12, policy="margin")
        loop = system.until(lambda loop: loop.rounds > rounds)
        assert (loop.policy, loop.expected_classes) == ("margin", 6)
        assert system.index.asked[-1].clusters == 12
        assert max(len(rows_of(page)) for page in system.ledger.offered()) <= 12

    def test_the_duplicates_it_knows_of_are_named(self, system):
        assert system.start().duplicates == ""
        system.store.write_json(layout.duplicates_latest(COLLECTION), {"run": "d1"})
        assert system.start().duplicates == "d1"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("page_size", 201),
            ("page_size", -1),
            ("expected_classes", -1),
            ("expected_classes", 100_001),
            ("policy", "guessing"),
            ("space", "../x"),
            ("request_id", ""),
            ("request_id", "x" * 201),
            ("collection", "../x"),
        ],
    )
    def test_a_wrong_setting_is_named(self, system, field, value):
        with pytest.raises(InvalidArgument) as caught:
            system.start(**{field: value})
        assert caught.value.field == field

    def test_an_unknown_collection_is_not_found(self, system):
        with pytest.raises(NotFound):
            system.start(collection="nobody")

    def test_a_collection_without_vectors_is_a_conflict(self, system):
        make_collection(system.store, "empty")
        with pytest.raises(Conflict) as caught:
            system.start(collection="empty")
        assert caught.value.reason == "NO_VECTORS"
        with pytest.raises(Conflict):
            system.start(space="other@1")

    def test_of_several_spaces_one_must_be_named_or_clustered(self, system):
        write_space(system.store, blobs(1, 9), system.rows[:9], space="other@1")
        with pytest.raises(Conflict) as caught:
            system.start()
        assert caught.value.reason == "SPACE_UNCLEAR"
        system.write_clusters("c1", 4)
        assert system.start().space == SPACE


class TestReading:
    def test_a_loop_that_was_not_started_is_not_found(self, system):
        for call in (system.get, system.propose, system.forecast):
            with pytest.raises(NotFound):
                call()
        with pytest.raises(InvalidArgument):
            system.get("../x")

    def test_proposing_changes_nothing(self, system):
        system.start(expected_classes=4, page_size=12)
        system.answer_until(lambda loop: loop.phase == VERIFY)
        offers = len(system.ledger.offers)
        before = system.get()
        pages = system.propose(limit=3)
        assert len(pages) == 3
        assert [page.score for page in pages] == sorted((p.score for p in pages), reverse=True)
        assert [rows_of(page).tolist() for page in system.propose(limit=3)] == [
            rows_of(page).tolist() for page in pages
        ]
        assert len(system.ledger.offers) == offers
        assert system.get() == before

    def test_another_policy_can_be_asked(self, system):
        system.start(expected_classes=4)
        system.answer_until(lambda loop: loop.phase == VERIFY)
        kinds = {page.kind for page in system.propose(policy="margin") if page.score < 1000}
        assert kinds == {page_pb2.PAGE_KIND_SINGLE}
        with pytest.raises(InvalidArgument) as caught:
            system.propose(policy="guessing")
        assert caught.value.field == "policy"
        for limit in (-1, 257):
            with pytest.raises(InvalidArgument):
                system.propose(limit=limit)

    def test_a_forecast_comes_down_to_nothing(self, system):
        system.start(expected_classes=4)
        system.answer_until(lambda loop: loop.phase == VERIFY)
        first = system.forecast(0.999)
        assert first.seconds > 0
        assert first.pages > 0
        assert 0 < first.images <= len(system.truth)
        assert 0 < first.expected_accuracy < 1
        assert system.forecast(0.5).seconds <= first.seconds
        system.answer_until(lambda loop: loop.phase == DONE)
        last = system.forecast()
        assert (last.seconds, last.pages, last.images) == (0, 0, 0)
        assert last.expected_accuracy == pytest.approx(1)

    def test_slow_people_take_longer(self, system):
        system.start(expected_classes=4)
        system.answer_until(lambda loop: loop.phase == VERIFY)
        usual = system.forecast(0.999).seconds
        page = page_pb2.Page(kind=page_pb2.PAGE_KIND_VERIFY, rows=pack(np.arange(48)))
        slow = labels_pb2.Event(
            seq=system.ledger.seq,
            kind=labels_pb2.EVENT_KIND_DECISION,
            page=page,
            seconds=12.0,
            judgements=[
                labels_pb2.Judgement(
                    class_id=1, verdict=labels_pb2.VERDICT_IS, rows=pack(np.arange(48))
                )
            ],
        )
        picked = labels_pb2.Event()
        picked.CopyFrom(slow)
        picked.page.kind = page_pb2.PAGE_KIND_PICKED
        system.ledger.decisions.append(picked)
        assert system.forecast(0.999).seconds == usual, "what people pick says nothing of pages"
        system.ledger.decisions.append(slow)
        assert system.forecast(0.999).seconds == pytest.approx(3 * usual, rel=0.01)

    def test_before_a_head_there_is_no_forecast(self, system):
        system.start(expected_classes=4)
        system.seen()
        with pytest.raises(Conflict) as caught:
            system.forecast()
        assert caught.value.reason == "NO_HEAD"
        for target in (0.4, 1.0):
            with pytest.raises(InvalidArgument) as wrong:
                system.forecast(target)
            assert wrong.value.field == "target"

    def test_before_the_first_round_there_is_nothing_to_propose(self, system):
        system.ledger.away = True
        system.start(expected_classes=4)
        with pytest.raises(Unavailable) as caught:
            system.propose()
        assert caught.value.reason == "LOOP_PREPARING"
