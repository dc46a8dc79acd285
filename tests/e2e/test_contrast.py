"""What is on the screen can be read, and reached without a mouse: WCAG 2.2 AA, measured view by view, light and dark."""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.desk import ARGUMENTS
from tests.e2e.seeing import AA_MARK, faint, nameless, tab_through
from tests.e2e.system import System

pytestmark = pytest.mark.e2e

SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
SEEN = {
    "": ".hf .tile",
    "review": ".hf-review .row",
    "explore": ".hfx .tile img",
    "progress": "[data-testid=stMetric]",
    "setup": "[data-testid=stButtonGroup]",
}
"""What is seen when a view has been drawn."""
SETTLED_MS = 400
"""Toasts and overlays have faded in."""


@pytest.fixture(scope="module", params=SCHEMES)
def page(request: pytest.FixtureRequest, chromium: str, system: System) -> Iterator[Page]:
    """A window at a collection of which a few pages are labelled."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        window = started.new_context(
            viewport={"width": 1280, "height": 720}, color_scheme=request.param
        )
        opened = window.new_page()
        _label_some(opened, system)
        yield opened
        opened.goto("about:blank")
        started.close()


def _label_some(page: Page, system: System) -> None:
    show(page, system, "")
    for name in ("nought", "one", "two"):
        page.keyboard.press("n")
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        expect(page.locator(".question b")).to_have_text(name)
        token = page.locator(".grid").get_attribute("data-token") or ""
        page.keyboard.press("Enter")
        expect(page.locator(".grid")).not_to_have_attribute("data-token", token)
    expect(page.locator(".badge")).to_have_text("✓ saved")


def show(page: Page, system: System, view: str) -> None:
    page.goto(f"{system.url}{view}?collection=digits&annotator=eve")
    expect(page.locator(SEEN[view]).first).to_be_visible(timeout=30_000)
    page.wait_for_timeout(SETTLED_MS)


def check(page: Page, what: str) -> list[str]:
    """All offenders of what is on the screen now."""
    page.wait_for_timeout(SETTLED_MS)
    return [f"{what}: {each}" for each in [*faint(page), *nameless(page)]]


def test_the_measure_finds_what_is_faint_and_what_has_no_name(page: Page) -> None:
    page.goto("about:blank")
    page.set_content(
        "<body style='background: #fff'>"
        "<p style='color: #777'>faint</p><p style='color: #767676'>dark enough</p>"
        "<h1 style='color: #949494; font: 700 19px serif'>large</h1>"
        "<div style='background: #000'><b style='color: rgb(255 255 255 / 40%)'>half</b></div>"
        "<p style='opacity: .5; color: #000'>through</p>"
        "<select style='border: 1px solid #ccc; background: #fff'><option>edge</select>"
        "<button></button><img alt='named'>"
    )
    assert [each.split(":")[0] for each in faint(page)] == [
        "b. “half”",
        "p. “faint”",
        "p. “through”",
        "select. edge",
    ]
    assert [each.split()[0] for each in nameless(page)] == ["button", "combobox"]


def test_the_label_view_and_its_dialogs_can_be_read(page: Page, system: System) -> None:
    show(page, system, "")
    offenders = check(page, "a page")
    for what, keys in {"keys": "?", "look-alikes": "b", "flag": "f", "large": "v"}.items():
        page.keyboard.press(keys)
        expect(page.locator(".overlay.open")).to_be_visible()
        offenders += check(page, what)
        page.keyboard.press("Escape")
    page.locator(".grid .tile").nth(1).click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("u")
    page.keyboard.press("h")
    offenders += check(page, "kicked, set aside, guidelines")
    page.keyboard.press("n")
    page.keyboard.type("something new")
    offenders += check(page, "a new class")
    assert offenders == []


def test_the_review_view_can_be_read(page: Page, system: System) -> None:
    show(page, system, "review")
    offenders = []
    for tab in page.get_by_role("tab").all():
        tab.click()
        offenders += check(page, tab.inner_text())
    assert offenders == []


def test_the_explore_view_can_be_read(page: Page, system: System) -> None:
    show(page, system, "explore")
    offenders = check(page, "filters")
    page.locator(".hfx .tile").first.click()
    offenders += check(page, "picked")
    page.keyboard.press("l")
    offenders += check(page, "classes")
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Clusters").click()
    offenders += check(page, "clusters")
    assert offenders == []


def test_the_other_views_can_be_read(page: Page, system: System) -> None:
    show(page, system, "progress")
    offenders = check(page, "progress")
    page.locator(".stMain").evaluate("main => main.scrollTo(0, 1e6)")
    offenders += check(page, "the end of progress")
    show(page, system, "setup")
    for name in ("Images", "Classes", "Export", "Models"):
        page.get_by_test_id("stButtonGroup").get_by_text(name, exact=True).click()
        expect(
            page.get_by_role("heading", name=f"{name} of digits")
            .or_(page.get_by_role("heading", name="Labels of digits"))
            .first
        ).to_be_visible()
        offenders += check(page, name)
    assert offenders == []


@pytest.mark.parametrize("view", SEEN)
def test_tab_leads_through_a_view_and_where_it_is_can_be_seen(
    page: Page, system: System, view: str
) -> None:
    show(page, system, view)
    reached = tab_through(page)
    assert len(reached) > 10
    assert [each for each in reached if each.change < AA_MARK] == []
