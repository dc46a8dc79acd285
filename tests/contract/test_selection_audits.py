"""The loop audits, certifies and stops; and goes on when the proof does not hold any more."""

from contextlib import ExitStack

import numpy as np
import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.selection.v1 import selection_pb2 as pb
from hundredfold.chassis.errors import Conflict, InvalidArgument
from hundredfold.chassis.storage import layout
from hundredfold.chassis.tensors import unpack
from hundredfold.chassis.testing import wait_for
from hundredfold.selection.store import SelectionStore
from tests.contract.index_spaces import COLLECTION, SPACE, blobs, write_space
from tests.contract.selection_system import System

SEED, AUDIT, DONE = pb.LOOP_PHASE_SEED, pb.LOOP_PHASE_AUDIT, pb.LOOP_PHASE_DONE
AUDIT_PAGE = page_pb2.PAGE_KIND_AUDIT
EACH = 100
WITHOUT = ("planting", "cleaning", "stream")


def rows_of(page):
    return unpack(page.rows, dtype=np.int64, ndim=1, field="rows").tolist()


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def system(stack, tmp_path):
    truth = np.repeat(np.arange(1, 5), EACH)
    return System(stack, str(tmp_path), blobs(4, EACH, noise=0.8), truth)


def start(system, **fields):
    asked = {
        "expected_classes": 4,
        "page_size": 12,
        "target_accuracy": 0.9,
        "auto_label": True,
        "without": WITHOUT,
        **fields,
    }
    return system.start(**asked)


def is_done(loop):
    return loop.phase == DONE


def waits_for_audit(loop):
    return loop.phase == AUDIT


def answer_wrongly(system):
    """Kick every image of the open audit."""
    for page in system.ledger.offered():
        if page.audit_id:
            system.ledger.say(negatives=[(row, page.class_id) for row in rows_of(page)])


class TestTheEnd:
    def test_it_audits_and_lets_the_head_label_the_rest(self, system):
        started = start(system)
        assert started.target_accuracy == pytest.approx(0.9)
        assert started.confidence == pytest.approx(0.95)
        system.answer_until(is_done)
        loop = system.get()
        by_people = sum(origin != 127 for origin in system.ledger.origins.values())
        assert by_people < 0.8 * loop.total
        assert loop.labelled == loop.total
        assert loop.proved_accuracy >= 0.9
        assert loop.audit_id == "audit-1"
        assert not system.ledger.offered()
        right = sum(system.ledger.labels[row] == truth for row, truth in system.truth.items())
        assert right >= 0.9 * loop.total
        audit = system.ledger.audits["audit-1"]
        assert audit.allowed_error == pytest.approx(0.1)
        assert audit.confidence == pytest.approx(0.95)

    def test_an_audit_that_did_not_pass_does_once_people_have_put_enough_right(self, system):
        start(system, target_accuracy=0.7)
        system.answer_until(waits_for_audit)
        (audit,) = system.ledger.audits.values()
        share = audit.population / audit.sample / audit.total
        system.ledger.slack = (
            0.3 - share + 0.5 / audit.total
        )  # for one wrong image: half an image too much
        page = system.ledger.offered()[0]
        kicked, *others = rows_of(page)
        system.ledger.say(negatives=[(kicked, page.class_id)])
        system.ledger.say(labels=dict.fromkeys(others, page.class_id))
        system.answer_until(lambda loop: not waits_for_audit(loop))
        assert system.until(lambda loop: loop.phase != DONE).proved_accuracy == 0
        assert len(system.ledger.audits) == 1
        system.ledger.say(labels={kicked: system.truth[kicked]})
        loop = system.until(is_done)
        assert loop.proved_accuracy >= 0.7
        assert len(system.ledger.audits) == 1
        assert loop.labelled == loop.total

    def test_what_was_audited_can_be_read_while_it_is_there(self, system):
        start(system)
        system.answer_until(waits_for_audit)
        found = SelectionStore(system.store).audited(COLLECTION, "audit-1", 3)
        assert (
            dict(zip(found.rows, found.class_ids, strict=True)) == system.ledger.guesses["audit-1"]
        )
        assert found.short == 3
        assert SelectionStore(system.store).audited(COLLECTION, "audit-9", 3).short == 0

    def test_without_auto_label_it_only_stops(self, system):
        start(system, auto_label=False)
        system.answer_until(is_done)
        loop = system.get()
        assert loop.labelled < loop.total
        assert loop.proved_accuracy >= 0.9
        assert not system.ledger.offered()
        assert not system.ledger.OfferPages.__self__.offers[-1].pages

    def test_while_an_audit_waits_other_pages_are_offered_below_it_without_its_images(self, system):
        start(system)
        system.answer_until(waits_for_audit)
        pages = system.ledger.offered()
        audited = {row for page in pages if page.kind == AUDIT_PAGE for row in rows_of(page)}
        others = [page for page in pages if page.kind != AUDIT_PAGE]
        assert pages[0].kind == AUDIT_PAGE
        assert others
        assert not audited & {row for page in others for row in rows_of(page)}

    def test_without_a_target_nothing_is_audited(self, system):
        start(system, target_accuracy=0)
        system.answer_until(is_done)
        assert not system.ledger.audits
        assert system.get().labelled == system.get().total
        assert (system.get().confidence, system.get().proved_accuracy) == (0, 0)

    def test_the_forecast_counts_audits_until_it_is_done(self, system):
        start(system)
        system.answer_until(lambda loop: loop.phase == pb.LOOP_PHASE_VERIFY)
        first = system.forecast()
        assert 0 < first.audit_seconds <= first.seconds
        assert first.seconds_low < first.seconds < first.seconds_high
        assert first.pages_low <= first.pages <= first.pages_high
        assert not first.ready
        system.answer_until(waits_for_audit)
        assert system.forecast().ready
        assert system.forecast().audit_seconds > 0
        system.answer_until(is_done)
        last = system.forecast()
        assert (last.seconds, last.seconds_high, last.audit_seconds) == (0, 0, 0)
        assert not last.ready


class TestFailure:
    def test_after_one_that_failed_people_go_on_and_it_looks_again_later(self, system):
        start(system)
        system.answer_until(waits_for_audit)
        answer_wrongly(system)
        loop = system.until(lambda loop: loop.phase not in {AUDIT, DONE})
        assert loop.proved_accuracy == 0
        assert len(system.ledger.audits) == 1
        assert system.ledger.offered()
        system.answer_until(is_done)
        assert len(system.ledger.audits) <= 3

    def test_one_that_another_abandoned_is_forgotten(self, system):
        start(system)
        system.answer_until(waits_for_audit)
        with system.ledger.changed:
            system.ledger.audits["audit-1"].state = 5  # ABANDONED
        system.ledger.say()
        system.until(lambda loop: loop.phase != AUDIT)
        system.answer_until(is_done)
        assert system.get().labelled == system.get().total

    def test_one_that_the_ledger_does_not_know_any_more_is_forgotten(self, system):
        start(system)
        system.answer_until(waits_for_audit)
        with system.ledger.changed:
            system.ledger.audits.clear()
            system.ledger.by_request.clear()
        system.ledger.say()
        system.answer_until(is_done)
        assert system.get().proved_accuracy >= 0.9


class TestAfterTheEnd:
    @pytest.fixture
    def done(self, system):
        start(system)
        system.answer_until(is_done)
        return system

    def test_it_stays_done_when_late_answers_come(self, done):
        machine = [row for row, origin in done.ledger.origins.items() if origin == 127]
        done.ledger.say(labels={machine[0]: done.truth[machine[0]]})
        loop = done.seen()
        assert (loop.phase, loop.labelled) == (DONE, loop.total)

    def test_an_undone_certificate_is_not_written_again_and_people_go_on(self, done):
        done.ledger.undo_certificate()
        loop = done.until(lambda loop: loop.phase != DONE)
        assert loop.proved_accuracy == 0
        assert loop.labelled < loop.total
        assert len(done.ledger.certificates) == 1
        done.answer_until(is_done)

    def test_new_images_are_offered_and_audited(self, done):
        count = len(done.rows)
        rows = np.append(done.rows, done.rows[-1] + 1 + np.arange(60))
        vectors = np.concatenate([done.training.vectors, done.training.vectors[:60]])
        done.training.vectors, done.training.rows = vectors.astype(np.float32), rows
        new = dict(zip(rows[count:].tolist(), list(done.truth.values())[:60], strict=True))
        done.truth.update(new)
        write_space(done.store, vectors.astype(np.float16), rows)
        loop = done.until(lambda loop: loop.total == count + 60)
        assert (loop.phase == DONE, loop.proved_accuracy) == (False, 0)
        done.answer_until(is_done)
        assert done.get().labelled == count + 60

    def test_cleared_labels_lead_back_to_the_seed(self, done):
        done.ledger.clear()
        loop = done.until(lambda loop: loop.phase == SEED)
        assert (loop.proved_accuracy, loop.labelled) == (0, 0)
        done.answer_until(is_done)

    def test_a_label_that_is_taken_back_is_asked_for_again(self, done):
        with done.ledger.changed:
            people = [row for row, origin in done.ledger.origins.items() if origin != 127][:40]
            for row in people:
                del done.ledger.labels[row], done.ledger.origins[row]
        done.ledger.say()
        done.until(lambda loop: loop.phase != DONE)
        done.answer_until(is_done)
        assert done.get().labelled == done.get().total

    def test_started_anew_with_the_same_target_it_is_still_done(self, done):
        start(done)
        assert done.until(is_done).proved_accuracy >= 0.9
        assert len(done.ledger.audits) == 1


class TestKilled:
    def test_between_asking_for_an_audit_and_hearing_of_it_the_same_one_is_asked_for(
        self, system, stack
    ):
        start(system)
        system.ledger.answers_lost = True
        for _ in range(400):
            if system.ledger.away:
                break
            system.seen()
            system.person.answer(system.ledger.offered()[0])
            wait_for(lambda: system.ledger.away or system.get().seen_seq == system.ledger.seq)
        assert system.ledger.away
        system.loops.close()
        system.ledger.away = False
        system.serve(stack)
        system.until(waits_for_audit)
        assert list(system.ledger.audits) == ["audit-1"]
        assert system.get().audit_id == "audit-1"
        system.answer_until(is_done)

    def test_between_certifying_and_hearing_of_it_one_certificate_is_written(self, system, stack):
        start(system)
        system.answer_until(waits_for_audit)
        system.ledger.answers_lost = True
        while not system.ledger.away:
            pages = [page for page in system.ledger.offered() if page.audit_id]
            if pages:
                system.person.answer(pages[0])
            wait_for(lambda: system.ledger.away or system.get().seen_seq == system.ledger.seq)
        system.loops.close()
        system.ledger.away = False
        system.serve(stack)
        assert system.until(is_done).proved_accuracy >= 0.9
        assert len(system.ledger.certificates) == 1

    def test_all_settings_and_the_open_audit_are_there_after_a_restart(self, system, stack):
        start(system, confidence=0.9, without=["planting", "stream", "negatives", "planting"])
        system.answer_until(waits_for_audit)
        before = system.get()
        system.serve(stack)
        after = system.get()
        assert after.phase == AUDIT
        assert (after.target_accuracy, after.audit_id) == (before.target_accuracy, "audit-1")
        assert after.confidence == pytest.approx(0.9)
        assert list(after.without) == ["negatives", "planting", "stream"]
        system.answer_until(is_done)
        assert system.training.requests[-1].without_negatives


class TestEdges:
    def test_before_there_is_a_head_nothing_is_audited(self, system):
        start(system, target_accuracy=0.5)
        assert system.seen().phase == SEED
        assert not system.ledger.audits
        with pytest.raises(Conflict) as caught:
            system.forecast()
        assert caught.value.reason == "NO_HEAD"

    @pytest.mark.parametrize(
        ("vectors", "truth"),
        [
            (blobs(1, 60), np.ones(60, np.int64)),
            (blobs(2, 5), np.repeat([1, 2], 5)),
            (np.repeat(blobs(1, 1), 50, axis=0), np.repeat([1, 2], 25)),
        ],
        ids=["one class", "ten images", "all alike"],
    )
    def test_it_comes_to_an_end(self, stack, tmp_path, vectors, truth):
        system = System(stack, str(tmp_path), vectors, truth)
        start(system, expected_classes=int(truth.max()), auto_label=True)
        system.answer_until(is_done)
        loop = system.get()
        # What an audit found wrong and nobody has named since stays open.
        open_ = set(system.truth) - set(system.ledger.labels)
        assert open_ <= {row for row, _ in system.ledger.negatives}
        assert loop.labelled == loop.total - len(open_) >= loop.target_accuracy * loop.total
        right = sum(system.ledger.labels.get(row) == each for row, each in system.truth.items())
        assert right >= 0.9 * loop.total

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("target_accuracy", 0.49),
            ("target_accuracy", 1.0),
            ("target_accuracy", -0.9),
            ("target_accuracy", float("nan")),
            ("target_accuracy", float("inf")),
            ("confidence", 0.4),
            ("confidence", 1.0),
            ("without", ["pages"]),
        ],
    )
    def test_a_wrong_setting_is_named(self, system, field, value):
        with pytest.raises(InvalidArgument) as caught:
            start(system, **{field: value})
        assert caught.value.field == field

    def test_the_bounds_themselves_are_allowed(self, system):
        for share in (0.5, 0.9999):
            assert start(system, target_accuracy=share, confidence=share).confidence == (
                pytest.approx(share)
            )

    def test_the_place_of_an_older_version_is_read(self, system, stack):
        start(system, target_accuracy=0)
        system.seen()
        document = system.store.read_json(layout.loop(COLLECTION))
        kept = {
            key: value
            for key, value in document.items()
            if key
            in {"collection", "space", "expected_classes", "page_size", "policy", "seed"}
            | {"request_id", "clusters", "phase", "rounds", "discovery", "seen_seq", "model"}
        }
        system.loops.close()
        system.store.write_json(layout.loop(COLLECTION), kept)
        system.serve(stack)
        assert system.get().space == SPACE
        assert system.get().rounds >= document["rounds"]
