"""The kills of the end-to-end test, many times and in another order each time."""

import random
from pathlib import Path

import pytest

from tests.e2e.digits import write_digits
from tests.e2e.killing import (
    EVERYTHING,
    assert_nothing_is_lost_or_doubled,
    bootstrap_with_kills,
    label_with_kills,
)
from tests.e2e.system import running

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("seed", range(3))
def test_work_goes_on_through_many_kills(tmp_path: Path, seed: int) -> None:
    digits = write_digits(tmp_path / "digits", 900)
    order = random.Random(seed).choices(EVERYTHING, k=20)  # noqa: S311 - not for secrets
    with running(tmp_path / "store", "--no-ui") as system:
        bootstrap_with_kills(system, digits, rounds=2)
        label_with_kills(system, digits, order, target=0.99)
        assert_nothing_is_lost_or_doubled(system)
