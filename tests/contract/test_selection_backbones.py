"""Better spaces: trained, measured and taken into use while people go on."""

import threading
from contextlib import ExitStack

import numpy as np
import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.selection.v1 import selection_pb2 as pb
from hundredfold.chassis.errors import Conflict, NotFound, ServiceError
from hundredfold.chassis.holdout import held_out, in_stream
from hundredfold.chassis.storage import layout
from hundredfold.chassis.tensors import unpack
from hundredfold.chassis.testing import wait_for
from hundredfold.selection.domain.refining import Rules
from tests.contract.index_spaces import COLLECTION, SPACE, blobs, write_space
from tests.contract.selection_system import System

IDLE, TRAINING, EMBEDDING, CLUSTERING = (
    pb.BACKBONE_STEP_IDLE,
    pb.BACKBONE_STEP_TRAINING,
    pb.BACKBONE_STEP_EMBEDDING,
    pb.BACKBONE_STEP_CLUSTERING,
)
DONE, VERIFY = pb.LOOP_PHASE_DONE, pb.LOOP_PHASE_VERIFY
EARLY = Rules(
    each_class=1, least=40, of_a_class=2, measured=3, growth=50.0, last=0.0, most_labelled=1.0
)
EACH = 100
NEW = "tuned@1"


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def system(stack, tmp_path):
    truth = np.repeat(np.arange(1, 5), EACH)
    system = System(stack, str(tmp_path), blobs(4, EACH, noise=0.8), truth, rules=EARLY)
    system.training.train_gate = threading.Event()
    system.start(expected_classes=4, page_size=12, without=["planting", "cleaning"])
    return system


def until_step(system, step):
    return wait_for(lambda: system.get() if system.get().backbone_step == step else None, 20)


def until_round(system, number=1):
    return wait_for(
        lambda: system.get() if len(system.get().backbone_rounds) >= number else None, 20
    )


def work_until(system, step):
    """Answer pages until the search is so far; the loop never stands still meanwhile."""
    system.answer_until(lambda loop: loop.backbone_step == step)


def finish(system):
    system.answer_until(lambda loop: loop.phase == DONE)
    assert system.ledger.labels == system.truth


class TestTheWay:
    def test_a_better_space_is_taken_into_use_in_one_step(self, system):
        work_until(system, TRAINING)
        before = system.get()
        (asked,) = wait_for(lambda: system.training.trainings)
        assert (asked.collection, asked.space) == (COLLECTION, SPACE)
        system.training.train_gate.set()
        loop = until_round(system)
        (came,) = loop.backbone_rounds
        assert (came.promoted, came.before, came.after, came.reason) == (True, SPACE, NEW, "")
        assert came.accuracy_after > came.accuracy_before > 0
        assert came.purity_after > came.purity_before > 0
        assert came.images > 0
        assert came.labels >= EARLY.least
        assert came.ended_at > 0
        assert loop.space == NEW
        assert loop.clusters != before.clusters
        assert loop.backbone_step == IDLE
        assert loop.phase == VERIFY
        assert loop.labelled >= before.labelled
        assert system.training.requests[-1].space == NEW
        assert system.index.asked[-1].space == NEW
        assert system.index.asked[-1].clusters == system.index.asked[0].clusters
        assert system.index.built == [NEW]
        finish(system)

    def test_the_queue_is_never_empty_and_every_page_is_of_one_space(self, system):
        work_until(system, TRAINING)
        system.training.train_gate.set()
        until_round(system)
        assert all(len(offer.pages) for offer in system.ledger.offers)
        old = {page.model for offer in system.ledger.offers[:-1] for page in offer.pages}
        last = system.ledger.offers[-1]
        verify = [page for page in last.pages if page.kind == page_pb2.PAGE_KIND_VERIFY]
        assert verify
        assert {page.model for page in verify} == {system.get().model}
        assert system.get().model not in old

    def test_after_the_switch_nobody_is_sent_back_to_the_clusters(self, system, stack):
        work_until(system, TRAINING)
        system.training.train_gate.set()
        until_round(system)
        system.serve(stack)
        for _ in range(3):
            assert system.seen().phase == VERIFY
            assert not [page for page in system.ledger.offered() if page.cluster]
            system.person.answer(system.ledger.offered()[0])

    def test_what_matters_most_is_embedded_first(self, system):
        work_until(system, TRAINING)
        system.embedding.gate = threading.Event()
        labelled = set(system.ledger.labels)
        system.training.train_gate.set()
        wait_for(lambda: system.embedding.asked)
        (asked,) = system.embedding.asked
        first = unpack(asked.first_rows, dtype=np.int64, ndim=1, field="first_rows")
        assert len(np.unique(first)) == len(first) > len(labelled)
        assert set(first[: len(labelled)].tolist()) == labelled
        kept = held_out(first[: len(labelled)])
        assert kept.any()
        assert (np.diff(kept.astype(int)) <= 0).all()
        system.embedding.gate.set()

    def test_it_is_measured_before_all_images_are_embedded(self, system):
        work_until(system, TRAINING)
        system.embedding.gate = threading.Event()
        system.training.train_gate.set()
        wait_for(lambda: system.training.comparisons)
        assert system.get().backbone_step == EMBEDDING
        assert len(system.store.list(layout.all_vectors(COLLECTION))) == 2
        system.embedding.gate.set()
        assert until_round(system).space == NEW

    def test_people_go_on_meanwhile(self, system):
        work_until(system, TRAINING)
        labelled = system.get().labelled
        system.person.answer(system.ledger.offered()[0])
        assert system.seen().labelled > labelled
        assert system.get().backbone_step == TRAINING
        system.training.train_gate.set()

    def test_without_fine_tuning_there_is_none(self, stack, tmp_path):
        truth = np.repeat(np.arange(1, 5), EACH)
        system = System(stack, str(tmp_path), blobs(4, EACH, noise=0.8), truth, rules=EARLY)
        system.start(expected_classes=4, page_size=12, without=["fine-tuning"])
        finish(system)
        assert not system.training.trainings
        assert not system.get().backbone_rounds


class TestNotBetter:
    def test_it_is_dropped_and_its_embedding_ended(self, system):
        work_until(system, TRAINING)
        system.training.better = False
        system.embedding.gate = threading.Event()
        system.training.train_gate.set()
        loop = until_round(system)
        (came,) = loop.backbone_rounds
        assert not came.promoted
        assert came.reason.startswith("not better: accuracy")
        assert came.accuracy_after < came.accuracy_before
        assert (loop.space, loop.backbone_step) == (SPACE, IDLE)
        (run,) = system.embedding.runs.list()
        assert wait_for(lambda: system.embedding.runs.get(run.run_id).state.ended)
        assert not [asked for asked in system.index.asked if asked.space == NEW]
        finish(system)

    def test_the_next_is_tried_only_when_labels_have_grown(self, system):
        work_until(system, TRAINING)
        system.training.better = False
        system.training.train_gate.set()
        until_round(system)
        finish(system)
        assert len(system.training.trainings) == 1

    @pytest.mark.parametrize(
        "refusal",
        [
            Conflict("no torch here", reason="NO_TORCH"),
            NotFound("there is no such base"),
            ServiceError("internal error"),
        ],
    )
    def test_a_training_that_is_refused_is_written_down(self, stack, tmp_path, refusal):
        truth = np.repeat(np.arange(1, 5), EACH)
        system = System(stack, str(tmp_path), blobs(4, EACH, noise=0.8), truth, rules=EARLY)
        system.training.train_refusal = refusal
        system.start(expected_classes=4, page_size=12)
        system.answer_until(lambda loop: loop.backbone_rounds)
        (came,) = system.get().backbone_rounds
        assert (came.promoted, came.after) == (False, "")
        assert came.reason.startswith("training: ")
        finish(system)

    def test_a_training_that_fails_leaves_all_as_it_was(self, system):
        work_until(system, TRAINING)
        system.training.train_error = "the loss is not a number"
        system.training.train_gate.set()
        (came,) = until_round(system).backbone_rounds
        assert came.reason == "training: the loss is not a number"
        assert (came.promoted, came.after) == (False, "")
        assert system.get().space == SPACE
        finish(system)

    def test_a_training_that_somebody_cancels_is_over(self, system):
        work_until(system, TRAINING)
        (run,) = wait_for(system.training.runs.list)
        system.training.runs.cancel(run.run_id)
        (came,) = until_round(system).backbone_rounds
        assert came.reason == "training: it was cancelled"

    def test_a_space_that_stays_incomplete_is_not_used(self, system):
        work_until(system, TRAINING)
        system.embedding.leaves_out = 7
        system.training.train_gate.set()
        (came,) = until_round(system).backbone_rounds
        assert came.reason == "7 images have no vector in the new space"
        assert system.get().space == SPACE
        assert len({asked.request_id for asked in system.embedding.asked}) > 1

    def test_when_the_work_is_done_before_it_ends(self, system):
        work_until(system, TRAINING)
        wait_for(system.training.runs.list)
        finish(system)
        (came,) = until_round(system).backbone_rounds
        assert came.reason == "the work was done before"
        (run,) = system.training.runs.list()
        assert wait_for(lambda: system.training.runs.get(run.run_id).state.ended)

    @pytest.mark.parametrize("fields", [{"without": ["fine-tuning"]}, {"space": "other@1"}])
    def test_a_loop_that_is_started_anew_without_it_ends_it(self, system, fields):
        work_until(system, TRAINING)
        wait_for(system.training.runs.list)
        write_space(
            system.store, system.training.vectors.astype(np.float16), system.rows, space="other@1"
        )
        system.start(expected_classes=4, page_size=12, **{"space": SPACE, **fields})
        (came,) = until_round(system).backbone_rounds
        assert came.reason == "the loop was started anew"
        (run,) = system.training.runs.list()
        assert wait_for(lambda: system.training.runs.get(run.run_id).state.ended)

    def test_one_that_is_started_anew_as_before_goes_on_with_it(self, system):
        work_until(system, TRAINING)
        system.start(expected_classes=4, page_size=12, space=SPACE)
        system.training.train_gate.set()
        assert until_round(system).space == NEW
        assert len({asked.request_id for asked in system.training.trainings}) == 1

    @pytest.mark.parametrize(("fields", "space"), [({}, NEW), ({"space": SPACE}, SPACE)])
    def test_it_stays_in_the_better_space_unless_another_is_named(self, system, fields, space):
        work_until(system, TRAINING)
        system.training.train_gate.set()
        until_round(system)
        system.write_clusters("c1", 8)
        assert system.start(expected_classes=4, page_size=12, **fields).space == space
        assert system.seen().space == space

    def test_what_was_learnt_from_labels_that_were_cleared_is_not_used(self, system):
        work_until(system, TRAINING)
        system.ledger.clear()
        (came,) = until_round(system).backbone_rounds
        assert came.reason == "the labels that it learns from were cleared"
        assert system.get().space == SPACE

    def test_after_labels_were_cleared_the_first_is_due_as_ever(self, system):
        work_until(system, TRAINING)
        system.training.better = False
        system.training.train_gate.set()
        until_round(system)
        system.ledger.clear()
        system.seen()
        system.training.train_gate.clear()
        work_until(system, TRAINING)
        system.training.train_gate.set()
        assert len(until_round(system, 2).backbone_rounds) == 2


class TestTrouble:
    def test_an_embedding_that_fails_is_asked_for_again(self, system):
        work_until(system, TRAINING)
        system.embedding.failures = 2
        system.training.train_gate.set()
        assert until_round(system).space == NEW
        assert len({asked.request_id for asked in system.embedding.asked}) == 3

    def test_one_that_always_fails_is_given_up(self, system):
        work_until(system, TRAINING)
        system.embedding.failures = 99
        system.training.train_gate.set()
        (came,) = until_round(system).backbone_rounds
        assert came.reason == "no luck"
        assert system.get().space == SPACE

    def test_a_clustering_that_fails_is_asked_for_again(self, system):
        work_until(system, TRAINING)
        system.index.failures = 1
        system.training.train_gate.set()
        assert until_round(system).space == NEW

    def test_while_embedding_is_away_people_go_on_and_it_waits(self, system):
        work_until(system, TRAINING)
        system.embedding.away = True
        system.training.train_gate.set()
        until_step(system, EMBEDDING)
        system.person.answer(system.ledger.offered()[0])
        assert system.seen().trouble == ""
        assert not system.get().backbone_rounds
        system.embedding.away = False
        assert until_round(system).space == NEW

    def test_while_training_is_away_it_waits(self, system):
        work_until(system, TRAINING)
        system.training.away = True
        system.training.train_gate.set()
        system.training.away = False
        assert until_round(system).space == NEW

    def test_images_that_came_meanwhile_are_embedded_before_the_switch(self, system):
        work_until(system, TRAINING)
        system.embedding.gate = threading.Event()
        system.training.train_gate.set()
        wait_for(lambda: system.training.comparisons)
        grow(system, 9)
        system.until(lambda loop: loop.total == 4 * EACH + 9)
        system.embedding.rows, late = system.rows, system.embedding
        late.vectors, vectors = late.vectors[: len(system.rows)], late.vectors
        system.embedding.gate.set()
        wait_for(lambda: len(system.embedding.asked) > 1)
        late.vectors, late.rows = vectors, system.grown
        loop = until_round(system)
        assert (loop.space, loop.total) == (NEW, 4 * EACH + 9)

    def test_images_that_come_after_the_switch_get_vectors_in_the_new_space(self, system):
        work_until(system, TRAINING)
        system.training.train_gate.set()
        until_round(system)
        grow(system, 9)
        loop = system.until(lambda loop: loop.total == 4 * EACH + 9)
        assert loop.space == NEW
        finish(system)


def grow(system, count):
    """New images, embedded where all were embedded first."""
    rows = np.append(system.rows, system.rows[-1] + 1 + np.arange(count))
    vectors = np.concatenate([system.training.vectors, system.training.vectors[:count]])
    system.grown = rows
    system.training.vectors, system.training.rows = vectors, rows
    system.embedding.vectors, system.embedding.rows = vectors.astype(np.float16), rows
    system.index.vectors, system.index.rows = vectors.astype(np.float16), rows
    truth = list(system.truth.values())[:count]
    system.truth.update(dict(zip(rows[-count:].tolist(), truth, strict=True)))
    write_space(system.store, vectors.astype(np.float16), rows)


class TestKilled:
    def test_while_it_trains(self, system, stack):
        work_until(system, TRAINING)
        system.serve(stack)
        system.training.train_gate.set()
        assert until_round(system).space == NEW
        assert len({asked.request_id for asked in system.training.trainings}) == 1

    def test_before_the_run_of_a_training_is_kept(self, system, stack):
        work_until(system, TRAINING)
        wait_for(lambda: system.training.trainings)
        system.loops.close()
        forget_run(system)
        system.serve(stack)
        system.training.train_gate.set()
        assert until_round(system).space == NEW
        assert len({asked.request_id for asked in system.training.trainings}) == 1

    def test_while_it_embeds(self, system, stack):
        work_until(system, TRAINING)
        system.embedding.gate = threading.Event()
        system.training.train_gate.set()
        wait_for(system.embedding.runs.list)  # which begin when the comparison is kept
        system.serve(stack)
        system.embedding.gate.set()
        assert until_round(system).space == NEW
        assert len(system.embedding.runs.list()) == 1
        assert len(system.training.comparisons) == 1

    def test_before_the_run_of_an_embedding_is_kept(self, system, stack):
        work_until(system, TRAINING)
        system.embedding.gate = threading.Event()
        system.training.train_gate.set()
        wait_for(lambda: system.training.comparisons)
        system.loops.close()
        forget_run(system)
        system.serve(stack)
        system.person.answer(system.ledger.offered()[0])
        wait_for(lambda: len(system.embedding.asked) > 1)
        system.embedding.gate.set()
        assert until_round(system).space == NEW

    def test_before_the_switch(self, system, stack):
        work_until(system, TRAINING)
        system.training.away_for = NEW
        system.training.train_gate.set()
        wait_for(lambda: system.get().trouble == "training: UNAVAILABLE: training is away")
        assert system.get().space == SPACE
        system.serve(stack)
        system.training.away_for = ""
        assert until_round(system).space == NEW
        finish(system)

    def test_between_the_offer_and_keeping_the_switch(self, system, stack):
        work_until(system, TRAINING)
        system.ledger.away_after_offer_of = 1_000_000
        system.training.train_gate.set()
        wait_for(lambda: system.ledger.away)
        assert system.get().space == SPACE
        system.loops.close()
        system.ledger.away_after_offer_of, system.ledger.away = 0, False
        system.serve(stack)
        assert until_round(system).space == NEW
        finish(system)


def forget_run(system):
    """As when the service was killed after a call and before its answer was kept."""
    path = layout.loop(COLLECTION)
    document = system.store.read_json(path)
    document["tuning"]["run"] = ""
    system.store.write_json(path, document)


class TestMeasures:
    def test_the_random_stream_measures_the_head(self, stack, tmp_path):
        truth = np.repeat(np.arange(1, 5), 600)
        system = System(stack, str(tmp_path), blobs(4, 600, noise=0.8), truth)
        system.start(expected_classes=4, without=["planting", "cleaning"])
        system.answer_until(lambda loop: loop.phase == VERIFY)
        assert system.get().measured_accuracy == 0
        streamed = system.rows[in_stream(system.rows)].tolist()
        system.ledger.say(labels={row: system.truth[row] for row in streamed})
        loop = system.seen()
        assert loop.measured_images == len(streamed) >= 20
        assert 0.5 < loop.measured_accuracy <= 1


class TestReviews:
    def test_labels_that_look_wrong_are_asked_about_again_once(self, stack, tmp_path):
        truth = np.repeat(np.arange(1, 5), EACH)
        system = System(stack, str(tmp_path), blobs(4, EACH, noise=0.8), truth)
        system.training.doubted = [int(row) for row in system.rows[::9]]
        system.start(expected_classes=4, page_size=12)
        answered = system.answer_until(lambda loop: loop.labelled > 200)
        assert 0 < system.training.judgements < 20
        reviewed = [page for page in answered if page.kind == page_pb2.PAGE_KIND_REVIEW]
        rows = [row for page in reviewed for row in unpack_rows(page)]
        assert rows
        assert len(set(rows)) == len(rows)
        assert set(rows) <= set(system.training.doubted)


def unpack_rows(page):
    return unpack(page.rows, dtype=np.int64, ndim=1, field="rows").tolist()
