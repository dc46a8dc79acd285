"""From what is known to the pages of a round."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.selection.domain.discovery import Discovery
from hundredfold.selection.domain.page import Kind
from hundredfold.selection.domain.policies import POLICIES, Policy
from hundredfold.selection.domain.rounds import Phase, Standing, compose
from tests.unit.selection.policy_contract import even_clusters
from tests.unit.selection.pools import (
    NO_CLUSTERS,
    NO_LABELS,
    asked,
    labels_of,
    make_pool,
    plain_pool,
    random_pool,
)

POLICY = POLICIES["errors-per-second"]


def round_of(pool, clusters=NO_CLUSTERS, limit=16, page_size=12):
    standing = Standing(pool, NO_LABELS, clusters, Discovery())
    return compose(standing, POLICY, asked(limit, page_size))


def test_nothing_left_is_the_end():
    made = round_of(make_pool([], []))
    assert (made.phase, made.pages) == (Phase.DONE, [])


def test_many_unanswered_clusters_are_all_that_is_offered():
    pool = plain_pool(np.arange(400, dtype=np.int64))
    made = round_of(pool, even_clusters(pool.rows, 40))
    assert made.phase is Phase.SEED
    assert len(made.pages) == 40
    assert {page.kind for page in made.pages} == {Kind.CLUSTER}


def test_while_the_last_clusters_wait_there_is_more_below_them():
    pool = random_pool(200)
    seed_rows = pool.rows[:40]
    made = round_of(pool, even_clusters(seed_rows, 4))
    assert made.phase is Phase.SEED
    seeds = [page for page in made.pages if page.cluster]
    rest = [page for page in made.pages if not page.cluster]
    assert len(seeds) == 4
    assert rest
    assert min(page.score for page in seeds) > max(page.score for page in rest)


def test_answered_clusters_are_followed_by_predicted_classes():
    made = round_of(make_pool([1] * 40, [0.8] * 40))
    assert made.phase is Phase.VERIFY
    assert {page.kind for page in made.pages} == {Kind.VERIFY}


def test_only_single_images_are_leftovers():
    assert round_of(make_pool([0] * 3, [0.0] * 3)).phase is Phase.LEFTOVERS


def test_a_pool_without_clusters_and_head_still_gets_pages():
    made = round_of(plain_pool(np.arange(30, dtype=np.int64)))
    assert made.phase is Phase.SEED
    assert sum(len(page.rows) for page in made.pages) == 30


def test_often_kicked_images_bring_a_page_that_asks_what_they_are():
    pool = make_pool([1] * 60, [0.8] * 60, kicks=[2] * 20 + [0] * 40)
    made = round_of(pool)
    first = made.pages[0]
    assert first.kind is Kind.CLUSTER
    assert first.score > made.pages[1].score
    assert made.discovery.rows == tuple(first.rows)


def test_odd_ones_stand_beside_their_likes():
    # Rows near in number look alike: an order by confidence alone would mix the two groups.
    probability = np.tile([0.9, 0.6, 0.75], 8)
    pool = make_pool([1] * 24, probability, second=[2] * 24)
    (page,) = round_of(pool, page_size=24).pages
    by_confidence = np.abs(np.diff(pool.rows[np.argsort(-pool.probability)]))
    assert np.abs(np.diff(page.rows)).mean() < by_confidence.mean() / 2


def test_people_past_the_seed_are_shown_no_more_clusters():
    pool = random_pool(200)
    seeded = Standing(pool, NO_LABELS, even_clusters(pool.rows, 4), Discovery(), seeded=True)
    made = compose(seeded, POLICY, asked())
    assert made.phase is Phase.VERIFY
    assert Kind.CLUSTER not in {page.kind for page in made.pages}


def test_a_loop_without_discovery_looks_for_no_classes():
    pool = make_pool([1] * 60, [0.8] * 60, kicks=[2] * 20 + [0] * 40)
    labels = labels_of([1, 2], [1, 1])
    standing = Standing(pool, labels, NO_CLUSTERS, Discovery(), without=frozenset({"discovery"}))
    made = compose(standing, POLICY, asked())
    assert {page.kind for page in made.pages} == {Kind.VERIFY}
    assert made.discovery == Discovery()


def test_labels_of_a_model_teach_no_policy():
    pool = make_pool([1] * 40, [0.8] * 40)
    seen = []
    spy = Policy("spy", "none", Kind.SINGLE, lambda known, _: seen.append(known.labels) or [])
    labels = labels_of([1, 2, 3], [1, 2, 2], [2, 127, 0])
    compose(Standing(pool, labels, NO_CLUSTERS, Discovery()), spy, asked())
    assert seen[0].rows.tolist() == [1, 3]


class TestBadInput:
    """Each ends in work that can be done."""

    def test_a_schema_of_one_class_is_confirmed_page_by_page(self):
        pool = make_pool([1] * 40, [1.0] * 40)
        labels = labels_of([1, 2], [1, 1])
        made = compose(Standing(pool, labels, NO_CLUSTERS, Discovery()), POLICY, asked())
        rows = np.concatenate([page.rows for page in made.pages])
        assert sorted(rows) == sorted(pool.rows)
        assert {page.class_id for page in made.pages} == {1}

    def test_a_class_without_an_image_gets_no_page(self):
        pool = make_pool([1, 3] * 20, [0.8] * 40)
        labels = labels_of([1, 2, 4], [1, 2, 3])
        made = compose(Standing(pool, labels, NO_CLUSTERS, Discovery()), POLICY, asked())
        assert {page.class_id for page in made.pages} == {1, 3}

    @pytest.mark.parametrize("head", [False, True])
    def test_ten_images_are_all_offered_in_the_first_round(self, head):
        rows = np.arange(10, dtype=np.int64)
        pool = replace(random_pool(10, seed=2), rows=rows) if head else plain_pool(rows)
        made = round_of(pool, even_clusters(rows, 2))
        assert sorted(np.concatenate([page.rows for page in made.pages])) == list(range(10))

    def test_images_that_are_all_alike_are_worked_through(self):
        pool = random_pool(100)
        same = replace(pool, vectors_of=lambda rows: np.tile(np.float32([1, 0]), (len(rows), 1)))
        labels = labels_of([1, 2], [1, 2])
        left, rounds = same, 0
        while len(left):
            standing = Standing(left, labels, even_clusters(pool.rows, 1), Discovery())
            made = compose(standing, POLICY, asked())
            assert made.pages
            left = left.without(np.concatenate([page.rows for page in made.pages]))
            rounds += 1
        assert rounds < 10

    def test_images_that_people_contradict_each_other_about_end_one_by_one(self):
        # Kicked from every class there is: nothing is left to guess.
        pool = make_pool([0] * 5, [0.0] * 5, kicks=[3] * 5)
        made = round_of(pool)
        assert {page.kind for page in made.pages} == {Kind.SINGLE}
        assert made.phase is Phase.LEFTOVERS


@given(st.integers(0, 200), st.integers(1, 30), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=40)
def test_no_image_is_on_two_pages_and_work_never_stops(count, clusters, seed, head):
    pool = random_pool(count, seed=seed)
    if not head:
        pool = plain_pool(pool.rows)
    made = round_of(pool, even_clusters(pool.rows, clusters))
    rows = np.concatenate([np.empty(0, np.int64), *(page.rows for page in made.pages)])
    assert len(np.unique(rows)) == len(rows)
    assert np.isin(rows, pool.rows).all()
    assert bool(made.pages) == bool(count)
    assert len(made.pages) <= 256
