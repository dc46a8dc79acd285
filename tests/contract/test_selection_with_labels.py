"""The loop with the real ledger and real heads: from the seed to a certificate, and back from it."""

import itertools
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.api.selection.v1 import selection_pb2 as pb
from hundredfold.api.selection.v1 import selection_pb2_grpc
from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.holdout import in_stream
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import serving, wait_for
from hundredfold.labels.__main__ import assemble
from hundredfold.selection.loops import Loops
from hundredfold.selection.peers import Embedder, Indexer, Ledger, Peers, Trainer
from hundredfold.selection.servicer import SelectionServicer, selection_mount
from hundredfold.training.fitting import Fitter
from hundredfold.training.judging import Judge
from hundredfold.training.peers import Ledger as TrainingLedger
from hundredfold.training.servicer import TrainingServicer, training_mount
from hundredfold.training.spaces import Spaces
from hundredfold.training.store import HeadStore
from tests.contract.index_spaces import blobs, write_space
from tests.contract.selection_peers import IndexStandIn
from tests.contract.selection_system import CONFIG
from tests.unit.labels.audit_world import get, start, write_clusters
from tests.unit.labels.servers import redis_server
from tests.unit.labels.world import (
    BIRDS,
    IS,
    IS_NOT,
    Client,
    config_for,
    make_collection,
    new_id,
    rows_of,
    said,
    write_schema,
)

EACH = 120
CLASSES = (1, 2, 3, 4)
DONE, AUDIT, SEED = pb.LOOP_PHASE_DONE, pb.LOOP_PHASE_AUDIT, pb.LOOP_PHASE_SEED


class House:
    """Labels, training and selection as they are, on one store."""

    def __init__(self, stack, folder, redis_url, *, classes=CLASSES, vectors=None, parents=None):
        config = replace(config_for(folder, redis_url), sweep_seconds=0.2)
        store = ArtifactStore(config.store)
        vectors = blobs(4, EACH, noise=0.9) if vectors is None else vectors
        count, self.parents = len(vectors), parents or {}
        self.truth = dict(enumerate(np.repeat(classes, count // len(classes)).tolist()))
        make_collection(store, rows=count)
        names = {each: f"class {each}" for each in (*classes, *set(self.parents.values()))}
        write_schema(store, names, {}, parents=self.parents)
        rows = np.arange(count, dtype=np.int64)
        write_space(store, vectors, rows, collection=BIRDS)
        labels = assemble(config)
        stack.callback(labels.close)
        to_labels = stack.enter_context(serving(*labels.mounts, config=config))
        heads, spaces = HeadStore(store, keep=5), Spaces(store, dimensions=8, most=2)
        ledger = TrainingLedger(to_labels, 5.0)
        fitter, judge = (made(store, spaces, heads, ledger) for made in (Fitter, Judge))
        trains = training_mount(TrainingServicer(store, heads, fitter, judge, None))
        index = IndexStandIn(store, vectors, rows)
        stack.callback(index.runs.close)
        machines = stack.enter_context(serving(trains, index.mount(), runs_mount(index.runs)))
        peers = Peers(Ledger(to_labels), Trainer(machines), Indexer(machines), Embedder(machines))
        loops = Loops(store, peers, CostModel(), CONFIG)
        stack.callback(loops.close)
        channel = stack.enter_context(serving(selection_mount(SelectionServicer(loops))))
        self.store = store
        self.selection = selection_pb2_grpc.SelectionServiceStub(channel)
        self.labels = Client(to_labels)
        self.stub = self.labels.stub
        self.seen_kinds = set()
        self.pages = []

    def start(self, **fields):
        request = pb.StartLoopRequest(
            collection=BIRDS,
            page_size=12,
            request_id=new_id(),
            **{"target_accuracy": 0.9, "auto_label": True, **fields},
        )
        return self.selection.StartLoop(request).loop

    def loop(self):
        return self.selection.GetLoop(pb.GetLoopRequest(collection=BIRDS)).loop

    def seen(self):
        def up_to_date():
            loop, progress = self.loop(), self.labels.progress()
            return loop if loop.rounds and loop.seen_seq == progress.head_seq else None

        return wait_for(up_to_date, 20)

    def answer_until(self, condition):
        for _ in range(300):
            loop = self.seen()
            if condition(loop):
                return loop
            for lease in wait_for(lambda: self.labels.lease(limit=1)):
                self.answer(lease)
        raise AssertionError(str(self.loop()))

    def answer(self, lease):
        page, rows = lease.page, rows_of(lease.page.rows)
        self.seen_kinds.add(page.kind)
        self.pages.append(page)
        named = page.class_id
        if page.kind == page_pb2.PAGE_KIND_SINGLE:
            by_class = itertools.groupby(sorted(rows, key=self.truth.get), key=self.truth.get)
            judged = [said(each, IS, *some) for each, some in by_class]
        else:
            truth = [self.truth[row] for row in rows]
            if page.kind == page_pb2.PAGE_KIND_CLUSTER:
                named = max(set(truth), key=truth.count)
            right = [row for row in rows if self.is_of(row, named)]
            odd = [row for row in rows if not self.is_of(row, named)]
            judged = [said(named, IS, *right)] if right else []
            judged += [said(named, IS_NOT, *odd)] if odd else []
        self.labels.submit(lease.token, *judged, seconds=4.0)

    def is_of(self, row, class_id):
        return class_id in (self.truth[row], self.parents.get(self.truth[row]))


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
    assert progress.labelled == loop.labelled == loop.total == len(house.truth)
    assert progress.ready_pages == 0
    labels = house.labels.labels()
    assert sum(labels[row] == each for row, each in house.truth.items()) >= 0.9 * loop.total
    forecast = house.selection.Forecast(pb.ForecastRequest(collection=BIRDS))
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
    assert loop.labelled == loop.total


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
    assert loop.labelled == loop.total
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
