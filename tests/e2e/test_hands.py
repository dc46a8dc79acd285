"""What hands do at the grid: drags, keys of one's own, fingers, single images and whole groups."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Locator, Route, expect

from hundredfold.chassis.testing import wait_for
from tests.e2e.desk import Desk, Grid
from tests.e2e.pages import Offered
from tests.e2e.system import System

pytestmark = pytest.mark.e2e
HELD_MS = 700  # longer than a click, and than a tap on a key


@pytest.fixture(scope="module")
def offered(system: System, digits: Path) -> Offered:
    collection = Offered(system, "handed")
    collection.fill(str(digits))
    return collection


@pytest.fixture
def desk(browser: BrowserContext, offered: Offered) -> Iterator[Desk]:
    made = Desk(browser, offered.system, offered.name)
    yield made
    made.leave()
    offered.clear()


@pytest.fixture
def looped(browser: BrowserContext, system: System) -> Iterator[Desk]:
    made = Desk(browser, system, "digits")
    yield made
    made.leave()


def middle(tile: Locator) -> tuple[float, float]:
    box = tile.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(grid: Grid, first: int, last: int) -> None:
    grid.page.mouse.move(*middle(grid.tiles.nth(first)))
    grid.page.mouse.down()
    grid.page.mouse.move(*middle(grid.tiles.nth(last)))
    grid.page.mouse.up()


def told(offered: Offered, annotator: str) -> set[tuple[int | str, ...]]:
    (decision,) = wait_for(lambda: offered.decisions(annotator), 10, "the decision")
    return {(each.class_id, str(each.verdict), *each.rows.tolist()) for each in decision.judgements}


def test_a_drag_kicks_all_on_its_way_and_one_that_begins_on_a_kicked_image_takes_them_back(
    desk: Desk, offered: Offered
) -> None:
    offered.offer(range(24), kind="VERIFY", class_id=1)
    grid = desk.sit("drags")
    drag(grid, 1, 4)
    assert grid.marked("kicked") == [1, 2, 3, 4]
    drag(grid, 3, 5)
    assert grid.marked("kicked") == [1, 2]


def test_holding_still_shows_the_image_large_and_kicks_nothing(
    desk: Desk, offered: Offered
) -> None:
    offered.offer(range(6), kind="VERIFY", class_id=1)
    grid = desk.sit("holds")
    large = grid.page.get_by_role("dialog").get_by_role("img")
    for button in ("left", "middle"):
        grid.page.mouse.move(*middle(grid.tiles.nth(2)))
        grid.page.mouse.down(button=button)
        expect(large).to_be_visible()
        grid.page.mouse.up(button=button)
        expect(large).to_have_count(0)
    assert (grid.marked("kicked"), grid.marked("focus")) == ([], [2])


def test_a_held_key_shows_the_image_large_until_it_is_let_go_and_arrows_go_on(
    desk: Desk, offered: Offered
) -> None:
    offered.offer(range(6), kind="VERIFY", class_id=1)
    grid = desk.sit("large")
    dialog = grid.page.get_by_role("dialog")
    grid.page.keyboard.down("v")
    grid.page.wait_for_timeout(HELD_MS)
    grid.press("ArrowRight", "x")
    expect(dialog).to_contain_text("2 of 6 · kicked")
    grid.page.keyboard.up("v")
    expect(dialog).to_have_count(0)
    grid.press("v")
    expect(dialog).to_be_visible()
    grid.tiles.first.dispatch_event("keyup")
    grid.press("Escape")
    expect(dialog).to_have_count(0)
    assert grid.marked("kicked") == [1]


def test_a_single_image_of_a_page_gets_a_class_of_its_own_and_keeps_it_through_undo(
    desk: Desk, offered: Offered
) -> None:
    offered.offer(range(6), range(6, 12), kind="VERIFY", class_id=1)
    grid = desk.sit("own")
    grid.press("ArrowRight", "Shift+Digit3", "ArrowRight", "o")
    grid.page.keyboard.type("four")
    grid.press("Enter")
    expect(grid.tiles.nth(2)).to_contain_text("four")
    assert grid.marked("assigned") == grid.marked("kicked") == [1, 2]
    grid.turn("Enter")
    four = offered.system.client.catalog.schema(offered.name).by_name()["four"]
    said = {(1, "IS", 0, 3, 4, 5), (1, "IS_NOT", 1, 2), (3, "IS", 1), (four, "IS", 2)}
    assert told(offered, "own") == said
    grid.turn("z")
    assert grid.marked("assigned") == [1, 2]
    expect(grid.tiles.nth(1)).to_contain_text("two")


def test_a_flag_goes_out_with_its_comment_and_gives_no_label(desk: Desk, offered: Offered) -> None:
    comment = "<b>which?</b> not f, not z"
    offered.offer(range(6), kind="VERIFY", class_id=1)
    grid = desk.sit("flags")
    grid.page.route("**/flags", refuse)
    grid.press("ArrowRight", "f")
    grid.page.keyboard.type(comment)
    grid.press("Enter")
    expect(grid.toast).to_contain_text("Flagged for a reviewer")
    expect(grid.tiles.nth(1)).to_have_attribute("aria-label", "Image 2, flagged")
    expect(grid.badge).to_contain_text("1 unsent")
    grid.page.unroute("**/flags")
    expect(grid.badge).to_have_text("✓ saved", timeout=20_000)
    (flag,) = offered.system.client.labels.flags(offered.name)
    assert (flag.actor, flag.rows.tolist(), flag.comment) == ("flags", [1], comment)
    assert offered.decisions("flags") == []


def refuse(route: Route) -> None:
    route.abort()


def test_a_group_that_is_split_leaves_the_screen_with_all_its_pages(
    desk: Desk, offered: Offered
) -> None:
    offered.offer(range(6), range(6, 12), cluster="run/1")
    grid = desk.sit("splits")
    expect(grid.tiles).to_have_count(6)
    grid.page.route("**/clusters/split", lambda route: route.fulfill(json={"cluster_run": "other"}))
    offered.offer(range(12, 16), cluster="run/2")
    grid.press("t")
    expect(grid.toast).to_contain_text("Split: its parts come as groups of their own.")
    expect(grid.tiles).to_have_count(4)
    assert offered.decisions("splits") == []


def test_look_alikes_of_an_image_are_shown_and_those_of_the_page_can_be_gone_to(
    looped: Desk,
) -> None:
    grid = looped.sit("near")
    grid.press("b")
    dialog = grid.page.get_by_role("dialog")
    expect(dialog.locator(".thumb")).to_have_count(49)
    here = dialog.locator(".thumb.here:not(.first)").first
    name = here.get_attribute("title")
    dialog.get_by_role("button", name="Close").click()  # fingers have no Esc
    expect(dialog).to_have_count(0)
    grid.press("b")
    here.click()
    expect(dialog).to_have_count(0)
    assert name == f"Image {grid.marked('focus')[0] + 1}"


def test_guidelines_of_the_class_stand_beside_the_page_as_text(
    desk: Desk, offered: Offered
) -> None:
    def tell(route: Route) -> None:
        state = json.loads(route.fetch().text())
        state["schema"]["classes"][0] |= {"guidelines": "Round. <i>No gap.</i>", "examples": [4, 7]}
        route.fulfill(json=state)

    offered.offer(range(6), kind="VERIFY", class_id=1)
    grid = desk.sit("guided")
    grid.page.route("**/state", tell)
    grid.page.reload()
    expect(grid.tiles.first).to_be_visible()
    grid.press("h")
    guidelines = grid.page.get_by_label("Guidelines", exact=True)
    expect(guidelines).to_contain_text("Round. <i>No gap.</i>")
    expect(guidelines.locator("img")).to_have_count(2)
    grid.press("2")
    expect(guidelines).to_contain_text("Nothing is written about one yet")
    grid.press("h")
    expect(guidelines).to_be_hidden()


def test_a_key_can_be_chosen_and_is_remembered(desk: Desk, offered: Offered) -> None:
    offered.offer(range(6), range(6, 12), range(12, 18))
    grid = desk.sit("chooses")
    skip = grid.page.get_by_role("button", name="Change the key: skip this page")
    grid.press("?")
    skip.click()
    grid.press("4")
    expect(grid.page.get_by_role("dialog")).to_contain_text("4 has a meaning of its own")
    skip.click()
    grid.press("x")
    expect(skip).to_have_text("X")
    expect(grid.page.get_by_role("dialog")).to_contain_text("X did something else before")
    grid.press("Escape")
    expect(grid.page.get_by_role("button", name="Skip")).to_have_text("SkipX")
    grid.page.reload()
    expect(grid.tiles.first).to_be_visible()
    grid.turn("x")
    grid.press("?")
    grid.page.get_by_role("button", name="Usual keys").click()
    expect(skip).to_have_text("S")


def touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    session.send(
        "Input.dispatchTouchEvent",
        {"type": f"touch{kind}", "touchPoints": [{"x": x, "y": y} for x, y in points]},
    )


def test_fingers_kick_drag_and_hold(browser: BrowserContext, offered: Offered) -> None:
    offered.offer(range(24), kind="VERIFY", class_id=1)
    assert browser.browser
    tablet = browser.browser.new_context(
        viewport={"width": 1180, "height": 820}, has_touch=True, is_mobile=True
    )
    desk = Desk(tablet, offered.system, offered.name)
    grid = desk.sit("fingers")
    finger = tablet.new_cdp_session(grid.page)
    grid.tiles.nth(3).tap()
    assert grid.marked("kicked") == [3]
    touch(finger, "Start", middle(grid.tiles.nth(0)))
    touch(finger, "Move", middle(grid.tiles.nth(1)))
    touch(finger, "Move", middle(grid.tiles.nth(2)))
    touch(finger, "End")
    assert grid.marked("kicked") == [0, 1, 2, 3]
    touch(finger, "Start", middle(grid.tiles.nth(5)))
    expect(grid.page.get_by_role("dialog")).to_be_visible()
    touch(finger, "End")
    expect(grid.page.get_by_role("dialog")).to_have_count(0)
    assert grid.marked("kicked") == [0, 1, 2, 3]
    assert all(
        box["height"] >= 40
        for box in (each.bounding_box() for each in grid.page.locator(".buttons .button").all())
        if box
    )
    desk.leave()
    tablet.close()


def test_the_grid_is_a_list_of_options_with_a_focus_that_a_screen_reader_follows(
    desk: Desk, offered: Offered
) -> None:
    offered.offer(range(6), kind="VERIFY", class_id=1)
    grid = desk.sit("reads")
    images = grid.page.get_by_role("listbox", name="Images of the page")
    expect(images).to_be_focused()
    grid.press("ArrowRight", "x")
    expect(images).to_have_attribute("aria-activedescendant", "tile-1")
    expect(images.get_by_role("option", name="Image 2, kicked", selected=False)).to_be_visible()
    expect(images.get_by_role("option", selected=True)).to_have_count(5)
    expect(grid.page.get_by_role("heading", level=1)).to_have_attribute("aria-live", "polite")
