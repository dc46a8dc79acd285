"""Answers given faster than anybody labels, while servers are killed and the network is cut."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from tests.e2e.desk import Desk
from tests.e2e.hurrying import assert_each_arrived_once, hurry, hurry_through_a_cut, offer_all
from tests.e2e.pages import Offered
from tests.e2e.system import System

pytestmark = pytest.mark.e2e
CUT = 4.0  # seconds; half a minute in tests/chaos


@pytest.fixture(scope="module")
def offered(system: System, digits: Path) -> Offered:
    collection = Offered(system, "hurried")
    collection.fill(str(digits))
    return collection


@pytest.fixture
def desk(browser: BrowserContext, offered: Offered) -> Iterator[Desk]:
    offer_all(offered)
    made = Desk(browser, offered.system, offered.name)
    yield made
    made.leave()
    offered.clear()


def test_two_hundred_answers_at_thirty_milliseconds_are_each_stored_once(
    desk: Desk, offered: Offered
) -> None:
    grid = desk.sit("fast")
    hurry(grid)
    assert_each_arrived_once(grid, offered)


@pytest.mark.parametrize("killed", ["ui", "labels"])
def test_nothing_is_lost_or_doubled_when_a_server_is_killed(
    desk: Desk, offered: Offered, killed: str
) -> None:
    grid = desk.sit(f"without-{killed}")
    hurry(grid, trouble=lambda: offered.system.kill(killed))
    assert_each_arrived_once(grid, offered)


def test_nothing_is_lost_or_doubled_when_the_network_is_cut(desk: Desk, offered: Offered) -> None:
    grid = desk.sit("cut")
    hurry_through_a_cut(grid, CUT)
    assert_each_arrived_once(grid, offered)
