"""The loop with the real ledger and real heads: from the seed to a certificate, and back from it."""

from contextlib import ExitStack

import numpy as np
import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.holdout import in_stream
from hundredfold.chassis.testing import wait_for
from tests.contract.loop_house import AUDIT, CLASSES, DONE, EACH, SEED, House, is_labelled
from tests.unit.labels.audit_world import get, start, write_clusters
from tests.unit.labels.servers import redis_server
from tests.unit.labels.world import (
    BIRDS,
    new_id,
    rows_of,
    write_schema,
)


@pytest.fixture(scope="module")
def redis():
    with redis_server() as server:
        yield server


@pytest.fixture
def house(redis, tmp_path):
    redis.empty()
    with ExitStack() as stack:
        yield House(stack, tmp_path, redis.url)


def is_done(loop):
    return loop.phase == DONE


def certificate_of(house):
    kind = labels_pb2.EVENT_KIND_CERTIFICATE
    return next(event.seq for event in house.labels.events(page_size=1000) if event.kind == kind)


def test_it_proves_its_target_and_the_head_labels_the_rest(house):
    house.start()
    loop = house.answer_until(is_done)
    assert page_pb2.PAGE_KIND_AUDIT in house.seen_kinds
    assert loop.proved_accuracy >= 0.9
    progress = house.labels.progress()
    assert progress.labelled == loop.labelled
    assert loop.total == len(house.truth)
    assert is_labelled(house)
    assert progress.ready_pages == 0
    labels = house.labels.labels()
    assert sum(labels.get(row) == each for row, each in house.truth.items()) >= 0.9 * loop.total
    forecast = house.forecast()
    assert forecast.seconds == 0


def test_the_certificate_undone_people_go_on_and_it_is_proved_again(house):
    house.start()
    house.answer_until(is_done)
    house.labels.undo(certificate_of(house))
    loop = house.seen()
    assert loop.phase != DONE
    assert loop.proved_accuracy == 0
    assert loop.labelled < loop.total
    loop = house.answer_until(is_done)
    assert is_labelled(house)


def test_cleared_labels_lead_back_to_the_seed(house):
    house.start()
    house.answer_until(is_done)
    house.stub.ClearLabels(labels_pb2.ClearLabelsRequest(collection=BIRDS, request_id=new_id()))
    assert house.seen().phase == SEED
    assert house.loop().proved_accuracy == 0
    assert house.answer_until(is_done).proved_accuracy >= 0.9


def test_an_open_audit_that_is_cleared_is_over(house):
    house.start()
    house.answer_until(lambda loop: loop.phase == AUDIT)
    house.stub.ClearLabels(labels_pb2.ClearLabelsRequest(collection=BIRDS, request_id=new_id()))
    assert house.seen().phase == SEED
    assert house.answer_until(is_done).proved_accuracy >= 0.9


def test_without_auto_label_the_queue_is_emptied_and_images_stay_without_a_label(house):
    house.start(auto_label=False)
    loop = house.answer_until(is_done)
    assert loop.proved_accuracy >= 0.9
    assert loop.labelled < loop.total
    assert house.labels.progress().ready_pages == 0


def audit_cluster(house, assignment):
    """Ask for cluster 0 to be class 1 as a whole, and answer until the audit of it has ended."""
    write_clusters(house.store, assignment)
    house.start()
    house.seen()
    started = start(house.labels, cluster="c1/0", class_id=1)
    house.answer_until(lambda loop: get(house.labels).state != labels_pb2.AUDIT_STATE_OPEN)
    house.seen()
    return started


def test_the_rest_of_a_pure_cluster_is_labelled_by_itself_and_undone_as_one(house):
    audit_cluster(house, [each - 1 for each in house.truth.values()])
    audit = get(house.labels)
    assert audit.state == labels_pb2.AUDIT_STATE_CERTIFIED
    assert audit.bound <= audit.allowed_error
    inside = {
        row for row, each in house.truth.items() if each == 1 and not in_stream(np.array([row]))
    }
    assert house.labels.labels() == dict.fromkeys(inside, 1)
    house.labels.undo(audit.certificate_seq)
    house.seen()
    assert len(house.labels.labels()) == audit.answered < len(inside)
    assert get(house.labels).state == labels_pb2.AUDIT_STATE_PASSED
    # Once taken back it stays so, and the work goes on to its proof.
    assert house.answer_until(is_done).proved_accuracy >= 0.9


def test_after_a_cluster_was_labelled_as_a_whole_the_target_is_proved_for_all_images(house):
    audit_cluster(house, [each - 1 for each in house.truth.values()])
    loop = house.answer_until(is_done)
    assert loop.proved_accuracy >= 0.9
    assert is_labelled(house)
    assert not get(house.labels).cluster
    by_people = get(house.labels).total - get(house.labels).population
    assert by_people < len(house.truth) - EACH / 2  # the audit answers for the cluster too


def test_a_mixed_cluster_is_not_labelled_as_a_whole(house):
    audit_cluster(house, [int(each > 2) for each in house.truth.values()])
    assert get(house.labels).state == labels_pb2.AUDIT_STATE_FAILED
    origins = house.stub.GetLabels(labels_pb2.GetLabelsRequest(collection=BIRDS))
    assert 127 not in next(iter(origins)).origins.data
    assert house.answer_until(is_done).proved_accuracy >= 0.9


def alike_in_families(each, seed=0):
    """Images of twelve classes, three each of four families: families are apart, their classes hardly."""
    random = np.random.default_rng(seed)
    families = np.repeat(random.normal(size=(4, 16)), 3, axis=0)
    centres = np.repeat(families + 0.35 * random.normal(size=(12, 16)), each, axis=0)
    vectors = centres + 0.5 * random.normal(size=centres.shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def test_parents_are_asked_for_first_and_every_image_ends_with_a_class_without_children(
    redis, tmp_path
):
    redis.empty()
    classes = range(1, 13)
    parents = {each: 13 + (each - 1) // 3 for each in classes}
    with ExitStack() as stack:
        vectors = alike_in_families(40)
        house = House(stack, tmp_path, redis.url, classes=classes, vectors=vectors, parents=parents)
        house.start(target_accuracy=0.0, auto_label=False)
        house.answer_until(is_done)
        assert house.labels.labels() == house.truth
        of_parents = [page for page in house.pages if page.class_id > 12]
        assert of_parents
        asked = [(row, page.class_id) for page in of_parents for row in rows_of(page.rows)]
        assert len(asked) == len(set(asked))
        assert any(1 <= page.class_id <= 12 for page in house.pages)


def test_a_class_that_is_split_when_all_is_done_is_asked_about_again(house):
    house.start(target_accuracy=0.0, auto_label=False)
    house.answer_until(is_done)
    names = {each: f"class {each}" for each in (*CLASSES, 5, 6)}
    write_schema(house.store, names, {}, parents={5: 1, 6: 1})
    wait_for(lambda: house.loop().phase != DONE, 20)
    finer = {row: 5 + row % 2 if each == 1 else each for row, each in house.truth.items()}
    house.truth, house.parents = finer, {5: 1, 6: 1}
    house.answer_until(is_done)
    assert house.labels.labels() == finer
