"""Pages of pairs: when they are worth a person's seconds, and that nothing changes where there are none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.alike import (
    MOST_PAGES,
    PAGE_PAIRS,
    Alike,
    JudgedPairs,
    pair_pages,
    waiting,
    with_pairs,
)
from hundredfold.selection.domain.discovery import Discovery
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies import POLICIES
from hundredfold.selection.domain.rounds import Phase, Standing, compose
from tests.unit.selection.pools import NO_CLUSTERS, NO_LABELS, asked, labels_of, make_pool

COSTS = CostModel()
FAR = 1e6


def alike_of(pairs, probability):
    array = np.array(pairs, np.int64).reshape(-1, 2)
    return Alike(array[:, 0], array[:, 1], np.asarray(probability, np.float32))


def judged_of(said):
    array = np.array(list(said), np.int64).reshape(-1, 2)
    verdicts = np.array([{"same": 1, "other": 2, "unsure": 3}[each] for each in said.values()])
    return JudgedPairs(array[:, 0], array[:, 1], sure=verdicts < 3, same=verdicts == 1)


def test_what_people_judged_waits_no_more_whichever_image_is_the_left_one():
    pairs = np.array([[1, 2], [3, 4], [5, 6], [7, 8]])
    judged = judged_of({(2, 1): "same", (9, 10): "other", (5, 6): "unsure"})
    left = waiting(pairs, np.array([6, 6, 6, 20], np.uint8), judged)
    assert list(zip(left.rows.tolist(), left.others.tolist(), strict=True)) == [(3, 4), (7, 8)]
    near, far = left.probability
    assert near > 0.5 > far, "one pair as far apart was the same picture"
    assert len(waiting(pairs, np.zeros(4, np.uint8), judged_of({}))) == 4


def test_what_is_saved_is_what_nobody_needs_to_look_at():
    pool = make_pool([1, 1, 1], [0.5, 0.2, 0.9])  # rows 10, 13, 16
    labels = labels_of([1, 2], [1, 1])
    (page,) = pair_pages(
        alike_of([(10, 13), (1, 13), (1, 2), (10, 99)], [1.0, 0.5, 1.0, 1.0]), pool, labels, COSTS
    )
    assert set(zip(page.rows.tolist(), page.others.tolist(), strict=True)) == {(10, 13), (1, 13)}
    seconds = COSTS.look(0) + 2 * COSTS.compare_seconds + COSTS.expected_pick(2, 0.5)
    assert page.score == pytest.approx((0.5 + 0.5 * 0.8) / seconds, rel=1e-5)
    assert page.kind is Kind.PAIR
    assert page.probability.tolist() == [1.0, 0.5]


def test_there_are_few_pages_and_the_pairs_that_save_most_are_on_them():
    count = 3 * MOST_PAGES * PAGE_PAIRS
    pool = make_pool([1] * (count + 1), np.linspace(0, 0.9, count + 1))
    pairs = [(1, row) for row in pool.rows[:count].tolist()]
    labels = labels_of([1], [1])
    pages = pair_pages(alike_of(pairs, [0.9] * count), pool, labels, COSTS)
    assert [len(page) for page in pages] == [PAGE_PAIRS] * MOST_PAGES
    assert pages[0].score > pages[1].score
    assert max(page.others.max() for page in pages) == pool.rows[MOST_PAGES * PAGE_PAIRS - 1]


def round_of(pool, alike, labels=NO_LABELS):
    standing = Standing(pool, labels, NO_CLUSTERS, Discovery(), alike=alike)
    return compose(standing, POLICIES["errors-per-second"], asked(16, 12))


def kinds(made):
    return [page.kind for page in made.pages]


def test_beside_pages_of_many_images_pairs_are_not_worth_it():
    pool = make_pool([1] * 200, [0.5] * 200)
    made = round_of(pool, alike_of([(10, 13), (16, 19)], [0.9, 0.9]))
    assert Kind.PAIR not in kinds(made)
    assert kinds(made) == kinds(round_of(pool, Alike()))


def test_beside_single_images_they_are():
    pool = make_pool([0] * 8, [0.0] * 8)
    made = round_of(pool, alike_of([(10, 13), (16, 19)], [0.95, 0.9]))
    assert kinds(made) == [Kind.PAIR, Kind.SINGLE] or kinds(made) == [Kind.SINGLE, Kind.PAIR]
    assert made.phase is Phase.LEFTOVERS, "pairs are no images that wait for a class"
    unlikely = round_of(pool, alike_of([(10, 13), (16, 19)], [0.05, 0.1]))
    assert Kind.PAIR not in kinds(unlikely)


@given(st.lists(st.floats(0.001, 10), max_size=6), st.floats(0, 1))
def test_a_page_of_pairs_comes_only_where_a_usual_one_is_worth_less(scores, share):
    pool = make_pool([1, 1], [share, share])

    usual = [Draft(Kind.VERIFY, pool.rows, score) for score in sorted(scores)[::-1]]
    made = with_pairs(usual, alike_of([(10, 13)], [0.9]), pool, NO_LABELS, COSTS, below=FAR)
    assert [page for page in made if page.kind is Kind.VERIFY] == usual
    pairs = [page for page in made if page.kind is Kind.PAIR]
    assert all(page.score > min(scores, default=0.0) for page in pairs)
    assert [page.score for page in made] == sorted((p.score for p in made), reverse=True)
