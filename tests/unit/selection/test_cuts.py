"""Cutting predicted classes into pages, and what pages are worth."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain import worth
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.predicted import cut
from tests.unit.selection.pools import make_pool, plain_pool, pools, random_pool

COSTS = CostModel()


@given(pools, st.integers(1, 60))
@settings(max_examples=60)
def test_every_image_is_on_one_page_of_its_class_and_the_surest_are_on_the_first(pool, page_size):
    cuts = cut(pool, page_size)
    assert sorted(cuts.places) == list(range(len(pool)))
    assert cuts.sizes.sum() == len(pool)
    dense = np.lexsort((np.arange(len(pool)), -pool.probability, pool.top))
    np.testing.assert_allclose(
        pool.probability[cuts.places], pool.probability[dense], rtol=0, atol=1e-6
    )
    for number, class_id in enumerate(cuts.classes):
        places = cuts.page(number)
        assert (pool.top[places] == class_id).all()
        assert cuts.odd[number] == pytest.approx((1 - pool.probability[places]).sum(), abs=1e-4)


def test_class_ids_that_leave_no_bits_for_doubts_are_sorted_all_the_same():
    pool = random_pool(100)
    huge = replace(pool, top=np.where(pool.top > 0, pool.top + 2_000_000_000, 0).astype(np.int32))
    many = replace(huge, rows=huge.rows)
    assert cut(many, 12).sizes.tolist() == cut(pool, 12).sizes.tolist()


def test_equally_sure_images_stay_in_the_order_of_rows():
    assert cut(make_pool([1] * 30, [0.7] * 30), 12).places.tolist() == list(range(30))


@given(st.lists(st.tuples(st.integers(0, 200), st.floats(0, 250)), max_size=20))
@settings(max_examples=60)
@pytest.mark.parametrize(
    "costs", [COSTS, CostModel(drag_seconds=None), CostModel(0, 0, 0, 0, 0, 0)]
)
def test_many_pages_at_once_cost_what_each_costs(costs, pages):
    sizes = np.array([size for size, _ in pages], np.int64)
    odd = np.array([min(some, size) for size, some in pages], np.float64)
    each = [costs.expected_confirm(int(size), some) for size, some in zip(sizes, odd, strict=True)]
    np.testing.assert_allclose(costs.expected_confirms(sizes, odd), each, rtol=1e-9, atol=1e-9)


def page_of(kind, pool, class_id=0):
    return Draft(kind, pool.rows, 0.0, class_id)


def test_a_page_of_one_class_is_worth_more_than_its_images_alone():
    pool = make_pool([1] * 40, [0.8] * 40)
    verify, single = (page_of(kind, pool) for kind in (Kind.VERIFY, Kind.SINGLE))
    assert worth.of_page(verify, pool, COSTS) > worth.of_page(single, pool, COSTS) > 0
    assert worth.of_page(single, pool, COSTS) == pytest.approx(0.2 / 3)


def test_naming_a_cluster_takes_longer_than_confirming_it():
    pool = make_pool([1] * 40, [0.8] * 40)
    cluster, verify = (page_of(kind, pool) for kind in (Kind.CLUSTER, Kind.VERIFY))
    assert worth.of_page(cluster, pool, COSTS) < worth.of_page(verify, pool, COSTS)


def test_without_a_head_every_image_counts_as_wrong():
    pool = plain_pool(np.arange(16, dtype=np.int64))
    page = page_of(Kind.CLUSTER, pool)
    assert worth.of_page(page, pool, COSTS) == pytest.approx(
        16 / (COSTS.expected_confirm(16, 8) + COSTS.naming_seconds)
    )


def test_what_costs_nothing_is_worth_a_finite_number():
    pool = make_pool([1] * 4, [0.5] * 4)
    free = CostModel(0, 0, 0, 0, None, 0)
    assert np.isfinite(worth.of_page(page_of(Kind.VERIFY, pool), pool, free))
