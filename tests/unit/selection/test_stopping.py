"""When an audit would prove the target, and what it costs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.stopping import (
    ENOUGH,
    LEAST_SAMPLE,
    NO_EVIDENCE,
    Course,
    Terms,
    Trust,
    alpha,
    audit_seconds,
    least_sample,
    may_look_again,
    passing,
    plan,
    slips,
    staged_seconds,
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


def test_the_chance_to_pass_is_that_of_the_exact_hypergeometric_test():
    """By brute force: e errors pass when more than the room + e wrong ones are ruled out."""
    found = terms(total=400, target=0.95)
    population, wrong, sample = 150, 12, 60
    room = int(found.allowed)
    passes = [
        e
        for e in range(sample + 1)
        if room + e + 1 > population
        or hypergeom.cdf(e, population, room + e + 1, sample) <= found.alpha
    ]
    expected = hypergeom.cdf(max(passes), population, wrong, sample)
    assert passing(found, population, wrong, sample, SURE) == pytest.approx(expected, abs=1e-9)


@given(
    st.integers(1, 500), st.floats(0, 1), st.floats(0.5, 0.999), st.floats(0, 30), st.integers(1, 4)
)
@settings(max_examples=60, deadline=None)
def test_a_sample_is_likely_to_pass_or_there_is_none(population, share, target, slipped, look):
    asked = terms(600, target, slipped, look)
    sample = least_sample(asked, population, share * population, NO_EVIDENCE)
    assert 0 <= sample <= population
    if sample:
        assert sample >= min(LEAST_SAMPLE, population)
        chance = passing(asked, population, share * population, sample, NO_EVIDENCE)
        assert chance >= ENOUGH
    else:
        assert slipped > asked.allowed - 1


def test_the_more_wrong_ones_are_expected_the_larger_the_sample():
    samples = [least_sample(terms(), 2000, wrong, NO_EVIDENCE) for wrong in (20, 60, 100, 140)]
    assert samples == sorted(samples)
    assert samples[0] < samples[-1]


def test_slips_that_exceed_what_is_allowed_leave_no_way_to_pass():
    assert least_sample(terms(slipped=201), 100, 0.0, NO_EVIDENCE) == 0
    assert least_sample(terms(), 0, 0.0, NO_EVIDENCE) == 0


def test_a_million_images_are_planned_quickly_and_need_few_hundred():
    asked = terms(10_000_000)
    assert 100 < least_sample(asked, 9_000_000, 200_000, NO_EVIDENCE) < 2_000


def test_an_audit_costs_its_pages_its_images_and_its_errors():
    def seconds(sample, wrong=0, classes=1):
        asked = Terms(1000, 50, 0, 0.05, classes=classes)
        return audit_seconds(asked, 500, wrong, sample, page_size=48, costs=COSTS)

    assert seconds(0) == 0
    assert seconds(48) == pytest.approx(4.0)
    assert seconds(48, classes=12) == pytest.approx(12 * COSTS.look(4))
    assert seconds(48, wrong=50) > seconds(48) + 4.8 * COSTS.single_seconds


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
    assert many.sample > 2 * few.sample


def test_after_a_failure_a_third_must_be_righted_first():
    assert may_look_again(100, 0)
    assert may_look_again(66, 100)
    assert not may_look_again(67, 100)


def test_slips_are_the_odd_images_that_were_overlooked():
    assert slips(1000, 100, 1000, 0.0) == 0
    assert slips(1000, 100, 1000, 0.05) == pytest.approx(1000 * 0.1 * 0.05 / 0.95)
    assert slips(1000, 0, 0, 0.05) == 0


def expected(asked, population, wrong, sample):
    return staged_seconds(asked, population, wrong, sample, NO_EVIDENCE, page_size=48, costs=COSTS)


def test_stages_cost_less_than_the_whole_sample_where_an_early_one_likely_passes():
    whole = audit_seconds(terms(), 2000, 60, 600, page_size=48, costs=COSTS)
    assert expected(terms(), 2000, 60, 600) < 0.6 * whole
    assert expected(terms(), 2000, 190, 600) > expected(terms(), 2000, 60, 600)


def test_a_small_sample_has_one_stage_and_its_whole_cost():
    one = audit_seconds(terms(), 2000, 20, 40, page_size=48, costs=COSTS)
    chance = passing(terms(), 2000, 20, 40, NO_EVIDENCE)
    assert expected(terms(), 2000, 20, 40) == pytest.approx(one / max(chance, 0.5))


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
