"""Any service, and Redis, is killed at work: the work goes on, nothing is lost or doubled."""

from pathlib import Path

import pytest

from tests.e2e.killing import (
    assert_nothing_is_lost_or_doubled,
    bootstrap_with_kills,
    label_with_kills,
)
from tests.e2e.system import running

pytestmark = pytest.mark.e2e


def test_every_process_may_be_killed_during_bootstrap_and_labelling(digits: Path) -> None:
    with running(digits.parent / "killed-store", "--no-ui") as system:
        bootstrap_with_kills(system, digits)
        label_with_kills(system, digits)
        assert_nothing_is_lost_or_doubled(system)
