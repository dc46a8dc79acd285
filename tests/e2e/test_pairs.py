"""Pairs of images before a person: a real browser, real services, real images."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.latest import latest
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack
from hundredfold.chassis.testing import wait_for
from hundredfold.client.types import DuplicateGroup, Verdict
from tests.e2e.desk import Desk, Grid
from tests.e2e.pages import Offered
from tests.e2e.system import System

pytestmark = pytest.mark.e2e
NAME = "paired"
RADIUS = 10
LEFT, RIGHT = [10, 12, 14, 16], [11, 13, 15, 17]
CANT_TELL = "? Can\N{RIGHT SINGLE QUOTATION MARK}t tell"
SAME, OTHER, UNSURE = Verdict.IS, Verdict.IS_NOT, Verdict.UNSURE


@pytest.fixture(scope="module")
def offered(system: System, digits: Path) -> Offered:
    """With groups of copies, one of four images at least, and no loop."""
    collection = Offered(system, NAME)
    images = shutil.copytree(digits, digits.parent / NAME)
    first = min(each for each in images.rglob("*.png"))
    for number in range(3):
        shutil.copy(first, images / f"zz-copy-{number}.png")
    collection.fill(str(images))
    hashing = system.client.hashing
    hashing.runs.wait(hashing.hash_collection(NAME).run_id)
    hashing.runs.wait(hashing.find_duplicates(NAME, radius=RADIUS).run_id)
    return collection


@pytest.fixture
def desk(browser: BrowserContext, offered: Offered) -> Iterator[Desk]:
    made = Desk(browser, offered.system, NAME)
    yield made
    made.leave()
    offered.clear()


def offer_pairs(offered: Offered) -> None:
    likely = np.array([0.9, 0.8, 0.3, 0.1], np.float32)
    others = pack(np.array(RIGHT, np.int64))
    offered.offer(LEFT, kind="PAIR", others=others, probability=pack(likely))


def leave_to_people(system: System, pairs: list[tuple[int, int]], distances: list[int]) -> None:
    """As a FindDuplicates run does with pairs that only look alike."""
    store = ArtifactStore(str(system.store))
    folder = layout.duplicates(NAME, latest(store, layout.duplicates_latest(NAME)))
    manifest = Manifest.load(store, folder)
    for name, array in (
        (layout.PAIRS, np.array(pairs, np.int64)),
        (layout.PAIR_DISTANCE, np.array(distances, np.uint8)),
    ):
        manifest.add(name, store.write_array(f"{folder}/{name}", array))
    manifest.save()


def said(system: System) -> dict[tuple[int, int], Verdict]:
    found = system.client.labels.pairs(NAME)
    pairs = zip(found.rows.tolist(), found.others.tolist(), strict=True)
    return dict(zip(pairs, found.verdicts, strict=True))


def told(system: System) -> dict[str, list[int]]:
    """What a FindDuplicates run reads; empty before there is any."""
    store, path = ArtifactStore(str(system.store)), layout.pair_judgements(NAME)
    data = store.read_bytes(path) if store.exists(path) else b""
    if not data:
        return {}
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name].tolist() for name in arrays}


def chips(grid: Grid) -> list[str]:
    return grid.page.locator(".tile.pair .chip").all_inner_texts()


def test_a_page_begins_with_what_is_likelier_and_is_answered_and_taken_back_by_keys(
    desk: Desk, offered: Offered
) -> None:
    offer_pairs(offered)
    grid = desk.sit("pair-keys")
    expect(grid.page.locator(".question .words")).to_have_text("Is each pair the same picture?")
    expect(grid.page.locator(".tile.pair img")).to_have_count(8)
    assert chips(grid) == ["= Same picture"] * 2 + ["≠ Not the same"] * 2
    expect(grid.page.locator(".picker")).to_be_hidden()

    grid.press("ArrowRight", "x", "ArrowRight", "1", "3")
    assert chips(grid) == ["= Same picture", "≠ Not the same", "= Same picture", CANT_TELL]
    grid.press("Enter")
    expect(grid.toast).to_contain_text("2 the same, 1 not the same, 1 unsure")
    answered = {(10, 11): SAME, (12, 13): OTHER, (14, 15): SAME, (16, 17): UNSURE}
    wait_for(lambda: said(offered.system) == answered, 10, "the answer")
    # It is there when the answer is acknowledged, which is later than when others see it.
    wait_for(lambda: told(offered.system).get("left") == [10, 12, 14], 10, "what others read")
    assert not offered.system.client.labels.labels(NAME).rows.size

    grid.press("z")
    expect(grid.tiles).to_have_count(4)
    assert chips(grid) == ["= Same picture", "≠ Not the same", "= Same picture", CANT_TELL]
    assert said(offered.system) == {}
    grid.page.locator(".tile.pair").nth(3).click()
    grid.press("Enter")
    wait_for(lambda: said(offered.system).get((16, 17)) is OTHER, 10, "the other answer")


def test_two_people_never_see_the_same_pair(desk: Desk, offered: Offered) -> None:
    leave_to_people(offered.system, list(zip(LEFT, RIGHT, strict=True)), [2, 3, 9, 12])
    client = offered.system.client.labels
    held = client.lease_pairs(NAME, "pair-other", limit=2)
    assert held
    offer_pairs(offered)
    grid = desk.sit("pair-alone")
    expect(grid.tiles).to_have_count(2)
    grid.press("Enter")
    rest = {(14, 15): OTHER, (16, 17): OTHER}
    wait_for(lambda: said(offered.system) == rest, 10, "the answer")
    client.release(NAME, [held.token])


def test_the_two_images_are_compared_in_turn_at_one_place(desk: Desk, offered: Offered) -> None:
    offer_pairs(offered)
    grid = desk.sit("pair-looks")
    grid.press("v")
    frame = grid.page.get_by_role("dialog").locator(".frame")
    for side in ("1", "0", "1"):
        expect(frame).to_have_attribute("data-side", side)
    expect(frame.locator(".side-of:not(.hidden) .chip")).to_have_count(1)
    grid.press("ArrowRight", "x")
    expect(grid.page.locator("figcaption")).to_contain_text("Pair 2 of 4: Not the same")
    grid.press("Escape")
    assert chips(grid)[1] == "≠ Not the same"


class Copies:
    """The part of Review, before a reviewer."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def groups(self) -> Locator:
        return self.page.locator(".copy-group")

    @property
    def toast(self) -> Locator:
        return self.page.locator(".hf-review .toast.open")

    def tile(self, row: int) -> Locator:
        return self.page.locator(f".copy-group .tile[data-row='{row}']")

    def press(self, name: str) -> None:
        self.page.locator(".actions").get_by_role("button", name=name).click()


@pytest.fixture
def copies(browser: BrowserContext, offered: Offered) -> Iterator[Copies]:
    leave_to_people(offered.system, list(zip(LEFT, RIGHT, strict=True)), [2, 3, 9, 12])
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{offered.system.url}review?collection={NAME}&annotator=pair-rev")
    page.get_by_role("tab", name="Copies").click(timeout=30_000)
    shown = Copies(page)
    expect(shown.groups.first.locator(".tile img").first).to_be_visible(timeout=30_000)
    yield shown
    assert not problems
    page.goto("about:blank")
    page.close()
    offered.clear()


def largest(system: System) -> DuplicateGroup:
    return system.client.hashing.duplicates(NAME).groups[0]


def test_a_reviewer_says_what_is_no_copy_and_which_image_stands_for_all(
    copies: Copies, offered: Offered
) -> None:
    group = largest(offered.system)
    first, copy = group.representative, int(group.copies[0])
    pair = (min(first, copy), max(first, copy))
    copies.tile(copy).click()
    copies.press("Not a copy")
    expect(copies.toast).to_contain_text("is no copy")
    expect(copies.tile(copy).locator(".chip")).to_have_text("≠ kept apart")
    now = said(offered.system)
    assert now[pair] is OTHER
    assert all(copy in each for each in now)
    assert len(now) == len(group.copies)

    copies.toast.get_by_role("button", name="Undo this").click()
    expect(copies.toast).to_contain_text("It counts as before")
    assert said(offered.system) == {}
    assert told(offered.system)["left"] == []

    expect(copies.tile(copy).locator(".chip")).not_to_have_text("≠ kept apart")
    copies.tile(copy).click()
    copies.page.keyboard.press("k")
    expect(copies.tile(copy).locator(".chip")).to_have_text("★ chosen to stand for all")
    assert said(offered.system)[pair] is SAME
    assert told(offered.system)["keep"] == [copy]

    copies.page.get_by_role("tab", name="History").click()
    line = copies.page.locator(".line").nth(0)
    expect(line.locator(".what")).to_contain_text("1 image stands for all")
    line.locator(".toggle").click()
    expect(line.locator(".gallery.pairs .tile img")).to_have_count(2 * len(group.copies))
    line.locator("[data-deed=one]").click()
    card = copies.page.locator(".overlay.open .card")
    expect(card.locator(".sums")).to_contain_text("What is said of")
    card.get_by_role("button", name="Take back").click()
    expect(copies.toast).to_contain_text("1 entry was taken back")
    assert said(offered.system) == {}


def test_a_group_is_split(copies: Copies, offered: Offered) -> None:
    group = largest(offered.system)
    rows = [group.representative, *group.copies.tolist()]
    inside, outside = rows[1:3], [rows[0], *rows[3:]]
    for row in inside:
        copies.tile(row).click()
    copies.press("Split")
    expect(copies.toast).to_contain_text("2 images are a group of their own")
    now = said(offered.system)
    assert now.pop((min(inside), max(inside))) is SAME
    expected = {(min(a, b), max(a, b)) for a in inside for b in outside}
    assert now == dict.fromkeys(expected, OTHER)


def test_pairs_that_wait_are_judged_one_page_after_the_other_until_none_is_left(
    copies: Copies, offered: Offered
) -> None:
    expect(copies.page.locator(".waiting-pairs")).to_contain_text("4 pairs look alike")
    copies.page.locator("[data-deed=judge]").click()
    page = copies.page
    expect(page.locator(".tile.pair")).to_have_count(4, timeout=30_000)
    expect(page.locator(".foot .pairs")).to_have_text("0 pairs judged, 4 left")
    page.keyboard.press("Enter")
    wait_for(lambda: len(said(offered.system)) == 4, 10, "the answers")
    assert said(offered.system) == {
        (10, 11): SAME,
        (12, 13): SAME,
        (14, 15): OTHER,
        (16, 17): OTHER,
    }
    progress = offered.system.client.labels.progress(NAME)
    assert (progress.pairs_judged, progress.pairs_open, progress.decisions) == (4, 0, 0)
    assert progress.pair_seconds > 0


def test_who_labels_gets_pairs_when_nothing_else_is_left(
    desk: Desk, browser: BrowserContext, offered: Offered
) -> None:
    leave_to_people(offered.system, list(zip(LEFT, RIGHT, strict=True)), [2, 3, 9, 12])
    page = browser.new_page()
    desk.windows.append(page)
    page.goto(f"{offered.system.url}?collection={NAME}&annotator=pair-idle")
    page.locator(".empty").get_by_role("button", name="Judge pairs").click(timeout=30_000)
    expect(page.locator(".tile.pair")).to_have_count(4)
    page.keyboard.press("Enter")
    expect(page.locator(".toast.open")).to_contain_text("2 the same, 2 not the same")
    expect(page.locator(".empty")).to_be_visible()
    expect(page.locator(".empty").get_by_role("button")).to_have_count(0, timeout=15_000)
