"""When an audit would prove the target, and what it costs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.hypergeometric import most_errors
from hundredfold.selection.domain.stopping import (
    LEAST_SAMPLE,
    NO_EVIDENCE,
    Course,
    Terms,
    Trust,
    alpha,
    audit_seconds,
    best_outlay,
    expected_short,
    may_look_again,
    outlay,
    plan,
    slips,
    trust,
)

COSTS = CostModel()
SURE = Trust(1.0, 1e9)


def terms(total=4000, target=0.95, slipped=0.0, look=1, aside=0):
    return Terms(
        total, (1 - target) * total, slipped, alpha(0.95, look), beside=aside, beside_wrong=aside
    )


def course(seconds, left, wrong):
    return Course(np.array(seconds, float), np.array(left, np.int64), np.array(wrong, float))


def test_all_looks_together_spend_no_more_than_the_confidence_leaves():
    spent = [alpha(0.95, look) for look in range(1, 30)]
    assert spent[0] == pytest.approx(0.0375)
    assert sum(spent) <= 0.05 + 1e-12


def test_without_evidence_the_head_is_believed_but_not_fully():
    low, *_, high = NO_EVIDENCE.quantiles()
    assert NO_EVIDENCE.mean == 1
    assert 0.5 < low < 0.7
    assert 1.3 < high < 1.7


def test_random_samples_change_how_far_the_head_is_believed():
    assert trust([]) == NO_EVIDENCE
    assert trust([(20.0, 10.0)]).mean > 1.3
    assert trust([(0.0, 10.0)]).mean < 0.5
    assert trust([(10.0, 10.0), (40.0, 40.0)]).shape > NO_EVIDENCE.shape


def bounds(population, sample, spent):
    """The upper bound on the wrong ones for each number of errors, by brute force."""
    wrong = np.arange(population + 1)
    return [
        int(wrong[hypergeom.cdf(e, population, wrong, sample) > spent].max())
        for e in range(sample + 1)
    ]


def test_the_errors_that_a_sample_may_have_are_those_of_the_exact_hypergeometric_bound():
    for room in (0, 5, 20, 60):
        passes = [e for e, bound in enumerate(bounds(150, 60, 0.0375)) if bound <= room]
        assert most_errors(150, 60, room, 0.0375) == max(passes, default=-1)
    assert most_errors(150, 60, 150, 0.0375) == 60
    assert most_errors(150, 60, -1, 0.0375) == -1


@pytest.mark.parametrize(("population", "wrong", "sample"), [(1700, 60, 300), (600, 40, 200)])
def test_what_an_audit_is_short_of_is_about_that_of_the_exact_bound(population, wrong, sample):
    asked = replace(terms(total=2000, target=0.97), classes=100)  # one stage
    errors = hypergeom(population, wrong, sample).pmf(np.arange(sample + 1))
    short = np.maximum(np.array(bounds(population, sample, asked.alpha)) - 60, 0)
    exact = float(errors @ short)
    assert expected_short(asked, population, wrong, sample, SURE) == pytest.approx(
        exact, rel=0.15, abs=2
    )


def best(asked, population, wrong, belief=NO_EVIDENCE):
    return best_outlay(asked, population, wrong, belief, page_size=48, costs=COSTS)


@given(
    st.integers(1, 500), st.floats(0, 1), st.floats(0.5, 0.999), st.floats(0, 30), st.integers(1, 4)
)
@example(356, 0.029296875, 0.625, 18.0, 2)
@settings(max_examples=60)
def test_there_is_a_sample_unless_slips_are_too_many(population, share, target, slipped, look):
    asked = terms(600, target, slipped, look)
    found = best(asked, population, share * population)
    if found:
        assert min(LEAST_SAMPLE, population) <= found.sample <= population
        assert found.mending >= 0
    else:
        assert slipped > asked.allowed - 1


def test_no_other_sample_costs_less():
    found = best(terms(), 2000, 140)
    for sample in (30, 100, 200, 400, 800, 2000):
        other = outlay(terms(), 2000, 140, sample, NO_EVIDENCE, page_size=48, costs=COSTS)
        assert found.seconds <= 1.05 * other.seconds


def test_the_more_wrong_ones_are_expected_the_more_an_audit_costs():
    seconds = [best(terms(), 2000, wrong).seconds for wrong in (20, 60, 100, 140, 300)]
    assert seconds == sorted(seconds)


def test_slips_that_exceed_what_is_allowed_leave_no_way_to_pass():
    assert best(terms(slipped=201), 100, 0.0) is None
    assert best(terms(), 0, 0.0) is None


def test_a_million_images_are_planned_quickly_and_need_few_hundred():
    assert 100 < best(terms(10_000_000), 9_000_000, 200_000).sample < 2_000


def test_an_audit_costs_its_pages_its_images_and_its_errors():
    def seconds(sample, wrong=0, classes=1):
        asked = Terms(1000, 50, 0, 0.05, classes=classes)
        return audit_seconds(asked, 500, wrong, sample, page_size=48, costs=COSTS)

    assert seconds(0) == 0
    assert seconds(48) == pytest.approx(4.0)
    assert seconds(48, classes=12) == pytest.approx(12 * COSTS.look(4), rel=0.02)
    assert seconds(12, classes=12) < 10 * COSTS.look(2)  # of some classes none is drawn
    assert seconds(48, wrong=50) > seconds(48) + 3.5 * COSTS.click_seconds


def planned(found, asked, belief=NO_EVIDENCE):
    return plan(found, asked, belief, page_size=48, costs=COSTS)


def test_it_audits_now_when_labelling_more_costs_more_than_it_saves():
    found = planned(course([0, 5000], [1500, 1000], [20, 5]), terms())
    assert found.ready
    assert found.labelling == 0
    assert found.sample >= LEAST_SAMPLE
    assert found.auditing > 0


def test_it_labels_on_when_a_few_pages_save_a_large_sample():
    found = planned(course([0, 10, 20], [3000, 2900, 2800], [195, 60, 20]), terms())
    assert not found.ready
    assert found.labelling in {10, 20}


def test_it_labels_on_while_too_many_are_expected_to_be_wrong():
    found = planned(course([0, 100, 900], [3000, 2500, 1000], [600, 300, 30]), terms())
    assert not found.ready


def test_when_slips_are_too_many_all_is_labelled_and_nothing_proved():
    found = planned(course([0, 100, 200], [300, 100, 0], [30, 5, 0]), terms(slipped=500))
    assert (found.ready, found.labelling, found.auditing, found.sample) == (False, 200, 0, 0)


def test_images_set_aside_count_as_wrong():
    found = course([0, 1000], [1000, 0], [10, 0])
    few, many = planned(found, terms()), planned(found, terms(aside=100))
    assert few.ready
    assert many.auditing > 1.5 * few.auditing


def test_after_a_failure_a_third_must_be_righted_first():
    assert may_look_again(100, 0)
    assert may_look_again(66, 100)
    assert not may_look_again(67, 100)


def test_slips_are_the_odd_images_that_were_overlooked():
    assert slips(1000, 100, 1000, 0.0) == 0
    assert slips(1000, 100, 1000, 0.05) == pytest.approx(1000 * 0.1 * 0.05 / 0.95)
    assert slips(1000, 0, 0, 0.05) == 0


def test_answered_images_of_an_open_audit_cost_nothing_more():
    whole = outlay(terms(), 2000, 60, 300, NO_EVIDENCE, page_size=48, costs=COSTS)
    half = outlay(terms(), 2000, 60, 300, NO_EVIDENCE, page_size=48, costs=COSTS, left=150)
    assert half.pages == pytest.approx(whole.pages / 2, rel=0.2)
    assert half.mending == whole.mending


def test_it_is_due_about_when_as_many_are_expected_to_be_wrong_as_may_be():
    """Each wrong image takes four seconds to put right, of 2,600 that are left at first."""
    steps = np.arange(120)
    wrong, left = np.linspace(450, 0, 120), np.linspace(2600, 0, 120).astype(int)
    asked = Terms(3781, 189, 20, alpha(0.95, 1), classes=10)
    ready = next(
        at
        for at in range(0, 120, 4)
        if planned(course(15.0 * steps[at:] - 15.0 * at, left[at:], wrong[at:]), asked).ready
    )
    assert 0.75 * 189 < wrong[ready] < 1.25 * 189
