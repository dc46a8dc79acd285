"""Collections and people that the loop was not made for, with the real ledger and real heads."""

from contextlib import ExitStack

import numpy as np
import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.testing import wait_for
from tests.contract.index_spaces import blobs, unit
from tests.contract.loop_house import DONE, SEED, House, is_labelled
from tests.unit.labels.servers import redis_server
from tests.unit.labels.world import IS, IS_NOT, rows_of, said, write_schema


@pytest.fixture(scope="module")
def redis():
    with redis_server() as server:
        yield server


@pytest.fixture
def build(redis, tmp_path):
    redis.empty()
    with ExitStack() as stack:
        yield lambda kind=House, **fields: kind(stack, tmp_path, redis.url, **fields)


def is_done(loop):
    return loop.phase == DONE


class Careless(House):
    """Takes every image for a class at random, anew at each look."""

    random = np.random.default_rng(1)

    def answer(self, lease):
        rows = rows_of(lease.page.rows)
        truth = dict(self.truth)
        classes = sorted(set(truth.values()))
        self.truth |= {row: int(self.random.choice(classes)) for row in rows}
        super().answer(lease)
        self.truth = truth


@pytest.mark.parametrize(("classes", "images"), [((1, 2, 3, 4), 20), ((1, 2), 80)])
def test_whoever_answers_at_random_gets_no_certificate(build, classes, images):
    house = build(Careless, classes=classes, vectors=blobs(len(classes), images, noise=0.9))
    house.start(target_accuracy=0.9)
    loop = house.answer_until(is_done)
    labels = house.labels.labels()
    assert np.mean([labels[row] == each for row, each in house.truth.items()]) < 0.8
    assert loop.proved_accuracy == 0
    kinds = {event.kind for event in house.labels.events(page_size=1000)}
    assert labels_pb2.EVENT_KIND_CERTIFICATE not in kinds


def test_a_class_that_is_merged_while_its_page_is_held_takes_the_answer_along(build):
    house = build(vectors=blobs(4, 40, noise=0.9))
    house.start(target_accuracy=0.0, auto_label=False)

    def of_class_two():
        for lease in house.labels.lease(limit=1):
            if lease.page.class_id == 2 and lease.page.kind == page_pb2.PAGE_KIND_VERIFY:
                return lease
            house.answer(lease)
            house.seen()
        return None

    held = next(lease for lease in iter(of_class_two, 0) if lease)
    write_schema(house.store, {1: "kite", 2: "owl", 3: "class 3", 4: "class 4"}, {2: 1})
    rows = rows_of(held.page.rows)
    right = [row for row in rows if house.truth[row] == 2]
    odd = [row for row in rows if house.truth[row] != 2]
    house.labels.submit(held.token, said(2, IS, *right), said(2, IS_NOT, *odd))
    house.truth = {row: 1 if each == 2 else each for row, each in house.truth.items()}
    assert {house.labels.labels()[row] for row in right} == {1}
    loop = house.answer_until(is_done)
    assert loop.labelled == loop.total
    assert house.labels.labels() == house.truth


def test_a_schema_of_one_class_is_labelled_to_its_end(build):
    house = build(classes=(1,), vectors=blobs(1, 120, noise=0.9))
    house.start(target_accuracy=0.9)
    loop = house.answer_until(is_done)
    assert loop.trouble == ""
    assert loop.labelled == loop.total
    assert set(house.labels.labels().values()) == {1}


def test_a_class_without_an_image_holds_nothing_up(build):
    house = build(vectors=blobs(4, 40, noise=0.9))
    names = {each: f"class {each}" for each in range(1, 8)}
    write_schema(house.store, names, {})
    house.start(target_accuracy=0.9)
    loop = house.answer_until(is_done)
    assert loop.trouble == ""
    assert is_labelled(house)
    assert set(house.labels.labels().values()) == {1, 2, 3, 4}


@pytest.mark.parametrize(("classes", "count"), [((1, 2), 10), ((1,), 1)])
def test_a_handful_of_images_is_labelled_one_after_the_other(build, classes, count):
    each = count // len(classes)
    house = build(classes=classes, vectors=blobs(len(classes), each, noise=0.3))
    assert house.start(target_accuracy=0.95).total in {0, count}
    loop = house.answer_until(is_done)
    assert (loop.labelled, loop.total, loop.trouble) == (count, count, "")
    assert house.labels.labels() == house.truth


def test_images_that_are_all_alike_are_labelled_though_no_head_tells_them_apart(build):
    alike = np.repeat(unit(np.ones((1, 16))), 60, axis=0)
    house = build(classes=(1, 2), vectors=alike)
    house.start(target_accuracy=0.95)
    loop = house.answer_until(is_done)
    assert loop.trouble == ""
    assert loop.labelled == loop.total == 60
    assert house.labels.labels() == house.truth


def test_before_anything_is_named_the_loop_says_what_a_forecast_needs(build):
    house = build(classes=(1, 2), vectors=blobs(2, 5))
    house.start()
    assert wait_for(lambda: house.loop().phase == SEED, 20)
    with pytest.raises(Exception, match="no head yet") as refused:
        house.forecast()
    assert refused.value.reason == "NO_HEAD"
