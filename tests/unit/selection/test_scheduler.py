"""What comes before what."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain import regions, scheduler, worth
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.predicted import single_page, verify_page
from tests.unit.selection.policy_contract import even_clusters
from tests.unit.selection.pools import NO_CLUSTERS, asked, labels_of, make_pool

COSTS = CostModel()


def pages_at(regions_of_pages, rows_a_region=30):
    """Pages of two images, each of the region named."""
    had = dict.fromkeys(set(regions_of_pages), 0)
    pages = []
    for number, region in enumerate(regions_of_pages):
        start = region * rows_a_region + 2 * had[region]
        had[region] += 1
        rows = 10 + 3 * np.arange(start, start + 2)
        pages.append(Draft(Kind.VERIFY, rows, 1.0 - number / 100, 1))
    return pages


def region_of(page, rows_a_region=30):
    return int((page.rows[0] - 10) // 3 // rows_a_region)


def spread(regions_of_pages, limit, count=20):
    pool = make_pool([1] * 30 * count, [0.5] * 30 * count)
    pages = pages_at(regions_of_pages)
    return regions.spread(pages, pool, even_clusters(pool.rows, count), limit)


def test_a_region_that_had_its_part_waits_for_the_others():
    # Each of 20 regions may have 4/20 of the pages so far, and one more.
    order = [region_of(page) for page in spread([0] * 10 + [1] * 10 + [2] * 10, 10)]
    assert order[:3] == [0, 1, 2]
    assert order.count(0) <= 5


def test_nothing_is_kept_back_for_regions_that_have_no_pages():
    assert len(spread([0] * 10, 8)) == 8


@given(st.lists(st.integers(0, 19), max_size=40), st.integers(1, 40))
@settings(max_examples=50)
def test_no_region_has_more_than_its_part_while_others_wait(names, limit):
    chosen = spread(names, limit)
    assert len(chosen) == min(limit, len(names))
    had = [region_of(page) for page in chosen]
    for at, region in enumerate(had):
        waiting = [each for each in set(names) if names.count(each) > had[:at].count(each)]
        free = [each for each in waiting if had[:at].count(each) <= 4 / 20 * (at + 1)]
        assert region in free or not free


def test_without_clusters_the_best_pages_are_taken():
    pool = make_pool([1] * 100, [0.5] * 100)
    pages = pages_at([0] * 10)
    assert regions.spread(pages, pool, NO_CLUSTERS, 4) == pages[:4]


def test_a_policy_keeps_its_order_and_gets_the_worth_of_its_pages():
    pool = make_pool([1] * 12 + [2] * 12, [0.99] * 12 + [0.6] * 12)
    sure, unsure = (
        verify_page(pool, places, 0.0) for places in (np.arange(12), 12 + np.arange(12))
    )
    made = scheduler.worths([sure, unsure], pool, COSTS)
    assert [page.class_id for page in made] == [1, 2]
    assert [page.score for page in made] == [
        worth.of_page(unsure, pool, COSTS),
        worth.of_page(sure, pool, COSTS),
    ]


def test_rare_classes_get_a_page_of_their_surest_images_the_rarest_first():
    pool = make_pool([1] * 20 + [2] * 20 + [3] * 20, np.linspace(0.2, 0.9, 60))
    labels = labels_of(np.arange(500, 516), [1] * 10 + [2] * 4 + [3] * 2)
    pages = scheduler.rare_pages(pool, labels, asked(limit=32, page_size=6))
    assert [page.class_id for page in pages] == [3, 2]
    assert set(pages[0].rows) == set(pool.rows[-6:])


def test_a_rare_class_that_no_image_is_taken_for_gets_no_page():
    pool = make_pool([1] * 20, [0.5] * 20)
    labels = labels_of([500, 501], [1, 7])
    assert {page.class_id for page in scheduler.rare_pages(pool, labels, asked(limit=99))} == {1}


def test_pages_of_rare_classes_have_their_share_of_any_first_pages():
    pool = make_pool([1] * 64, [0.5] * 64)
    others = [single_page(pool, np.array([at]), 1.0) for at in range(60)]
    rare = [single_page(pool, np.array([at]), 0.0) for at in range(60, 64)]
    firsts = 0
    for seed in range(400):
        mixed = scheduler.interspersed(others, rare, np.random.default_rng(seed))
        assert len(mixed) == 64
        firsts += int(mixed[0].score == 0.0)
    assert 10 < firsts < 45


def test_lifted_pages_stand_above_all_that_is_scored_by_worth():
    pages = scheduler.lifted(pages_at([0, 1, 2]), scheduler.STREAM_SCORE)
    scores = [page.score for page in pages]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 1e6


def test_what_is_hardly_of_a_rare_class_is_not_shown_as_it():
    pool = make_pool([3] * 20, [0.1] * 20)
    assert scheduler.rare_pages(pool, labels_of([500], [3]), asked()) == []


def test_scores_tell_the_order_even_of_pages_that_are_worth_the_same():
    pages = scheduler.falling([*pages_at([0, 1]), *pages_at([2, 3])])
    scores = [page.score for page in pages]
    assert all(before > after for before, after in pairwise(scores))
    assert scores[2] > 0.98
