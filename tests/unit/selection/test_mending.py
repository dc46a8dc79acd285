"""Pages that put right what an audit is short of."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.discovery import Discovery
from hundredfold.selection.domain.mending import Audited, mending_pages
from hundredfold.selection.domain.page import Kind
from hundredfold.selection.domain.policies import POLICIES
from hundredfold.selection.domain.rounds import Standing, compose
from tests.unit.selection.pools import NO_CLUSTERS, NO_LABELS, asked, make_pool


def audited(pool, class_ids, short=100):
    return Audited(pool.rows, np.asarray(class_ids, np.int32), short)


def test_images_that_are_guessed_otherwise_by_now_are_asked_about():
    pool = make_pool([1] * 20 + [2] * 20, [0.9] * 40)
    (page,) = mending_pages(pool, audited(pool, [1] * 30 + [2] * 10), asked())
    assert (page.kind, page.class_id) == (Kind.VERIFY, 2)
    assert sorted(page.rows) == sorted(pool.rows[20:30])


def test_an_image_that_nobody_audited_or_whose_new_guess_is_unlikely_is_left():
    pool = make_pool([2] * 6 + [2, 0, 2], [0.9] * 6 + [0.4, 0.9, 0.9])
    kept = Audited(pool.rows[:8], np.ones(8, np.int32), 10)
    (page,) = mending_pages(pool, kept, asked())
    assert sorted(page.rows) == pool.rows[:6].tolist()


def test_few_images_of_a_class_and_slow_pages_are_left_to_others():
    pool = make_pool([2] * 5 + [3] * 12, [0.99] * 5 + [0.51] * 12)
    dear = asked(costs=CostModel(click_seconds=9.0, drag_seconds=None))
    assert [page.class_id for page in mending_pages(pool, audited(pool, [1] * 17), asked())] == [3]
    assert mending_pages(pool, audited(pool, [1] * 17), dear) == []


def test_the_page_that_rights_most_in_a_second_comes_first():
    pool = make_pool([2] * 6 + [3] * 12 + [4] * 12, [0.9] * 6 + [0.95] * 12 + [0.6] * 12)
    pages = mending_pages(pool, audited(pool, [1] * 30), asked())
    assert [page.class_id for page in pages] == [3, 2, 4]


def test_no_more_is_asked_about_than_the_audit_is_short_of():
    pool = make_pool([2] * 240, [0.9] * 240)
    assert len(mending_pages(pool, audited(pool, [1] * 240, short=20), asked())) == 3
    assert mending_pages(pool, audited(pool, [1] * 240, short=0), asked()) == []
    assert mending_pages(pool, Audited(), asked()) == []


@given(st.integers(0, 2**32 - 1), st.integers(0, 200))
def test_every_image_is_asked_about_once_and_under_another_class_than_was_audited(seed, short):
    random = np.random.default_rng(seed)
    pool = make_pool(random.integers(0, 4, 150), random.random(150))
    before = random.integers(1, 4, 150)
    pages = mending_pages(pool, audited(pool, before, short), asked())
    rows = [row for page in pages for row in page.rows]
    assert len(rows) == len(set(rows))
    for page in pages:
        assert (before[pool.places(page.rows)] != page.class_id).all()


def test_a_round_offers_them_above_other_pages_of_predicted_classes():
    pool = make_pool([1] * 40 + [2] * 10, [0.6] * 40 + [0.9] * 10)
    standing = Standing(
        pool,
        NO_LABELS,
        NO_CLUSTERS,
        Discovery(),
        seeded=True,
        without=frozenset({"stream", "discovery"}),
        audited=audited(pool, [1] * 50, short=8),
    )
    first, *others = compose(standing, POLICIES["errors-per-second"], asked()).pages
    assert sorted(first.rows) == sorted(pool.rows[40:])
    assert not set(first.rows) & {row for page in others for row in page.rows}
