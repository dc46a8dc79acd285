"""A view is opened by its address alone, as from a bookmark: nothing goes wrong, not even in the console."""

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, expect

from tests.e2e.system import System

pytestmark = pytest.mark.e2e

FIRST_SEEN = {
    "": ".hf .tile",
    "?collection=digits": ".hf .tile",
    "label?collection=digits": ".hf .tile",
    "review?collection=digits": ".hf-review",
    "explore?collection=digits": ".hfx .tile",
    "Explore?collection=digits": ".hfx .tile",
    "progress?collection=digits": "[data-testid=stMetric]",
    "setup?collection=digits": "[data-testid=stButtonGroup]",
}


@pytest.mark.parametrize("address", FIRST_SEEN)
def test_a_direct_load_leaves_the_console_clean(
    browser: BrowserContext, system: System, address: str
) -> None:
    page = browser.new_page()
    troubles: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            troubles.append(f"{message.text} {message.location.get('url')}")

    page.on("console", hear)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(system.url + address)
    expect(page.locator(FIRST_SEEN[address]).first).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="Progress").click()  # from there to another, and back
    expect(page.get_by_text("images labelled").first).to_be_visible()
    page.go_back()
    expect(page.locator(FIRST_SEEN[address]).first).to_be_visible()
    assert troubles == []
    page.goto("about:blank")
    page.close()


@pytest.mark.parametrize("width", [768, 1024, 1280, 3840])
def test_every_view_is_in_the_bar_on_any_screen(
    browser: BrowserContext, system: System, width: int
) -> None:
    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": 1024})
    page.goto(f"{system.url}progress?collection=digits")
    end = 0.0
    for name in ("Label", "Review", "Explore", "Progress", "Set-up"):
        link = page.get_by_role("link", name=name)
        expect(link).to_be_in_viewport(timeout=30_000)
        box = link.bounding_box()
        assert box
        assert box["x"] >= end, "one lies over another"
        end = box["x"] + box["width"]
    chooser = page.locator(".st-key-bar").bounding_box()
    assert chooser
    assert end <= chooser["x"]
    page.goto("about:blank")
    page.close()
