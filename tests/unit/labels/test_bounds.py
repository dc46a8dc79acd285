"""The bounds hold as often as they say, whatever the population; samples and thresholds are as meant."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom

from hundredfold.labels.domain import sampling, thresholds
from hundredfold.labels.domain.bounds import (
    Stratum,
    as_found_by_all,
    clopper_pearson,
    errors_allowed,
    look_alpha,
    most_wrong,
    most_wrong_stratified,
)

ALPHA = 0.05 * 3 / 4
REDRAWS = 400
ALPHAS = st.sampled_from([0.375, 0.1, 0.0375, 0.001, 1e-6])


@st.composite
def findings(draw: st.DrawFn) -> tuple[int, int, int]:
    """Population, sample, wrong ones in the sample."""
    population = draw(st.integers(1, 400))
    sample = draw(st.integers(1, population))
    return population, sample, draw(st.integers(0, sample))


@settings(max_examples=150)
@given(findings(), ALPHAS)
def test_the_bound_is_the_largest_number_that_is_not_ruled_out(
    found: tuple[int, int, int], alpha: float
) -> None:
    population, sample, wrong = found
    bound = most_wrong(population, sample, wrong, alpha)
    assert wrong <= bound <= population - (sample - wrong)
    numbers = range(wrong, population - (sample - wrong) + 1)
    left = [k for k in numbers if hypergeom.cdf(wrong, population, k, sample) > alpha]
    assert bound == max(left)


@settings(max_examples=60)
@given(st.integers(1, 60), st.data(), ALPHAS)
def test_no_population_breaks_the_bound_more_often_than_said(
    population: int, data: st.DataObject, alpha: float
) -> None:
    sample = data.draw(st.integers(1, population))
    bounds = np.array([most_wrong(population, sample, x, alpha) for x in range(sample + 1)])
    for wrong in range(population + 1):
        found = hypergeom.pmf(np.arange(sample + 1), population, wrong, sample)
        assert found[bounds < wrong].sum() <= alpha + 1e-9


@settings(max_examples=100)
@given(findings(), ALPHAS)
def test_the_binomial_bound_is_the_upper_limit(found: tuple[int, int, int], alpha: float) -> None:
    population, sample, wrong = found
    exact = most_wrong(population, sample, wrong, alpha)
    limit = clopper_pearson(sample, wrong, alpha) * population
    # For a confidence of less than 63 % and few images the two cross.
    assert exact <= max(limit, (wrong + 1) / sample * population) + 1
    assert most_wrong(1_000_000, 300, 3, alpha) / 1_000_000 == pytest.approx(
        clopper_pearson(300, 3, alpha), rel=0.005
    )


def test_clopper_and_pearson_agree_with_the_binomial_distribution() -> None:
    bound = clopper_pearson(100, 3, 0.05)
    assert binom.cdf(3, 100, bound) == pytest.approx(0.05)
    assert clopper_pearson(0, 0, 0.05) == clopper_pearson(7, 7, 0.05) == 1


@settings(max_examples=100)
@given(findings(), st.integers(-2, 50), ALPHAS)
def test_the_errors_allowed_are_the_most_that_keep_the_rest_within_the_limit(
    found: tuple[int, int, int], limit: int, alpha: float
) -> None:
    population, sample, _ = found
    allowed = errors_allowed(population, sample, limit, alpha)
    left = [most_wrong(population, sample, x, alpha) - x for x in range(sample + 1)]
    within = [x for x, errors in enumerate(left) if errors <= limit]
    assert allowed == max(within, default=-1)


def test_all_looks_together_spend_what_was_given() -> None:
    spent = [look_alpha(0.95, look) for look in range(1, 30)]
    assert spent[0] == pytest.approx(0.0375)
    assert spent[1:4] == pytest.approx([0.0375 / 4, 0.0375 / 16, 0.0375 / 64])
    assert sum(spent) <= 0.05 + 1e-12


@pytest.mark.parametrize(
    ("wrong", "rate", "all_of_them"), [(0, 0.5, 0), (1, 0.025, 2), (10, 0.5, 20), (9, 0.9, 30)]
)
def test_errors_that_were_overlooked_are_added(wrong: int, rate: float, all_of_them: int) -> None:
    assert as_found_by_all(wrong, 30, rate) == all_of_them


STRATA = st.lists(
    st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60)
@given(STRATA, st.data(), st.sampled_from([0.375, 0.05, 0.01]))
def test_no_strata_break_the_stratified_bound_more_often_than_said(
    parts: list[tuple[int, int]], data: st.DataObject, alpha: float
) -> None:
    """However the sample is spread over the strata and the errors over them, computed without chance."""
    strata = [Stratum(*each) for each in parts]
    sample = sum(each.sample for each in strata)
    if not sample:
        return
    wrong = [data.draw(st.integers(0, each.population)) for each in strata]
    found = np.ones(1)
    for each, errors in zip(strata, wrong, strict=True):
        numbers = np.arange(each.sample + 1)
        found = np.convolve(found, hypergeom.pmf(numbers, each.population, errors, each.sample))
    bounds = [most_wrong_stratified(strata, x, alpha) for x in range(sample + 1)]
    assert found[np.array(bounds) < sum(wrong)].sum() <= alpha + 1e-9


def test_the_hypergeometric_bound_does_not_hold_for_many_small_strata() -> None:
    """Why a stratified sample is bounded by the binomial one: one error in each of 100 pairs."""
    bounds = np.array([most_wrong(200, 100, x, 0.05) for x in range(101)])
    found = binom.pmf(np.arange(101), 100, 0.5)
    assert found[bounds < 100].sum() > 0.09
    strata = [Stratum(2, 1)] * 100
    wider = np.array([most_wrong_stratified(strata, x, 0.05) for x in range(101)])
    assert found[wider < 100].sum() <= 0.05


@given(st.dictionaries(st.integers(1, 9), st.integers(1, 1000), min_size=1), st.data())
def test_a_proportional_sample_is_within_one_of_each_share(
    sizes: dict[int, int], data: st.DataObject
) -> None:
    total = sum(sizes.values())
    sample = data.draw(st.integers(0, total))
    drawn = sampling.proportional(sizes, sample)
    assert sum(drawn.values()) == sample
    for each, size in sizes.items():
        quota = Fraction(size * sample, total)
        assert math.floor(quota) <= drawn[each] <= math.ceil(quota) <= size


@settings(max_examples=50)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=300), st.data())
def test_a_stratified_sample_is_drawn_in_proportion_and_small_classes_together(
    classes: list[int], data: st.DataObject
) -> None:
    class_ids = np.array(classes, np.int32)
    sample = data.draw(st.integers(1, len(classes)))
    places, strata = sampling.stratified(class_ids, sample, sampling.generator("r"))
    assert len(np.unique(places)) == len(places) == sample == sum(e.sample for e in strata)
    assert sum(each.population for each in strata) == len(classes)
    share = sample / len(classes)
    assert len(strata) == 1 or all(each.population * share >= 4.99 for each in strata)
    again, _ = sampling.stratified(class_ids, sample, sampling.generator("r"))
    assert again.tolist() == places.tolist()


def test_every_image_is_drawn_equally_often() -> None:
    counts = np.zeros(20)
    for number in range(2000):
        counts[sampling.simple(20, 5, sampling.generator(str(number)))] += 1
    assert counts.min() > 2000 / 4 * 0.85
    assert counts.max() < 2000 / 4 * 1.15


@pytest.mark.parametrize(("expected", "limit"), [(10, 90), (40, 90), (70, 90), (0, 20)])
def test_the_size_is_the_smallest_that_likely_proves_the_bound(expected: int, limit: int) -> None:
    population, miss = 2000, 0.025
    size = sampling.smallest_sample(population, expected, limit, ALPHA, miss)
    wrong = math.ceil(expected * sampling.MARGIN)

    def chance(sample: int) -> float:
        allowed = errors_allowed(population, sample, limit, ALPHA)
        found = [x for x in range(wrong + 1) if as_found_by_all(x, sample, miss) <= allowed]
        return float(hypergeom.pmf(found, population, wrong, sample).sum())

    assert chance(size) >= sampling.SURE_ENOUGH
    assert chance(max(1, round(size * 0.85))) < sampling.SURE_ENOUGH


def test_a_sample_that_can_prove_nothing_is_small() -> None:
    assert sampling.smallest_sample(2000, 50, -1, ALPHA, 0.0) == sampling.LEAST_SAMPLE
    assert sampling.smallest_sample(10, 5, -1, ALPHA, 0.0) == 10


def test_small_populations_are_looked_at_whole_when_the_limit_is_tight() -> None:
    assert sampling.smallest_sample(10, 3, 0, ALPHA, 0.0) == 10


def test_the_stated_bound_is_broken_in_at_most_five_of_a_hundred_redraws() -> None:
    """Over classes of very different sizes and error rates, both ways of drawing."""
    random = np.random.default_rng(11)
    class_ids = np.repeat(np.arange(1, 13, dtype=np.int32), 2 ** np.arange(12))
    rates = np.linspace(0.3, 0.01, 12)[class_ids - 1]
    broken = {"simple": 0, "stratified": 0}
    for number in range(REDRAWS):
        wrong = random.random(len(class_ids)) < rates
        seeded = sampling.generator(str(number))
        at = sampling.simple(len(wrong), 300, seeded)
        bound = most_wrong(len(wrong), 300, int(wrong[at].sum()), ALPHA)
        broken["simple"] += bound < wrong.sum()
        at, strata = sampling.stratified(class_ids, 300, seeded)
        bound = most_wrong_stratified(strata, int(wrong[at].sum()), ALPHA)
        broken["stratified"] += bound < wrong.sum()
    # 99.9 % of what chance makes of exactly alpha.
    most = int(binom.ppf(0.999, REDRAWS, 0.05))
    assert max(broken.values()) <= most


def scores(
    random: np.random.Generator, images: int, sharpness: float
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a head that is right about four of five, and what of it is wrong; calibrated at 1."""
    logits = random.normal(2.6, 2.2, images)
    likely = np.maximum(1 / (1 + np.exp(-logits)), 0.1).astype(np.float32)
    true = np.maximum(1 / (1 + np.exp(-logits * sharpness)), 0.1)
    return likely, random.random(images) > true


def find(
    seed: int, sample: int, sharpness: float, allowed: float = 0.05
) -> tuple[float, float, float]:
    """Images labelled, images of the best threshold in hindsight, share of errors among the labels."""
    random = np.random.default_rng(seed)
    likely, wrong = scores(random, 20_000, sharpness)
    at = sampling.simple(len(likely), sample, random)
    steps = thresholds.steps(likely, likely[at], allowed, ALPHA, 0.0)
    found = [int(np.sum(wrong[at] & (likely[at] >= step.threshold))) for step in steps]
    passed, bound = thresholds.passed(steps, found, allowed, ALPHA, 0.0)
    order = np.argsort(-likely)
    share = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    best = int(np.flatnonzero(share <= allowed)[-1]) + 1
    if not passed:
        assert bound > allowed
        return 0, best, 0.0
    assert bound <= allowed
    labelled = likely >= steps[passed - 1].threshold
    inside = int(labelled.sum())
    labelled[at] = False
    return inside, best, float(wrong[labelled].mean())


@pytest.mark.parametrize("sharpness", [1.0, 0.8])
def test_a_threshold_that_was_found_is_good_enough_and_labels_nearly_all_that_could_be(
    sharpness: float,
) -> None:
    redraws = 200
    found = np.array([find(seed, 2_000, sharpness) for seed in range(redraws)])
    broken = int(np.sum(found[:, 2] > 0.05))
    coverage = float((found[:, 0] / found[:, 1]).mean())
    assert broken <= int(binom.ppf(0.999, redraws, 0.05))
    if sharpness == 1.0:
        assert coverage >= 0.85


def test_a_head_that_knows_nothing_labels_nothing() -> None:
    likely = np.full(1000, 0.9, np.float32)
    steps = thresholds.steps(likely, likely[:100], 0.05, ALPHA, 0.0)
    assert len(steps) == 1
    assert steps[0].threshold == 0
    assert thresholds.passed(steps, [50], 0.05, ALPHA, 0.0)[0] == 0


def test_a_sample_of_everything_leaves_no_doubt() -> None:
    assert thresholds.rest_share(Stratum(10, 10), 9, ALPHA, 0.025) == 0
    assert thresholds.rest_share(Stratum(10, 0), 0, ALPHA, 0.025) == 1
    assert most_wrong_stratified([Stratum(5, 5)], 2, ALPHA) == 2
