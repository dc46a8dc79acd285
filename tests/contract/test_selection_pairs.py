"""The loop offers pages of pairs where groups of copies leave some to people, and they are worth it."""

from contextlib import ExitStack

import numpy as np
import pytest

from tests.contract.index_spaces import blobs
from tests.contract.loop_house import DONE, EACH, House
from tests.unit.labels.pair_world import PAIR, known, pairs_of, said_of, write_pairs
from tests.unit.labels.servers import redis_server
from tests.unit.labels.world import BIRDS, IS


@pytest.fixture(scope="module")
def redis():
    with redis_server() as server:
        yield server


@pytest.fixture
def house(redis, tmp_path):
    redis.empty()
    with ExitStack() as stack:
        # Classes that no head tells apart: its guesses are worth little, and every image asks for a look.
        vectors = blobs(4, EACH // 4, noise=8.0)
        yield House(stack, tmp_path, redis.url, vectors=vectors)


def test_pairs_are_offered_once_there_is_a_head_and_never_again_when_judged(house):
    count = len(house.truth)
    pairs = [(row, row + 1) for row in range(0, count - 1, 2)]
    write_pairs(house.store, pairs, [0] * len(pairs), rows=count, collection=BIRDS)
    house.start(target_accuracy=0.0, auto_label=False, policy="random-singles")
    house.answer = answering(house)
    house.answer_until(lambda loop: loop.phase == DONE)
    assert PAIR in house.seen_kinds
    asked = [pair for page in house.pages if page.kind == PAIR for pair in pairs_of(page)]
    assert len(asked) == len(set(asked)) > 0
    assert set(asked) <= set(pairs)
    assert known(house.labels) == dict.fromkeys(asked, IS)
    assert house.labels.labels() == house.truth, "a pair gives no label"


def test_without_such_pairs_none_is_offered(house):
    house.start(target_accuracy=0.0, auto_label=False, policy="random-singles")
    house.answer_until(lambda loop: loop.phase == DONE)
    assert PAIR not in house.seen_kinds


def answering(house):
    """As the house does, and that all pairs are the same picture."""
    usual = house.answer

    def answer(lease):
        if lease.page.kind != PAIR:
            usual(lease)
            return
        probability = np.frombuffer(lease.page.probability.data, "<f4")
        assert (probability > 0.5).all()
        assert lease.page.model == ""
        house.seen_kinds.add(lease.page.kind)
        house.pages.append(lease.page)
        house.labels.submit(lease.token, said_of(IS, *pairs_of(lease.page)), seconds=4.0)

    return answer
