"""What every way of choosing pages keeps to; a new one inherits all of it by being in the registry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.page import Kind
from hundredfold.selection.domain.policies import DEFAULT, POLICIES
from tests.unit.selection.pools import asked, make_pool, pools, random_pool

every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


def rows_of(pages):
    return np.concatenate([np.empty(0, np.int64), *(page.rows for page in pages)])


@every_policy
class TestEveryPolicy:
    @given(pools, st.integers(1, 40), st.integers(1, 60))
    @settings(max_examples=30, deadline=None)
    def test_pages_are_within_the_limits_and_no_image_is_on_two(
        self, policy, pool, limit, page_size
    ):
        pages = policy(pool, asked(limit, page_size))
        rows = rows_of(pages)
        assert len(pages) <= limit
        assert all(1 <= len(page.rows) <= page_size for page in pages)
        assert len(np.unique(rows)) == len(rows)
        assert np.isin(rows, pool.rows).all()

    @given(pools)
    @settings(max_examples=30, deadline=None)
    def test_what_a_page_says_of_its_images_is_what_the_head_says(self, policy, pool):
        for page in policy(pool, asked()):
            places = np.searchsorted(pool.rows, page.rows)
            np.testing.assert_array_equal(page.second, pool.second[places])
            np.testing.assert_array_equal(page.probability, pool.probability[places])
            assert page.second.dtype == np.int32
            assert page.probability.dtype == np.float32
            if page.kind is Kind.VERIFY:
                assert page.class_id > 0
                assert (pool.top[places] == page.class_id).all()
            else:
                assert page.class_id == 0

    @given(pools)
    @settings(max_examples=30, deadline=None)
    def test_scores_are_finite_and_do_not_rise(self, policy, pool):
        scores = [page.score for page in policy(pool, asked())]
        assert np.isfinite(scores).all()
        assert scores == sorted(scores, reverse=True)

    @given(pools, st.integers(0, 2**32 - 1))
    @settings(max_examples=20, deadline=None)
    def test_the_same_seed_gives_the_same_pages(self, policy, pool, seed):
        first, second = (policy(pool, asked(seed=seed)) for _ in range(2))
        assert [page.rows.tolist() for page in first] == [page.rows.tolist() for page in second]

    def test_an_empty_pool_has_no_pages(self, policy):
        assert policy(make_pool([], []), asked()) == []

    def test_more_pages_asked_for_than_there_are_images_gives_every_image_or_its_class(
        self, policy
    ):
        pool = make_pool([1] * 5 + [2] * 6, np.linspace(0.5, 0.9, 11))
        assert sorted(rows_of(policy(pool, asked(256, 200)))) == pool.rows.tolist()

    def test_one_image_is_one_page(self, policy):
        (page,) = policy(make_pool([3], [0.8]), asked())
        assert page.rows.tolist() == [10]

    def test_ties_are_broken_the_same_way_each_time(self, policy):
        pool = make_pool([1, 2] * 30, [0.5] * 60)
        first, second = (policy(pool, asked()) for _ in range(2))
        assert [page.rows.tolist() for page in first] == [page.rows.tolist() for page in second]

    def test_images_without_a_guess_are_asked_about_alone(self, policy):
        pages = policy(make_pool([0] * 20, [0.0] * 20), asked())
        assert pages
        assert {page.kind for page in pages} == {Kind.SINGLE}


class TestErrorsPerSecond:
    policy = staticmethod(POLICIES["errors-per-second"])

    def test_it_is_the_default(self):
        assert DEFAULT == "errors-per-second"

    def test_doubtful_pages_come_before_sure_ones(self):
        pool = make_pool([1] * 12 + [2] * 12, [0.99] * 12 + [0.6] * 12)
        assert [page.class_id for page in self.policy(pool, asked())] == [2, 1]

    def test_a_class_is_cut_by_confidence(self):
        pool = make_pool([1] * 24, np.linspace(0.3, 0.99, 24))
        doubtful, sure = self.policy(pool, asked())
        assert doubtful.probability.max() < sure.probability.min()

    def test_odd_ones_stand_beside_their_likes(self):
        # Rows near in number look alike: an order by confidence alone would mix the two groups.
        probability = np.tile([0.9, 0.6, 0.75], 8)
        pool = make_pool([1] * 24, probability, second=[2] * 24)
        (page,) = self.policy(pool, asked(page_size=24))
        steps = np.abs(np.diff(page.rows))
        by_confidence = np.abs(np.diff(pool.rows[np.argsort(-pool.probability)]))
        assert steps.mean() < by_confidence.mean() / 2

    def test_a_label_that_costs_less_alone_is_asked_for_alone(self):
        pool = make_pool([1, 2, 3], [0.05] * 3)
        assert {page.kind for page in self.policy(pool, asked())} == {Kind.SINGLE}

    def test_dear_single_labels_keep_images_on_pages(self):
        costs = CostModel(single_seconds=60)
        pool = make_pool([1, 2, 3], [0.05] * 3)
        assert {page.kind for page in self.policy(pool, asked(costs=costs))} == {Kind.VERIFY}

    def test_free_actions_are_no_error(self):
        free = CostModel(0, 0, 0, 0, None, 0)
        assert self.policy(random_pool(50), asked(costs=free))


def test_the_margin_policy_begins_with_the_least_decided():
    pool = make_pool([1] * 20, [0.5] * 20, margin=np.linspace(0.9, 0.0, 20))
    pages = POLICIES["margin"](pool, asked(limit=1))
    assert pages[0].rows.tolist() == pool.rows[::-1][:8].tolist()


def test_the_random_policy_differs_from_seed_to_seed():
    pool = random_pool(150)
    orders = [
        [page.rows.tolist() for page in POLICIES["random"](pool, asked(seed=seed))]
        for seed in range(3)
    ]
    assert orders[0] != orders[1] or orders[1] != orders[2]
