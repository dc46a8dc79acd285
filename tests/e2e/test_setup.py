"""An administrator at Set-up: a new collection, its classes, labels in and out; by real clicks."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.digits import NAMES, write_digits
from tests.e2e.system import System, wait_for
from ui import bringing
from ui.bringing import Standing

pytestmark = pytest.mark.e2e
FEW = 40
PICTURES = FEW + 2  # two come again as copies
HOSTILE = "<img src=x onerror='window.__run=1'>"
WAIT = 30_000
LONG = 180_000


@pytest.fixture(scope="module")
def few(system: System) -> Path:
    return write_digits(system.store.parent / "few", FEW)


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    expect.set_options(timeout=WAIT)
    made = browser.new_page()
    made.set_default_timeout(WAIT)
    yield made
    made.close()
    expect.set_options(timeout=5_000)


def go_to(page: Page, section: str) -> None:
    page.get_by_role("radio", name=section).click()


def new_collection(page: Page, system: System, source: str, name: str) -> None:
    page.goto(system.url)
    page.get_by_role("link", name="Set-up").click()
    page.get_by_text("New collection").click()
    # A rerun that is still under way would put a new button in the place of the one that is clicked.
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    form = page.get_by_test_id("stForm").filter(has_text="Name of the collection")
    form.get_by_role("textbox", name="Where the images are").fill(source)
    form.get_by_role("textbox", name="Name of the collection").fill(name)
    form.get_by_role("button", name="Start").click()


def test_from_a_folder_to_a_file_of_labels(page: Page, system: System, few: Path) -> None:
    new_collection(page, system, str(few / "images"), "by-clicks")
    expect(page.get_by_text(f"Ready: {PICTURES} images can be labelled")).to_be_visible(
        timeout=LONG
    )
    page.get_by_text("1 file can't be used").click()
    expect(page.get_by_text("broken.png")).to_be_visible()

    go_to(page, "Classes")
    page.get_by_role("textbox", name="Add classes, one a line").fill(f"zero\none\n{HOSTILE}\nzero")
    page.get_by_role("button", name="Add classes").click()
    expect(page.get_by_text("3 of 3 classes")).to_be_visible()
    page.get_by_role("textbox", name="What belongs to it, and what does not").fill("a round one")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved")).to_be_visible()
    (zero, *_) = system.client.catalog.schema("by-clicks").in_use
    assert (zero.name, zero.guideline) == ("zero", "a round one")

    go_to(page, "Export")
    page.get_by_test_id("stFileUploader").locator("input").set_input_files(few / "labels.csv")
    expect(page.get_by_role("button", name="Remove labels.csv")).to_be_visible()
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("Classes that are not there")).to_be_visible()
    page.get_by_role("button", name="Add these classes").click()
    expect(page.get_by_text(f"{FEW} images would get a label")).to_be_visible()
    assert not system.client.labels.progress("by-clicks").labelled
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text(f"{FEW} images got a label")).to_be_visible()

    page.get_by_role("button", name="Export", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    with download.value.path().open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert download.value.suggested_filename == "by-clicks-labels.csv"
    assert len(lines) == PICTURES  # copies have the label of what they are copies of
    assert {each["label"] for each in lines} == set(NAMES)
    assert page.evaluate("window.__run") is None


def test_a_place_that_nobody_may_read_is_told_in_words(page: Page, system: System) -> None:
    new_collection(page, system, "/etc", "forbidden")
    expect(page.get_by_text("The services may not read that place")).to_be_visible()
    new = page.get_by_test_id("stForm").filter(has_text="Name of the collection")
    new.get_by_role("textbox", name="Where the images are").fill("photos")
    new.get_by_role("button", name="Start").click()
    expect(page.get_by_text("Give a whole path")).to_be_visible()


def test_what_was_cancelled_goes_on_where_it_ended(system: System, few: Path) -> None:
    source, options = str(few / "images"), bringing.Options({})
    bringing.begin(system.client, source, "cut", options)
    bringing.cancel(system.client, "cut")

    def standing() -> Standing:
        return bringing.standing(system.client, "cut")

    wait_for(lambda: not standing().at_work, 60, "it was cancelled")
    assert not standing().ready
    bringing.go_on(system.client, "cut")
    wait_for(lambda: standing().ready, 120, "it went on")
    assert system.client.catalog.get("cut").images == PICTURES + 1
