"""A person at the grid: a real browser, real services, real images."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hundredfold.client.types import Event
from tests.e2e.conftest import DIGITS
from tests.e2e.system import System, wait_for

pytestmark = pytest.mark.e2e
SCRIPT_AS_NAME = "<img src=x onerror='window.__run=1'>"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic"],
        )
        yield started
        started.close()


@pytest.fixture
def grid(browser: Browser, system: System) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(f"{system.url}?collection=digits&annotator=ada")
    expect(page.locator(".grid .tile").first).to_be_visible(timeout=30_000)
    yield page
    page.close()


def decisions(system: System) -> list[Event]:
    return [each for each in system.client.labels.decisions("digits") if each.kind == "DECISION"]


def shown_token(page: Page) -> str:
    return str(page.locator(".grid").get_attribute("data-token"))


def name_the_class(page: Page, name: str) -> None:
    page.keyboard.press("n")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.locator(".question b")).to_have_text(name)


def test_a_named_page_is_confirmed_with_one_key_and_the_next_is_there(
    grid: Page, system: System
) -> None:
    before = len(decisions(system))
    token = shown_token(grid)
    name_the_class(grid, "zero")
    grid.locator(".tile").nth(1).click()
    expect(grid.locator(".tile.kicked")).to_have_count(1)
    grid.keyboard.press("Enter")
    expect(grid.locator(".grid")).not_to_have_attribute("data-token", token)
    decision = wait_for(lambda: decisions(system)[before:], 10, "the decision in the ledger")[0]
    assert decision.actor == "ada"
    assert [each.verdict for each in decision.judgements] == ["IS", "IS_NOT"]
    assert len(decision.judgements[1].rows) == 1
    expect(grid.locator(".badge.saved")).to_be_visible()


def test_undo_takes_the_decision_back_and_shows_the_page_again(grid: Page, system: System) -> None:
    name_the_class(grid, "one")
    grid.locator(".tile").nth(0).click()
    before = len(decisions(system))
    grid.keyboard.press("Enter")
    wait_for(lambda: len(decisions(system)) > before, 10, "the decision")
    grid.keyboard.press("z")
    expect(grid.locator(".toast")).to_contain_text("Undone")
    expect(grid.locator(".tile").nth(0)).to_have_class("tile kicked focus")
    undone = [each for each in system.client.labels.decisions("digits") if each.kind == "UNDO"]
    assert undone[-1].undone_seq == decisions(system)[-1].seq


def test_pages_answered_in_a_burst_are_each_stored_once(grid: Page, system: System) -> None:
    before = len(decisions(system))
    tokens = []
    for _ in range(3):
        tokens.append(shown_token(grid))
        grid.keyboard.press("2")
        grid.keyboard.press("Enter")
        expect(grid.locator(".grid")).not_to_have_attribute("data-token", tokens[-1])
    wait_for(lambda: len(decisions(system)) >= before + 3, 15, "three decisions")
    made = decisions(system)[before:]
    assert len(made) == 3
    assert len({each.request_id for each in made}) == 3


def test_answers_given_while_the_server_is_away_arrive_later_once(
    grid: Page, system: System
) -> None:
    before = len(decisions(system))
    grid.context.set_offline(True)
    grid.keyboard.press("1")
    grid.keyboard.press("Enter")
    expect(grid.locator(".badge.offline")).to_contain_text("1 unsent")
    assert len(decisions(system)) == before
    grid.context.set_offline(False)
    expect(grid.locator(".badge.saved")).to_be_visible(timeout=20_000)
    assert len(decisions(system)) == before + 1


def test_a_name_never_becomes_markup(grid: Page) -> None:
    name_the_class(grid, SCRIPT_AS_NAME)
    expect(grid.locator(".classes")).to_contain_text("onerror")
    assert grid.locator(".classes img").count() == 0
    assert grid.evaluate("window.__run") is None


def test_another_site_may_not_send_answers(grid: Page, system: System) -> None:
    url = f"{system.url}api/collections/digits/leases"
    assert grid.request.post(url, data={"limit": 1}).status == 403
    headers = {"X-Hundredfold": "1", "Origin": "http://elsewhere.example"}
    assert grid.request.post(url, data={"limit": 1}, headers=headers).status == 403


def test_the_progress_view_counts_the_labels(browser: Browser, system: System) -> None:
    page = browser.new_page()
    page.goto(f"{system.url}progress?collection=digits")
    expect(page.get_by_text(f"of {DIGITS:,} images labelled")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Labels by class")).to_be_visible()
    page.close()
