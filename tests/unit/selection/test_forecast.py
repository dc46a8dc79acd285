"""How much work is left."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.forecast import Answered, expected_accuracy, forecast, pace
from tests.unit.selection.pools import make_pool, random_pool

COSTS = CostModel()


def forecast_of(pool, labelled=0, target=0.95, costs=COSTS):
    total = labelled + len(pool)
    return forecast(pool, labelled, total, target=target, page_size=12, costs=costs)


def test_labels_count_fully_and_guesses_by_their_probability():
    assert expected_accuracy(make_pool([1, 1], [0.5, 0.7]), 2, 4) == pytest.approx(0.8)


def test_of_nothing_nothing_is_expected():
    assert expected_accuracy(make_pool([], []), 0, 0) == 0


def test_what_is_reached_takes_no_more_work():
    found = forecast_of(make_pool([1] * 50, [0.99] * 50))
    assert (found.seconds, found.pages, found.images) == (0, 0, 0)


@given(st.integers(1, 150), st.integers(0, 200), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_a_higher_target_takes_no_less_work_and_never_more_than_one_by_one(count, labelled, seed):
    pool = random_pool(count, seed=seed)
    low, high = (forecast_of(pool, labelled, target) for target in (0.7, 0.98))
    assert 0 <= low.seconds <= high.seconds <= count * COSTS.single_seconds + 1e-6
    assert low.images <= high.images <= count


def test_doubt_takes_work():
    sure, unsure = make_pool([1] * 60, [0.9] * 60), make_pool([1] * 60, [0.5] * 60)
    assert forecast_of(unsure).seconds > forecast_of(sure).seconds > 0


def answered(seconds, odd=(), single=False, named=False, images=48):
    mask = np.zeros(images, bool)
    mask[list(odd)] = True
    return Answered(seconds, mask, named, single)


def test_people_as_fast_as_the_model_have_pace_one():
    pages = [
        answered(4.0),
        answered(5.5, odd=[3, 4, 5]),
        answered(6.0, named=True),
        answered(24.0, single=True, images=8),
    ]
    assert pace(pages, COSTS) == pytest.approx(1)


def test_slow_people_have_a_higher_pace():
    assert pace([answered(8.0)] * 5, COSTS) == pytest.approx(2)


def test_a_page_left_open_over_lunch_hardly_counts():
    assert pace([answered(4.0)] * 99 + [answered(3600.0)], COSTS) < 1.2


def test_without_answers_the_model_is_believed():
    assert pace([], COSTS) == 1
    assert pace([answered(0.0)], COSTS) == 1
