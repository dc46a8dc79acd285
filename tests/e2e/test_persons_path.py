"""From a folder to a file of labels, as a person without documentation goes: by real clicks, in one sitting."""

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from tests.e2e.desk import Grid
from tests.e2e.digits import NAMES, write_digits
from tests.e2e.system import ROOT, System, wait_for
from tests.e2e.test_explore import lasso, picked
from tests.e2e.test_setup import go_to, new_collection

pytestmark = pytest.mark.e2e
IMAGES = 1_000
PAGES = 20
COPIES = 2
NAME = "one-sitting"
PICTURES = ROOT / "build" / "screenshots"
"""Each view as it was left: to be looked at."""
LONG = 240_000


@pytest.fixture(scope="module")
def many(system: System) -> Path:
    return write_digits(system.store.parent / "many", IMAGES)


@pytest.fixture
def window(browser: BrowserContext) -> Iterator[Page]:
    """A window in which nothing may go wrong that a person or a developer would see."""
    page = browser.new_page()
    page.set_viewport_size({"width": 1600, "height": 900})
    page.set_default_timeout(60_000)
    troubles: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            troubles.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    yield page
    assert troubles == []
    page.close()


def view(page: Page, name: str) -> None:
    """Go to a view; no trace of Python is ever on the screen."""
    page.screenshot(
        path=PICTURES / f"{page.url.partition('?')[0].rpartition('/')[2] or 'label'}.png"
    )
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.get_by_role("link", name=name).click()


def test_from_a_folder_to_a_file_of_labels(window: Page, system: System, many: Path) -> None:
    new_collection(window, system, str(many / "images"), NAME)
    ready = window.get_by_text(f"Ready: {IMAGES + COPIES:,} images can be labelled")
    expect(ready).to_be_visible(timeout=LONG)
    go_to(window, "Classes")
    window.get_by_role("textbox", name="Add classes, one a line").fill("\n".join(NAMES))
    window.get_by_role("button", name="Add classes").click()
    expect(window.get_by_text(f"{len(NAMES)} of {len(NAMES)} classes")).to_be_visible()

    view(window, "Label")
    grid = Grid(window, "")
    expect(grid.tiles.first).to_be_visible()
    for number in range(PAGES):
        answer(grid, number)
    expect(grid.badge).to_have_text("✓ saved")  # what was never sent is not undone but forgotten
    taken_back(grid, 3)
    decisions = system.client.labels.decisions(NAME)
    assert sum(each.kind == "DECISION" for each in decisions) == PAGES
    wait_for(lambda: undone(system) == 3, 10, "three answers are taken back in the ledger")

    view(window, "Explore")
    window.locator(".hfx[data-state=ready]").wait_for()
    lay_out(window)
    window.locator(".tile").first.click()
    window.keyboard.press("f")
    expect(window.locator(".title .what")).to_have_text("Similar to one image")
    for _ in range(3):
        window.keyboard.press("Escape")
    window.locator("[data-filter='status:unlabelled']").click()
    lasso(window)
    assert picked(window) > 0
    window.keyboard.press("l")
    window.keyboard.type("seven")
    window.keyboard.press("Enter")
    expect(window.locator(".toast.open")).to_contain_text("labelled seven")

    view(window, "Review")
    expect(window.get_by_text("seven").first).to_be_visible()
    view(window, "Progress")
    expect(window.get_by_text("images labelled").first).to_be_visible()

    view(window, "Set-up")
    go_to(window, "Export")
    window.get_by_role("button", name="Export", exact=True).click()
    with window.expect_download() as download:
        window.get_by_role("link", name="Download").click()
    with download.value.path().open(encoding="utf-8", newline="") as file:
        lines = [each for each in csv.DictReader(file) if each["label"]]
    assert len(lines) == system.client.labels.progress(NAME).labelled_with_copies
    assert {each["label"] for each in lines} <= set(NAMES)


def answer(grid: Grid, number: int) -> None:
    """Answer a page whatever it asks; what of it is right does not matter here."""
    expect(grid.tiles.first).to_be_visible(timeout=LONG)  # it may not be made yet
    kind = grid.page.locator(".grid").get_attribute("data-kind")
    if kind == "SINGLE":
        grid.press(*itertools.repeat("1", grid.tiles.count()))
    elif kind == "CLUSTER":
        grid.press(str(number % 9 + 1))
    else:
        grid.tiles.last.click()
    grid.turn("Enter")


def taken_back(grid: Grid, times: int) -> None:
    for _ in range(times):
        grid.turn("z")


def undone(system: System) -> int:
    return sum(each.kind == "UNDO" for each in system.client.labels.decisions(NAME))


def lay_out(page: Page) -> None:
    button, points = page.get_by_role("button", name="Lay out the map"), page.locator(".points")
    wait_for(lambda: button.is_visible() or points.is_visible(), 60, "a map, or the offer of one")
    if button.is_visible():
        button.click()
    expect(points).to_be_visible(timeout=LONG)
    expect(button).to_be_hidden()
