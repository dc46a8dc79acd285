"""Half a minute without a network, in the middle of 200 answers: each arrives, each once."""

from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.e2e.conftest import chromium  # noqa: F401  # a fixture
from tests.e2e.desk import ARGUMENTS, Desk
from tests.e2e.digits import write_digits
from tests.e2e.hurrying import assert_each_arrived_once, hurry_through_a_cut, offer_all
from tests.e2e.pages import Offered
from tests.e2e.system import running

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]
CUT = 30.0  # seconds


def test_nothing_is_lost_in_half_a_minute_without_a_network(
    tmp_path: Path,
    chromium: str,  # noqa: F811
) -> None:
    digits = write_digits(tmp_path / "digits", 360)
    with running(tmp_path / "store", str(digits)) as system, sync_playwright() as playwright:
        offered = Offered(system, "cut")
        offered.fill(str(digits))
        offer_all(offered)
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        desk = Desk(browser.new_context(), system, offered.name)
        grid = desk.sit("cut")
        hurry_through_a_cut(grid, CUT)
        assert_each_arrived_once(grid, offered)
        desk.leave()
        browser.close()
