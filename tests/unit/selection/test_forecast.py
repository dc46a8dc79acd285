"""How much work is left."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.forecast import (
    Answered,
    Far,
    Forecast,
    accuracy,
    answering,
    forecast,
    mending,
    pace,
    proving,
    walk,
)
from hundredfold.selection.domain.stopping import (
    MENDING_SECONDS,
    NO_EVIDENCE,
    Open,
    Terms,
    Trust,
    alpha,
)
from tests.unit.selection.pools import make_pool, random_pool

COSTS = CostModel()
DONE = 1e12  # seconds so far: the end of the work, where a walk is taken for what it is and a little more


def forecast_of(pool, labelled=0, target=0.95, *, costs=COSTS, seconds=0.0, pace=1.0):
    far = Far(labelled, labelled + len(pool), seconds, pace)
    return forecast(pool, far, target=target, page_size=12, costs=costs)


def proving_of(pool, labelled=0, target=0.95, slips=0.0, belief=NO_EVIDENCE):
    total = labelled + len(pool)
    terms = Terms(total, (1 - target) * total, slips, alpha(0.95, 1))
    return proving(pool, Far(labelled, total), terms, belief, page_size=12, costs=COSTS)


def test_labels_count_fully_and_guesses_by_their_probability():
    assert accuracy(make_pool([1, 1], [0.5, 0.7]), Far(2, 4)) == pytest.approx(0.8)


def test_a_head_that_is_not_believed_counts_less():
    pool = make_pool([1, 1], [0.5, 0.7])
    assert accuracy(pool, Far(2, 4), Trust(1.5, 8)) == pytest.approx(0.7)
    assert accuracy(pool, Far(2, 4), Trust(99, 8)) == pytest.approx(0.5)


def test_of_nothing_nothing_is_expected():
    assert accuracy(make_pool([], []), Far(0, 0)) == 0
    assert proving_of(make_pool([], []), labelled=3).seconds == 0


def test_what_is_reached_takes_no_more_work():
    found = forecast_of(make_pool([1] * 50, [0.99] * 50))
    assert (found.seconds, found.seconds_high, found.pages, found.images) == (0, 0, 0, 0)


@given(st.integers(1, 150), st.integers(0, 200), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_a_higher_target_takes_no_less_work_and_hardly_more_than_one_by_one(count, labelled, seed):
    pool = random_pool(count, seed=seed)
    low, high = (forecast_of(pool, labelled, target) for target in (0.7, 0.98))
    assert 0 <= low.seconds <= high.seconds <= 1.25 * count * COSTS.single_seconds
    assert low.images <= high.images <= count


@given(st.integers(0, 150), st.integers(0, 200), st.integers(0, 2**32 - 1), st.floats(0.5, 0.999))
@settings(max_examples=40)
def test_the_interval_holds_the_forecast_and_audits_are_part_of_it(count, labelled, seed, target):
    pool = random_pool(count, seed=seed)
    for found in (forecast_of(pool, labelled, target), proving_of(pool, labelled, target)):
        assert 0 <= found.seconds_low <= found.seconds <= found.seconds_high
        assert 0 <= found.pages_low <= found.pages <= found.pages_high
        assert 0 <= found.audit_seconds <= found.seconds
        assert found.ready == (found.sample > 0)


def test_doubt_takes_work():
    sure, unsure = make_pool([1] * 60, [0.9] * 60), make_pool([1] * 60, [0.5] * 60)
    assert forecast_of(unsure).seconds > forecast_of(sure).seconds > 0


def test_while_the_head_still_learns_less_work_comes_than_is_walked():
    pool = make_pool([1] * 60, [0.5] * 60)
    walked, _, _ = walk(pool, 12, COSTS).until(27.0)
    assert forecast_of(pool).seconds < 0.6 * walked
    assert forecast_of(pool, seconds=DONE).seconds > walked


def test_slow_people_take_longer_and_their_hours_do_not_count_as_progress():
    pool = make_pool([1] * 60, [0.5] * 60)
    usual, slow = forecast_of(pool, seconds=50.0), forecast_of(pool, seconds=150.0, pace=3.0)
    assert slow.seconds == pytest.approx(3 * usual.seconds)
    assert slow.pages == usual.pages


def test_a_walk_ends_when_all_is_labelled():
    pool = random_pool(77, seed=3)
    found = walk(pool, 12, COSTS)
    assert found.images[-1] == 77
    assert found.righted[-1] == pytest.approx((1 - pool.probability).sum(), rel=1e-3)
    assert (np.diff(found.seconds) >= 0).all()
    assert walk(make_pool([], []), 12, COSTS).until(3.0) == (0, 0, 0)


def test_a_proof_takes_more_than_the_target():
    pool = make_pool([1] * 400, [0.9] * 400)
    assert proving_of(pool, 400).seconds > forecast_of(pool, 400).seconds


def test_where_the_head_is_sure_it_is_ready():
    found = proving_of(make_pool([1] * 800, [0.99] * 800), 200)
    assert found.ready
    assert found.seconds_low < found.audit_seconds <= found.seconds
    assert not proving_of(make_pool([1] * 800, [0.6] * 800), 200).ready
    assert not proving_of(make_pool([1] * 800, [0.99] * 800), 200, slips=90).ready


def test_evidence_against_the_head_keeps_it_from_being_ready():
    pool = make_pool([1] * 800, [0.96] * 800)
    assert proving_of(pool, 200, target=0.9).ready
    assert not proving_of(pool, 200, target=0.9, belief=Trust(3.0, 60)).ready


def answering_of(pool, audit, *, total=1200, belief=NO_EVIDENCE, slipped=0.0):
    terms = Terms(total, 0.05 * total, slipped, alpha(0.95, 1))
    return answering(pool, Far(0, total), terms, belief, audit, page_size=12, costs=COSTS)


def test_an_open_audit_takes_its_answers():
    pool = make_pool([1] * 800, [0.99] * 800)
    few, many = (answering_of(pool, Open(800, 8.0, 135, left)) for left in (12, 48))
    assert few.ready
    assert 0 < few.seconds == few.audit_seconds < many.seconds
    assert few.seconds_low < few.seconds < few.seconds_high
    assert (few.images, many.images) == (12, 48)
    assert answering_of(make_pool([], []), Open(9, 0.0, 9, 9)).seconds > 0


def test_what_an_open_audit_is_likely_to_be_short_of_is_counted():
    pool = make_pool([1] * 800, [0.96] * 800)
    few, many = (answering_of(pool, Open(800, wrong, 90, 20)) for wrong in (5.0, 50.0))
    assert many.seconds > 1.5 * few.seconds
    # It may be short of nothing.
    assert many.seconds_low < few.seconds


def test_an_open_audit_that_slips_keep_from_passing_has_a_forecast():
    pool = make_pool([1] * 800, [0.96] * 800)
    assert 0 < answering_of(pool, Open(800, 5.0, 90, 20), slipped=61).seconds < 1000


def test_after_a_switch_to_a_better_space_less_is_left_and_the_interval_still_holds_it():
    """The seconds that people spent stay; the guesses of the new head are better."""
    spent = Far(400, 1200, seconds=600.0)
    terms = Terms(1200, 60.0, 4.0, alpha(0.95, 1))

    def left(probability, target=None):
        pool = make_pool([1] * 800, [probability] * 800)
        if target:
            return forecast(pool, spent, target=target, page_size=12, costs=COSTS)
        return proving(pool, spent, terms, NO_EVIDENCE, page_size=12, costs=COSTS)

    for before, after in ((0.8, 0.9), (0.9, 0.97)):
        for target in (None, 0.95):
            old, new = left(before, target), left(after, target)
            assert new.seconds < old.seconds
            assert new.seconds_low <= new.seconds <= new.seconds_high
            assert new.pages_low <= new.pages <= new.pages_high
    # A space is switched to for a few points of accuracy: the interval of before holds what is left then.
    for target in (None, 0.95):
        assert left(0.8, target).seconds_low < left(0.83, target).seconds
        assert left(0.83, target).seconds < left(0.8, target).seconds_high


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


def test_what_an_audit_is_short_of_is_forecast_where_that_is_less_than_another_audit():
    far = Far(100, 1000, pace=2.0)
    outlook = Forecast(0.94, 60.0, 40.0, 90.0, audit_seconds=20.0, ready=True, sample=50)
    soon = mending(outlook, far, 3)
    assert soon.seconds == 2.0 * 3 * MENDING_SECONDS
    assert soon.seconds_low < soon.seconds < soon.seconds_high
    assert (soon.images, soon.ready, soon.sample) == (3, False, 0)
    assert mending(outlook, far, 30) == outlook
    assert mending(outlook, far, 0) == outlook
