"""A person in Explore: a real browser, real services, real images."""

import math
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.e2e.desk import ARGUMENTS
from tests.e2e.system import System

pytestmark = pytest.mark.e2e
COLLECTION = "digits"
SLOW = 60_000


@pytest.fixture(scope="module")
def chrome(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def explore(chrome: Browser, system: System) -> Iterator[Page]:
    """Explore with its map laid out, as a person comes to it from the first page."""
    page = chrome.new_page(viewport={"width": 1280, "height": 720})
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(f"{system.url}?collection={COLLECTION}&annotator=eve")
    page.get_by_role("link", name="Explore").click()
    page.locator(".hfx[data-state=ready]").wait_for(timeout=SLOW)
    if page.get_by_role("button", name="Lay out the map").is_visible():
        page.get_by_role("button", name="Lay out the map").click()
    expect(page.locator(".points")).to_be_visible(timeout=SLOW)
    yield page
    page.close()
    assert troubles == []


@pytest.fixture(autouse=True)
def all_images(explore: Page) -> None:
    """Each test begins with nothing picked and all images listed."""
    for _ in range(3):
        explore.keyboard.press("Escape")
    expect(explore.locator(".title .what")).to_have_text("All images")


def lasso(page: Page, radius: float = 0.45) -> None:
    """Draw round the middle of the map."""
    page.locator(".points").focus()
    page.keyboard.press("0")
    box = page.locator(".points").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    far = radius * min(box["width"], box["height"])
    page.mouse.move(x + far, y)
    page.mouse.down()
    for step in range(1, 25):
        turn = step / 12 * math.pi
        page.mouse.move(x + far * math.cos(turn), y + far * math.sin(turn))
    page.mouse.up()
    expect(page.locator(".title .what")).to_have_text("Picked on the map")


def picked(page: Page) -> int:
    return int(page.locator(".pill > b").inner_text().split()[0].replace(",", ""))


def clusters(page: Page) -> Locator:
    return page.locator(".cluster")


def labelled(system: System) -> int:
    return len(system.client.labels.labels(COLLECTION).rows)


def test_what_is_drawn_round_is_labelled_and_taken_back(explore: Page, system: System) -> None:
    before = labelled(system)
    explore.locator("[data-filter='status:unlabelled']").click()
    lasso(explore)
    expect(explore.locator(".tile.picked img").first).to_be_visible()
    asked = picked(explore)
    assert asked > 20
    explore.keyboard.press("l")
    explore.keyboard.type("curly")
    explore.keyboard.press("Enter")
    expect(explore.locator(".toast.open")).to_contain_text("labelled curly", timeout=SLOW)
    after = labelled(system)
    assert before < after <= before + asked
    (newest, *_) = system.client.labels.decisions(COLLECTION, newest_first=True)
    assert (newest.actor, newest.page.kind if newest.page else "") == ("eve", "PICKED")
    explore.keyboard.press("z")
    expect(explore.locator(".toast.open")).to_contain_text("no longer curly", timeout=SLOW)
    assert labelled(system) == before
    explore.locator(".filter-chip button").click()


def test_similar_images_are_found(explore: Page) -> None:
    explore.locator(".tile").first.click()
    expect(explore.locator(".pill > b")).to_have_text("1 selected")
    explore.keyboard.press("f")
    expect(explore.locator(".title .what")).to_have_text("Similar to one image", timeout=SLOW)
    expect(explore.locator(".tile img").nth(5)).to_be_visible()


def test_an_image_that_is_dropped_finds_others(explore: Page, system: System) -> None:
    image = system.client.catalog.image(COLLECTION, 5)
    explore.locator("input[type=file]").set_input_files(
        {"name": "some.jpg", "mimeType": "image/jpeg", "buffer": image}
    )
    expect(explore.locator(".title .what")).to_have_text("Like your image", timeout=SLOW)
    expect(explore.locator(".tile img").first).to_be_visible()


def test_what_is_no_image_is_said_to_be_none(explore: Page) -> None:
    explore.locator("input[type=file]").set_input_files(
        {"name": "some.jpg", "mimeType": "image/jpeg", "buffer": b"nothing"}
    )
    expect(explore.locator(".toast.open")).to_contain_text("not an image")


def test_a_cluster_is_split_and_two_are_merged(explore: Page, system: System) -> None:
    explore.get_by_role("tab", name="Clusters").click()
    before = clusters(explore).count()
    clusters(explore).first.locator(".go").click()
    expect(explore.locator(".title .what")).to_contain_text("Cluster")
    run = system.client.index.assignment(COLLECTION).run
    explore.get_by_role("button", name="Split", exact=True).click()
    expect(clusters(explore)).to_have_count(before + 1, timeout=SLOW)
    assert system.client.index.assignment(COLLECTION).run != run
    for number in (0, 1):
        clusters(explore).nth(number).locator(".tick").check()
    explore.get_by_role("button", name="Merge 2 clusters").click()
    expect(clusters(explore)).to_have_count(before, timeout=SLOW)
    explore.get_by_role("tab", name="Filters").click()


def test_two_groups_are_separated_and_the_map_comes_back(explore: Page) -> None:
    explore.locator(".tile").nth(0).click()
    explore.keyboard.press("1")
    explore.keyboard.press("Escape")
    explore.locator(".tile").nth(1).click()
    explore.keyboard.press("2")
    explore.keyboard.press("s")
    back = explore.get_by_role("button", name="Back to map")
    expect(back).to_be_visible(timeout=SLOW)
    back.click()
    expect(explore.get_by_role("button", name="Separate")).to_have_count(1)


def test_what_has_no_label_is_shown_and_the_map_comes_back(explore: Page) -> None:
    explore.keyboard.press("u")
    expect(explore.get_by_role("status").filter(has_text="differ by")).to_be_visible(timeout=SLOW)
    back = explore.get_by_role("button", name="Back to map")
    expect(back).to_be_visible(timeout=SLOW)
    back.click()
    expect(back).to_be_hidden()


def test_picked_images_become_a_page_to_label(explore: Page, system: System) -> None:
    explore.locator("[data-filter='status:unlabelled']").click()
    for number in range(3):
        explore.locator(".tile").nth(number).click()
    explore.keyboard.press("p")
    expect(explore.locator(".grid[data-kind=PICKED] .tile")).to_have_count(3, timeout=SLOW)
