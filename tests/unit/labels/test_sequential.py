"""Audits in stages: how often they claim what is not so, against brute force, and what they save."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom

from hundredfold.chassis.stages import MOST_STAGES, stages
from hundredfold.labels.domain.bounds import errors_allowed, most_wrong
from hundredfold.labels.domain.sequential import level


def limits(population: int, sizes: tuple[int, ...], limit: int, nominal: float) -> list[int]:
    return [errors_allowed(population, size, limit, nominal) for size in sizes]


def breaks(population: int, sizes: tuple[int, ...], limit: int, nominal: float) -> float:
    """Brute force, image by image: the worst probability that a bound up to A is too low."""

    def chance(wrong: int) -> float:
        @lru_cache(None)
        def go(drawn: int, found: int) -> float:
            if drawn in sizes:
                most = most_wrong(population, drawn, found, nominal)
                if most < wrong and most - found <= limit:
                    return 1.0
            if drawn == sizes[-1]:
                return 0.0
            odd = (wrong - found) / (population - drawn)
            missed = (1 - odd) * go(drawn + 1, found) if odd < 1 else 0.0
            return missed + (odd * go(drawn + 1, found + 1) if odd else 0.0)

        return go(0, 0)

    return max(chance(wrong) for wrong in range(population + 1))


@st.composite
def audits(draw: st.DrawFn) -> tuple[int, tuple[int, ...], int, float]:
    population = draw(st.integers(2, 40))
    sizes = draw(st.sets(st.integers(1, population), min_size=1, max_size=4))
    limit = draw(st.integers(0, population // 2))
    return population, tuple(sorted(sizes)), limit, draw(st.floats(0.005, 0.3))


@given(audits())
@settings(max_examples=100)
def test_no_bound_up_to_the_limit_is_too_low_more_often_than_at_alpha(
    audit: tuple[int, tuple[int, ...], int, float],
) -> None:
    population, sizes, limit, alpha = audit
    found = level(population, sizes, limit, alpha)
    assert alpha / len(sizes) - 1e-12 <= found <= alpha
    # A rounding error must not move a limit.
    assert breaks(population, sizes, limit, found * (1 - 1e-9)) <= alpha * (1 + 1e-6)


def test_it_is_well_above_an_equal_share() -> None:
    for population, most, limit in [(2_277, 600, 189), (2_000, 300, 100), (10**7, 300, 500_000)]:
        assert level(population, stages(most, 5), limit, 0.0375) > 1.1 * 0.0375 / 2


@given(st.integers(1, 100_000), st.integers(1, 300))
def test_stages_grow_and_have_enough_of_each_class(most: int, classes: int) -> None:
    sizes = stages(most, classes)
    assert sizes[-1] == most
    assert len(sizes) <= MOST_STAGES
    steps = np.diff(sizes)
    if len(sizes) > 1:
        assert sizes[0] >= 30
        assert (steps >= 12 * classes - 1).all()
        assert (steps >= 0.95 * np.array(sizes[:-1])).all()


def test_many_classes_have_fewer_stages() -> None:
    assert stages(600, 10) == stages(600, 25) == (300, 600)
    assert stages(50, 1) == (50,)
    assert stages(600, 26) == (600,)


@pytest.mark.parametrize(
    ("population", "most", "limit"),
    [(10_000_000, 20_000, 500_000), (10_000_000, 20_000, 5_000_000), (2_000, 200, 0)],
)
def test_extremes_have_a_level(population: int, most: int, limit: int) -> None:
    sizes = stages(most, 2)
    assert 0.0375 / len(sizes) <= level(population, sizes, limit, 0.0375) <= 0.0375


def test_redrawn_it_claims_falsely_at_most_at_alpha_and_so_do_its_bounds() -> None:
    """The bound after each stage at once, for collections that are good, just too bad and bad."""
    population, limit, alpha, redraws = 2_277, 160, 0.0375, 4_000
    sizes = stages(600, 10)
    nominal = level(population, sizes, limit, alpha)
    caps = np.array(limits(population, sizes, limit, nominal))
    bounds = [
        np.array([most_wrong(population, size, x, nominal) for x in range(120)]) for size in sizes
    ]
    random = np.random.default_rng(5)
    for wrong in (60, 130, limit + caps[0] + 1, limit + caps[-1] + 1):
        steps = np.diff((0, *sizes))
        found = random.multivariate_hypergeometric(
            [*steps, population - sizes[-1]], wrong, redraws
        )[:, :-1].cumsum(axis=1)
        false = (found <= np.minimum(caps, wrong - limit - 1)).any(axis=1)
        broken = np.stack(
            [each[np.minimum(found[:, k], 119)] < wrong for k, each in enumerate(bounds)]
        ).any(axis=0)
        most = int(binom.ppf(0.999, redraws, alpha))
        assert false.sum() <= most
        assert broken.sum() <= most


@pytest.mark.parametrize("wrong", [80, 100, 120])
def test_it_takes_fewer_images_than_a_fixed_sample_of_the_same_power(wrong: int) -> None:
    population, limit, alpha = 2_277, 160, 0.0375
    sizes = stages(600, 10)
    caps = limits(population, sizes, limit, level(population, sizes, limit, alpha))
    random = np.random.default_rng(6)
    steps = np.diff((0, *sizes))
    found = random.multivariate_hypergeometric([*steps, population - sizes[-1]], wrong, 20_000)
    passed = found[:, :-1].cumsum(axis=1) <= np.array(caps)
    looked = np.array(sizes)[np.where(passed.any(axis=1), passed.argmax(axis=1), -1)].mean()
    power = passed.any(axis=1).mean()
    fixed = next(
        size
        for size in range(30, population)
        if hypergeom.cdf(errors_allowed(population, size, limit, alpha), population, wrong, size)
        >= min(power, 0.999)
    )
    assert looked < fixed
