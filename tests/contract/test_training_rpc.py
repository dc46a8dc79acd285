"""The training service, with a stand-in of the labels service."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from safetensors.numpy import load

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.training.v1 import training_pb2 as pb
from hundredfold.api.training.v1 import training_pb2_grpc
from hundredfold.chassis.errors import Aborted, Conflict, InvalidArgument, NotFound, Unavailable
from hundredfold.chassis.holdout import held_out, in_stream
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import unpack
from hundredfold.chassis.testing import serving, wait_for
from hundredfold.training.finetune_job import KIND, FineTune, Tuner
from hundredfold.training.fitting import Fitter
from hundredfold.training.judging import Judge
from hundredfold.training.peers import CERTIFIED, REVIEWED, Ledger
from hundredfold.training.scratch import Scratch
from hundredfold.training.servicer import TrainingServicer, training_mount
from hundredfold.training.spaces import Spaces
from hundredfold.training.store import HeadStore
from tests.contract.index_spaces import (
    COLLECTION,
    SPACE,
    blobs,
    make_collection,
    scattered_rows,
    write_space,
)
from tests.contract.ledger_stand_in import LedgerStandIn

CLASSES, EACH = 4, 40
COUNT = CLASSES * EACH
VECTORS = blobs(CLASSES, EACH, noise=0.5)
ROWS = scattered_rows(COUNT)
TRUTH = np.repeat(np.arange(1, CLASSES + 1), EACH).astype(np.int32)


class Served:
    """The service on a store of its own, a ledger, and a caller."""

    def __init__(self, store, ledger, channel):
        self.store = store
        self.ledger = ledger
        self.stub = training_pb2_grpc.TrainingServiceStub(channel)

    def call(self, name, **fields):
        request = getattr(pb, f"{name}Request")(**{"collection": COLLECTION, **fields})
        return getattr(self.stub, name)(request)

    def fit(self, **fields):
        return self.call(
            "FitHead", **{"space": SPACE, "labels_seq": self.ledger.seq, **fields}
        ).head

    def in_use(self):
        (promoted,) = [head.model for head in self.call("ListHeads").heads if head.promoted]
        return promoted

    def label(self, places):
        return self.ledger.say(labels={ROWS[place]: TRUTH[place] for place in places})

    def predictions(self, model=""):
        answers = list(self.call("GetPredictions", model=model))
        kinds = {
            "rows": np.int64,
            "class_ids": np.int32,
            "second_class_ids": np.int32,
            "probabilities": np.float32,
            "margins": np.float32,
        }
        return {
            name: np.concatenate(
                [unpack(getattr(each, name), dtype=kind, ndim=1, field=name) for each in answers]
            )
            for name, kind in kinds.items()
        }


@pytest.fixture
def served(tmp_path):
    store, ledger = ArtifactStore(str(tmp_path)), LedgerStandIn()
    make_collection(store)
    write_space(store, VECTORS, ROWS)
    with serving(ledger.mount()) as to_ledger:
        heads = HeadStore(store, keep=5)
        spaces = Spaces(store, dimensions=8, most=4, scratch=Scratch("", 1 << 20), threads=2)
        fitter = Fitter(store, spaces, heads, Ledger(to_ledger, 5.0))
        judge = Judge(store, spaces, heads, Ledger(to_ledger, 5.0))
        job = FineTune(store, Ledger(to_ledger, 5.0), sources=())
        runs = Runs(store, "training", {KIND: job}, at_once=1)
        servicer = TrainingServicer(store, heads, fitter, judge, Tuner(job, runs))
        with serving(training_mount(servicer)) as channel:
            yield Served(store, ledger, channel)
        runs.close()


def test_images_known_to_be_of_a_parent_are_guessed_to_be_of_its_children(served):
    classes = [{"class_id": each, "parent_id": 9 * (each > 2)} for each in range(1, CLASSES + 1)]
    parent = {"class_id": 9, "name": "parent"}
    served.store.write_json(
        layout.schema(COLLECTION), {"version": 5, "classes": [*classes, parent], "events": []}
    )
    limited = ROWS[1:COUNT:8]
    possible = [(row, class_id) for row in limited for class_id in (3, 4)]
    served.label(range(0, COUNT, 8))
    served.ledger.say(possible=possible)
    head = served.fit()
    found = served.predictions()
    assert np.isin(found["class_ids"][np.isin(found["rows"], limited)], (3, 4)).all()
    assert 9 not in head.class_ids
    kept = list(HeadStore(served.store, keep=5).predictions(COLLECTION, head.model))
    known = np.concatenate([np.isin(each.rows, limited) for each in kept])
    asked = np.concatenate([each.predicted.parent for each in kept])
    top = np.concatenate([each.predicted.top for each in kept])
    assert (asked == np.where(~known & (top > 2), 9, 0)).all()


def test_a_head_is_fitted_put_to_use_and_predicts_every_vector(served):
    seq = served.label(range(0, COUNT, 8))
    head = served.fit()
    assert head.model == f"head-{COLLECTION}@1"
    assert (head.collection, head.space, head.labels_seq) == (COLLECTION, SPACE, seq)
    assert (head.labels, list(head.class_ids), head.promoted) == (20, [1, 2, 3, 4], True)
    assert head.temperature > 0
    assert 0 < head.expected_error < 0.6
    assert head.seconds > 0
    assert head.accuracy > 0.8
    assert head.created_at == pytest.approx(time.time(), abs=60)
    found = served.predictions()
    np.testing.assert_array_equal(found["rows"], ROWS)
    assert (found["class_ids"] == TRUTH).mean() > 0.9
    assert (found["class_ids"] != found["second_class_ids"]).all()
    assert ((found["probabilities"] > 0) & (found["probabilities"] <= 1)).all()
    assert (found["margins"] <= found["probabilities"]).all()


def test_what_an_image_is_not_is_not_predicted(served):
    served.label(range(0, COUNT, 8))
    served.ledger.say(negatives=[(ROWS[1], 1), (ROWS[2], 1), (ROWS[2], 2)])
    served.fit()
    found = served.predictions()
    assert found["class_ids"][1] != 1
    assert found["class_ids"][2] in {3, 4}
    assert found["second_class_ids"][2] in {3, 4}


def test_without_negatives_a_kick_is_of_no_consequence(served):
    served.label(range(0, COUNT, 8))
    plain = served.fit()
    before = served.predictions()
    served.ledger.say(negatives=[(ROWS[1], 1), (ROWS[2], 1), (ROWS[2], 2)])
    with_kicks = served.fit()
    without = served.fit(without_negatives=True)
    assert len({plain.model, with_kicks.model, without.model}) == 3
    assert without.temperature == plain.temperature
    after = served.predictions()
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])
    assert served.fit(without_negatives=True).model == without.model
    assert served.fit().model not in {with_kicks.model, without.model}


def test_labels_of_a_model_and_of_the_random_stream_are_not_learned_from(served):
    served.label(range(0, COUNT, 8))
    before = served.fit()
    certified = {ROWS[place]: 4 for place in range(1, 30, 2)}
    served.ledger.say(labels=certified, origin=CERTIFIED)
    streamed = ROWS[in_stream(ROWS)]
    assert len(streamed)
    served.ledger.say(labels=dict.fromkeys(streamed[:1], 1), negatives=[(streamed[-1], 1)])
    after = served.fit()
    assert (after.labels, after.temperature) == (before.labels, before.temperature)
    assert set(served.predictions()["rows"]) == set(ROWS)
    assert served.call("Evaluate").labels == before.labels


def test_with_labels_of_a_model_alone_there_is_nothing_to_learn(served):
    served.ledger.say(labels={ROWS[1]: 1, ROWS[2]: 2}, origin=CERTIFIED)
    with pytest.raises(Conflict) as caught:
        served.fit()
    assert caught.value.reason == "NO_LABELS"


def test_what_finds_no_room_in_scratch_is_projected_each_time(tmp_path):
    store = ArtifactStore(str(tmp_path))
    write_space(store, VECTORS, ROWS)
    kept, made = (
        Spaces(store, dimensions=8, most=1, scratch=scratch).features(COLLECTION, SPACE)
        for scratch in (Scratch("", 1 << 20), None)
    )
    assert made.parts[0].kept is None
    np.testing.assert_allclose(made.of(ROWS), kept.of(ROWS), atol=0.01)


def test_a_space_of_few_dimensions_is_not_copied(tmp_path):
    store = ArtifactStore(str(tmp_path))
    write_space(store, VECTORS, ROWS)
    features = Spaces(store, dimensions=160, most=1).features(COLLECTION, SPACE)
    assert features.parts[0].kept is features.parts[0].vectors
    np.testing.assert_array_equal(features.of(ROWS), VECTORS.astype(np.float32))


def test_a_new_class_is_an_output_of_the_next_head(served):
    served.label(range(0, 2 * EACH, 8))
    assert list(served.fit().class_ids) == [1, 2]
    served.label([-1, -2])
    assert list(served.fit().class_ids) == [1, 2, 4]


def test_without_labels_there_is_nothing_to_learn(served):
    with pytest.raises(Conflict) as caught:
        served.fit()
    assert caught.value.reason == "NO_LABELS"


def test_labels_of_images_without_a_vector_are_left_out(served):
    served.ledger.say(labels={0: 1})  # row 0 has no vector
    with pytest.raises(Conflict):
        served.fit()
    served.label([0, COUNT - 1])
    assert served.fit().labels == 2


def test_with_nothing_new_the_same_head_is_returned(served):
    served.label(range(0, COUNT, 8))
    first = served.fit()
    assert served.fit().model == first.model
    assert served.fit(labels_seq=0).model == first.model
    served.label([1])
    assert served.fit().model != first.model


def test_new_vectors_are_something_new(served):
    served.label(range(0, COUNT, 8))
    first = served.fit()
    more = blobs(CLASSES, EACH + 10, noise=0.5)
    rows = np.arange(len(more)) * 2 + ROWS[-1] // layout.PART_ROWS * layout.PART_ROWS
    write_space(served.store, more, rows)
    second = served.fit()
    assert second.model != first.model
    assert set(rows) <= set(served.predictions()["rows"])


def test_the_same_vectors_keep_their_features_when_a_part_grows(tmp_path):
    store = ArtifactStore(str(tmp_path))
    write_space(store, VECTORS, ROWS)
    spaces = Spaces(store, dimensions=8, most=1, scratch=Scratch("", 1 << 20))
    before = spaces.features(COLLECTION, SPACE)
    longer = np.arange(ROWS[-1] - ROWS[-1] % layout.PART_ROWS, ROWS[-1] + 1, 2)
    write_space(store, np.repeat(VECTORS[:1], len(longer), axis=0), longer)
    after = spaces.features(COLLECTION, SPACE)
    first = ROWS[ROWS < layout.PART_ROWS]
    np.testing.assert_array_equal(after.of(first), before.of(first))
    assert after.parts[0] is before.parts[0]
    assert after.projection is before.projection
    assert after.version != before.version


def test_the_ledger_is_asked_once_an_event(served):
    served.label(range(0, COUNT, 8))
    served.fit()
    served.fit()
    assert served.ledger.label_calls == 1


def test_an_event_that_is_not_there_can_not_be_learned_from(served):
    served.label(range(0, COUNT, 8))
    with pytest.raises(Conflict) as caught:
        served.fit(labels_seq=99)
    assert caught.value.reason == "LEDGER_BEHIND"


def test_while_the_ledger_is_away_a_fit_is_unavailable(served):
    served.label(range(0, COUNT, 8))
    served.ledger.away = True
    with pytest.raises(Unavailable):
        served.fit()
    served.ledger.away = False
    assert served.fit().promoted


def test_a_second_fit_at_the_same_time_is_aborted(served):
    served.label(range(0, COUNT, 8))
    served.ledger.gate = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(served.fit)
        wait_for(lambda: served.ledger.label_calls)
        with pytest.raises(Aborted):
            served.fit()
        served.ledger.gate.set()
        assert first.result().promoted


def test_unknown_names_are_not_found_and_wrong_ones_invalid(served):
    with pytest.raises(NotFound):
        served.fit(collection="nobody")
    for name in ("ListHeads", "Evaluate", "Rollback"):
        with pytest.raises(NotFound):
            served.call(name, collection="nobody")
    with pytest.raises(NotFound):
        served.call("Promote", collection="nobody", model="head-nobody@1")
    with pytest.raises(NotFound):
        list(served.call("GetPredictions", collection="nobody"))
    for fields in ({"collection": "../x"}, {"space": "../x"}, {"space": ""}, {"labels_seq": -1}):
        with pytest.raises(InvalidArgument) as caught:
            served.fit(**fields)
        assert caught.value.field == next(iter(fields))


def test_a_space_without_vectors_is_a_conflict(served):
    served.label([0])
    with pytest.raises(Conflict) as caught:
        served.fit(space="other@1")
    assert caught.value.reason == "NO_VECTORS"


def test_before_the_first_head_there_is_none_to_ask(served):
    assert not served.call("ListHeads").heads
    with pytest.raises(NotFound):
        served.call("Evaluate")
    with pytest.raises(NotFound):
        served.predictions()
    with pytest.raises(NotFound):
        served.call("Promote", model=f"head-{COLLECTION}@1")
    with pytest.raises(InvalidArgument):
        served.call("Promote")
    with pytest.raises(Conflict):
        served.call("Rollback")


def test_only_the_newest_heads_and_their_predictions_are_kept(served):
    for place in range(8):
        served.label([place, COUNT - 1 - place])
        served.fit()
    heads = served.call("ListHeads").heads
    assert [head.model for head in heads] == [f"head-{COLLECTION}@{n}" for n in (8, 7, 6, 5, 4)]
    assert [head.promoted for head in heads] == [True, False, False, False, False]
    kept = served.store.list(layout.all_predictions(COLLECTION))
    assert sorted(kept) == sorted(head.model for head in heads)
    names = served.store.list(layout.heads(COLLECTION))
    assert sum(name.endswith(".safetensors") for name in names) == 5
    with pytest.raises(NotFound):
        list(served.call("GetPredictions", model=f"head-{COLLECTION}@1"))


def test_a_head_in_use_is_kept_however_old(served):
    served.label([0, COUNT - 1])
    first = served.fit().model
    for place in range(1, 7):
        served.label([place])
        served.fit()
        served.call("Promote", model=f"head-{COLLECTION}@{place + 1}")
    served.call("Promote", model=f"head-{COLLECTION}@3")
    assert first not in [head.model for head in served.call("ListHeads").heads]
    assert served.in_use() == f"head-{COLLECTION}@3"


def test_heads_are_listed_page_by_page(served):
    for place in range(3):
        served.label([place, COUNT - 1 - place])
        served.fit()
    first = served.call("ListHeads", page_size=2)
    rest = served.call("ListHeads", page_size=2, page_token=first.next_page_token)
    numbers = [head.model[-1] for head in (*first.heads, *rest.heads)]
    assert numbers == ["3", "2", "1"]
    assert not rest.next_page_token
    with pytest.raises(InvalidArgument):
        served.call("ListHeads", page_size=-1)
    with pytest.raises(InvalidArgument):
        served.call("ListHeads", page_token="?")  # noqa: S106  # a place in a list


def test_promote_and_roll_back_move_the_head_in_use(served):
    for place in range(3):
        served.label([place, COUNT - 1 - place])
        served.fit()
    one, two, three = (f"head-{COLLECTION}@{number}" for number in (1, 2, 3))
    assert served.call("Rollback").head.model == two
    assert served.in_use() == two
    assert served.call("Rollback").head.model == one
    with pytest.raises(Conflict) as caught:
        served.call("Rollback")
    assert caught.value.reason == "NO_HEAD_BEFORE"
    assert served.call("Promote", model=three).head.promoted
    assert served.call("Promote", model=three).head.model == three
    assert served.call("Rollback").head.model == one
    with pytest.raises(NotFound):
        served.call("Promote", model=f"head-{COLLECTION}@77")


def test_a_head_that_was_rolled_back_stays_so_until_there_is_something_new(served):
    for place in range(2):
        served.label([place, COUNT - 1 - place])
        served.fit()
    served.call("Rollback")
    again = served.fit()
    assert (again.model, again.promoted) == (f"head-{COLLECTION}@1", True)
    assert served.in_use() == f"head-{COLLECTION}@1"
    served.label([5])
    assert served.fit().promoted


def test_a_head_that_a_crash_kept_from_use_is_put_to_use_by_the_next_call(served):
    served.label([0, COUNT - 1])
    served.fit()
    before = served.store.read_json(layout.heads_promoted(COLLECTION))
    served.label([1])
    newest = served.fit().model
    served.store.write_json(layout.heads_promoted(COLLECTION), before)
    assert served.fit().model == newest
    assert served.in_use() == newest


def test_a_head_is_measured_on_labels_it_has_not_seen(served):
    served.label(range(0, COUNT, 4))
    served.fit()
    answer = served.call("Evaluate")
    assert answer.labels == COUNT // 4
    assert answer.accuracy > 0.85
    assert 0 <= answer.calibration_error < 0.3


def test_too_few_labels_can_not_be_measured(served):
    served.label([0, 1, COUNT - 1])
    served.fit()
    with pytest.raises(Conflict) as caught:
        served.call("Evaluate")
    assert caught.value.reason == "TOO_FEW_LABELS"


def test_the_head_in_the_store_is_a_layer_on_vectors_with_a_card(served):
    served.label(range(0, COUNT, 8))
    head = served.fit()
    folder = layout.heads(COLLECTION)
    tensors = load(served.store.read_bytes(f"{folder}/{head.model}.safetensors"))
    logits = VECTORS.astype(np.float32) @ tensors["weight"].T + tensors["bias"]
    guessed = tensors["class_ids"][logits.argmax(1)]
    np.testing.assert_array_equal(guessed, served.predictions()["class_ids"])
    card = json.loads(served.store.read_bytes(f"{folder}/{head.model}.json"))
    assert card["temperature"] == pytest.approx(head.temperature)
    assert not Manifest.load(served.store, folder).verify(served.store)
    predictions = layout.predictions(COLLECTION, head.model)
    assert not Manifest.load(served.store, predictions).verify(served.store)


def suspicious(served, **fields):
    answer = served.call("ListSuspicious", **fields)
    rows = unpack(answer.rows, dtype=np.int64, ndim=1, field="rows")
    classes = unpack(answer.class_ids, dtype=np.int32, ndim=1, field="class_ids")
    others = unpack(answer.other_class_ids, dtype=np.int32, ndim=1, field="other_class_ids")
    chances = unpack(answer.probabilities, dtype=np.float32, ndim=1, field="probabilities")
    return rows, classes, others, chances, answer.labels


def test_wrong_labels_are_listed_first_with_what_they_may_be(served):
    served.label(range(0, COUNT, 2))
    served.ledger.say(labels={ROWS[2]: 3, ROWS[4]: 2})
    rows, classes, others, chances, labels = suspicious(served, space=SPACE, limit=2)
    assert set(rows) == {ROWS[2], ROWS[4]}
    assert set(classes) == {2, 3}
    assert (others == 1).all()
    assert (chances > 0.05).all()
    assert (np.diff(chances) <= 0).all()
    assert labels == COUNT // 2


def test_labels_that_somebody_looked_at_twice_or_a_model_gave_are_not_suspicious(served):
    served.label(range(0, COUNT, 2))
    served.fit()
    every, *_ = suspicious(served)
    served.ledger.say(labels={ROWS[2]: 3}, origin=REVIEWED)
    served.ledger.say(labels={ROWS[4]: 3}, origin=CERTIFIED)
    rows, *_, labels = suspicious(served)
    assert set(every) - set(rows) == {ROWS[2], ROWS[4]}
    assert labels == len(every) - 2


def test_an_answer_about_one_image_is_less_suspicious_than_one_about_a_page(served):
    served.label(range(0, COUNT, 2))
    served.ledger.say(labels={ROWS[2]: 3})
    rows, _, _, chances, _ = suspicious(served, space=SPACE)
    of_page = chances[rows == ROWS[6]]
    served.ledger.say(labels={ROWS[6]: 1}, origin=page_pb2.PAGE_KIND_SINGLE)
    rows, _, _, alone, _ = suspicious(served, space=SPACE)
    assert alone[rows == ROWS[6]] < of_page
    served.ledger.say(labels={ROWS[6]: 1}, origin=page_pb2.PAGE_KIND_PICKED)
    rows, _, _, picked, _ = suspicious(served, space=SPACE)
    assert picked[rows == ROWS[6]] == of_page, "picked images are labelled many at once"


def test_what_suspicion_needs(served):
    with pytest.raises(NotFound):
        suspicious(served)  # there is no head to take the space of
    with pytest.raises(NotFound):
        suspicious(served, collection="nobody", space=SPACE)
    served.label([0, 1, COUNT - 1])
    with pytest.raises(Conflict) as caught:
        suspicious(served, space=SPACE)
    assert caught.value.reason == "TOO_FEW_LABELS"
    with pytest.raises(Conflict) as caught:
        suspicious(served, space="nothing@1")
    assert caught.value.reason == "NO_VECTORS"
    for fields in ({"limit": -1}, {"limit": 100_001}, {"space": "../x"}):
        with pytest.raises(InvalidArgument) as wrong:
            suspicious(served, **fields)
        assert wrong.value.field == next(iter(fields))
    served.ledger.away = True
    with pytest.raises(Unavailable):
        suspicious(served, space=SPACE)


MANY = np.arange(600)
OF_MANY = np.repeat(np.arange(1, 4), 200).astype(np.int32)


@pytest.fixture
def with_two_spaces(served):
    clear, blurred = blobs(3, 200, noise=0.5), blobs(3, 200, noise=2.5)
    write_space(served.store, blurred, MANY, space="blurred@1")
    write_space(served.store, clear[:500], MANY[:500], space="clear@1")
    served.ledger.say(labels=dict(zip(MANY[:450].tolist(), OF_MANY[:450].tolist(), strict=True)))
    return served


def test_a_space_in_which_classes_are_apart_is_better(with_two_spaces):
    answer = with_two_spaces.call("CompareSpaces", before="blurred@1", after="clear@1")
    assert (answer.before.space, answer.after.space) == ("blurred@1", "clear@1")
    assert answer.images == held_out(MANY[:450]).sum()
    assert answer.after.accuracy > answer.before.accuracy
    assert answer.after.purity > answer.before.purity
    assert answer.p_value < 0.05
    assert answer.better
    assert answer == with_two_spaces.call("CompareSpaces", before="blurred@1", after="clear@1")


def test_a_space_is_not_better_than_itself_nor_a_worse_one_than_a_better(with_two_spaces):
    same = with_two_spaces.call("CompareSpaces", before="clear@1", after="clear@1")
    assert (same.p_value, same.better) == (1, False)
    worse = with_two_spaces.call("CompareSpaces", before="clear@1", after="blurred@1")
    assert not worse.better


def test_what_a_comparison_needs(with_two_spaces):
    served = with_two_spaces
    with pytest.raises(NotFound):
        served.call("CompareSpaces", collection="nobody", before="clear@1", after="clear@1")
    for fields in ({"before": "../x"}, {"after": ""}):
        with pytest.raises(InvalidArgument) as wrong:
            served.call("CompareSpaces", **{"before": "clear@1", "after": "clear@1", **fields})
        assert wrong.value.field == next(iter(fields))
    for after in (SPACE, "nothing@1"):  # hardly an image in both, and no image at all
        with pytest.raises(Conflict) as caught:
            served.call("CompareSpaces", before="clear@1", after=after)
        assert caught.value.reason == "TOO_FEW_LABELS"
    served.ledger.away = True
    with pytest.raises(Unavailable):
        served.call("CompareSpaces", before="clear@1", after="clear@1")


def sound(found):
    """Whether predictions are numbers that probabilities can be."""
    chances, margins = found["probabilities"], found["margins"]
    return bool(((chances >= 0) & (chances <= 1) & (margins >= 0) & (margins <= chances)).all())


def test_one_class_is_predicted_everywhere_with_doubt(served):
    served.ledger.say(labels={ROWS[0]: 1, ROWS[1]: 1})
    head = served.fit()
    assert list(head.class_ids) == [1]
    found = served.predictions()
    assert sound(found)
    assert set(found["class_ids"]) == {1}
    assert set(found["second_class_ids"]) == {0}
    assert 0 < head.expected_error < 1


def test_a_class_without_an_image_is_never_predicted_nor_in_the_way(served):
    served.label(range(0, COUNT, 8))
    served.ledger.say(negatives=[(ROWS[1], 77)])
    assert 77 not in served.fit().class_ids
    assert 77 not in served.predictions()["class_ids"]


def test_an_image_that_was_kicked_from_every_class_has_no_guess(served):
    served.label(range(0, COUNT, 8))
    served.ledger.say(negatives=[(ROWS[1], class_id) for class_id in range(1, CLASSES + 1)])
    served.fit()
    found = served.predictions()
    assert sound(found)
    assert (found["class_ids"][1], found["probabilities"][1]) == (0, 0)


@pytest.mark.parametrize(
    "vectors", [VECTORS[:10], np.repeat(VECTORS[:1], 10, axis=0)], ids=["ten", "alike"]
)
def test_ten_images_all_alike_or_not_can_be_learned_from(served, vectors):
    write_space(served.store, vectors, np.arange(10), space="small@1")
    served.ledger.say(labels={1: 1, 2: 2}, negatives=[(3, 1), (4, 1)])
    head = served.fit(space="small@1")
    assert head.labels == 2
    found = served.predictions()
    assert sound(found)
    assert set(found["class_ids"]) <= {1, 2}
    assert list(found["class_ids"][3:5]) == [2, 2]


def test_a_class_that_was_merged_into_another_is_gone_with_the_next_head(served):
    seq = served.label(range(0, COUNT, 8))
    assert 2 in served.fit().class_ids
    merged = {row: 1 for row, class_id in served.ledger.labels.items() if class_id == 2}
    served.ledger.say(labels=merged)
    head = served.fit(labels_seq=seq + 1)
    assert list(head.class_ids) == [1, 3, 4]
    assert 2 not in served.predictions()["class_ids"]


def test_labels_at_random_are_measured_as_such(served):
    random = np.random.default_rng(0).integers(1, CLASSES + 1, COUNT)
    served.ledger.say(labels=dict(zip(ROWS.tolist(), random.tolist(), strict=True)))
    head = served.fit()
    assert head.accuracy < 0.5
    assert sound(served.predictions())
