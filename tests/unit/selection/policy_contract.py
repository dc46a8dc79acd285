"""What every way of choosing pages keeps to: a test class of a policy inherits it."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.page import Kind
from hundredfold.selection.domain.policies import POLICIES, Policy
from hundredfold.selection.domain.policies.base import Known
from tests.unit.selection.pools import NO_CLUSTERS, NO_LABELS, asked, labels_of, make_pool, pools


def inherited(examples):
    """Settings of a test that each policy's class runs: hypothesis would take that for a mistake."""
    return settings(
        max_examples=examples,
        suppress_health_check=[HealthCheck.differing_executors],
    )


def rows_of(pages):
    return np.concatenate([np.empty(0, np.int64), *(page.rows for page in pages)])


def shown(pages):
    return [(page.kind, page.class_id, page.score, page.rows.tolist()) for page in pages]


def even_clusters(rows, count):
    bounds = np.linspace(0, len(rows), count + 1).astype(np.int64)
    return Clusters("run", rows[: bounds[-1]], bounds)


class PolicyContract:
    """Set `policy`."""

    policy: ClassVar[Policy]

    def choose(self, pool, labels=NO_LABELS, clusters=NO_CLUSTERS, **wanted):
        return self.policy.choose(Known(pool, labels, clusters), asked(**wanted))

    def test_it_is_registered_by_its_name_and_says_where_it_is_from(self):
        assert POLICIES[self.policy.name] is self.policy
        assert self.policy.source

    @given(pools, st.integers(1, 40), st.integers(1, 60), st.integers(1, 9), st.integers(0, 30))
    @inherited(40)
    def test_pages_are_within_the_limits_and_no_image_is_on_two(
        self, pool, limit, page_size, clusters, labelled
    ):
        labels = labels_of(1000 + np.arange(labelled), np.arange(labelled) % 3 + 1)
        some = even_clusters(pool.rows, clusters)
        pages = self.choose(pool, labels, some, limit=limit, page_size=page_size)
        rows = rows_of(pages)
        assert len(pages) <= limit
        assert all(1 <= len(page.rows) <= page_size for page in pages)
        assert len(np.unique(rows)) == len(rows)
        assert np.isin(rows, pool.rows).all()
        assert bool(pages) == bool(len(pool))

    @given(pools)
    @inherited(30)
    def test_what_a_page_says_of_its_images_is_what_the_head_says(self, pool):
        for page in self.choose(pool):
            places = np.searchsorted(pool.rows, page.rows)
            assert page.rows.dtype == np.int64
            assert page.kind in (self.policy.kind, Kind.SINGLE)
            if page.kind is Kind.VERIFY:
                assert page.class_id > 0
                assert (pool.top[places] == page.class_id).all()
            else:
                assert page.class_id == 0
            if page.kind is not Kind.CLUSTER:
                np.testing.assert_array_equal(page.second, pool.second[places])
                np.testing.assert_array_equal(page.probability, pool.probability[places])
                assert page.second.dtype == np.int32
                assert page.probability.dtype == np.float32

    @given(pools)
    @inherited(30)
    def test_scores_are_finite_and_do_not_rise(self, pool):
        scores = [page.score for page in self.choose(pool)]
        assert np.isfinite(scores).all()
        assert scores == sorted(scores, reverse=True)

    @given(pools, st.integers(0, 2**32 - 1))
    @inherited(20)
    def test_the_same_seed_gives_the_same_pages(self, pool, seed):
        first, second = (self.choose(pool, seed=seed) for _ in range(2))
        assert shown(first) == shown(second)

    def test_an_empty_pool_has_no_pages(self):
        assert self.choose(make_pool([], [])) == []

    def test_a_batch_larger_than_the_pool_is_the_whole_pool(self):
        pool = make_pool([1] * 5 + [2] * 6, np.linspace(0.5, 0.9, 11))
        assert sorted(rows_of(self.choose(pool, limit=256, page_size=200))) == pool.rows.tolist()

    def test_one_image_is_one_page(self):
        (page,) = self.choose(make_pool([3], [0.8]))
        assert page.rows.tolist() == [10]

    def test_ten_images_with_three_labels_are_all_asked_about(self):
        labels = labels_of([1, 2, 3], [1, 2, 1])
        pool = make_pool([1, 2] * 5, np.linspace(0.3, 0.9, 10))
        clusters = even_clusters(pool.rows, 2)
        assert sorted(rows_of(self.choose(pool, labels, clusters))) == pool.rows.tolist()

    def test_ties_are_broken_the_same_way_each_time(self):
        pool = make_pool([1, 2] * 30, [0.5] * 60)
        assert shown(self.choose(pool)) == shown(self.choose(pool))

    def test_identical_images_are_asked_about_like_others(self):
        same = replace(
            make_pool([1] * 40, [0.5] * 40),
            vectors_of=lambda rows: np.tile(np.float32([0.6, 0.8]), (len(rows), 1)),
        )
        labels = labels_of([1, 2, 3], [1, 2, 2])
        pages = self.choose(same, labels, even_clusters(same.rows, 3))
        rows = rows_of(pages)
        assert len(rows)
        assert len(np.unique(rows)) == len(rows)
        assert np.isfinite([page.score for page in pages]).all()

    def test_one_class_is_enough(self):
        pool = make_pool([1] * 30, np.linspace(0.9, 1.0, 30))
        pages = self.choose(pool, labels_of([1, 2], [1, 1]))
        assert pages
        assert {page.class_id for page in pages} <= {0, 1}

    def test_images_without_a_guess_are_not_taken_for_any_class(self):
        pages = self.choose(make_pool([0] * 20, [0.0] * 20))
        assert pages
        assert {page.kind for page in pages} <= {Kind.SINGLE, Kind.CLUSTER}
