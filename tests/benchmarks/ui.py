"""How fast the labelling UI answers a hand, in a real browser: `hundredfold bench ui`.

    hundredfold bench ui --json --option folder=IMAGES

Starts every service and the UI on the images of `folder` (handwritten digits when there is none), opens
pages of 48 in a headless Chromium, and presses keys while three labellers answer the loop beside it, so
that it refits all the time. Milliseconds from the event to the second animation frame (a click: to the end
of the first). Close other programs first, and compare `load` with `cores`.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, sync_playwright

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.testing import wait_for
from tests.benchmarks.painting.rounds import answering
from tests.benchmarks.painting.watch import SCRIPT, Times, timed
from tests.e2e.desk import ARGUMENTS
from tests.e2e.digits import write_digits
from tests.e2e.pages import Offered
from tests.e2e.system import System, running

TILES = 48
DIGITS = 1797
MOST_PAGES = 200  # that are offered at once
SECONDS = 300  # after which it stops and tells what it has
KICKS = 40
Say = Callable[[str], None]


def measure(
    say: Say, *, folder: str = "", store: str = "", pages: str = "200", spacing: str = "0.3"
) -> dict[str, Any]:
    """Measure, and tell how far it is.

    Args:
        say: tells.
        folder: of images, at least 500; digits are written when empty.
        store: of the services; a temporary one when empty.
        pages: how many are turned.
        spacing: seconds between two keys.
    """
    end = time.monotonic() + SECONDS
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        images = Path(folder).absolute() if folder else _digits(Path(scratch), say)
        place = Path(store).absolute() if store else Path(scratch) / "store"
        say("starting the services, and bringing the images in")
        with running(place, str(images), sources=str(images.parent)) as system:
            wait_for(lambda: "first page is ready" in system.log.read_text("utf-8"), 600, "a page")
            bench = Bench(system, browser, images, say)
            with answering(system.environ, images.name) as decisions:
                bench.turn(int(pages), float(spacing), end)
                bench.click()
            told = bench.told() | {"background_decisions": len(decisions)}
            told["background_refits"] = system.client.selection.get(images.name).rounds
        say("starting again on what is there")
        told["up_to_first_pictures_s"] = round(_up_again(place, images, browser), 2)
    return told | {"load": [round(each, 1) for each in os.getloadavg()]}


class Bench:
    """One window before a collection whose pages are offered as they are needed."""

    def __init__(self, system: System, browser: BrowserContext, images: Path, say: Say) -> None:
        self._system = system
        self._page: Page = browser.new_page()
        self._say = say
        self._turns: list[float] = []
        self._clicks: dict[str, Times] = {}
        self._pages = Offered(system, "painted")
        if self._pages.name not in {each.name for each in system.client.catalog.collections()}:
            say("bringing the images in again, for pages of 48")
            self._pages.fill(str(images))
        rows = system.client.labels.progress(images.name).total
        self._batch = min(MOST_PAGES, rows // TILES)
        if self._batch < 10:
            raise InvalidArgument("give a folder of at least 500 images")

    def turn(self, pages: int, spacing: float, end: float) -> None:
        """Confirm pages one after the other; in batches, as an image is labelled only once."""
        while len(self._turns) < pages and time.monotonic() < end:
            self._sit()
            for _ in range(min(self._batch - 1, pages - len(self._turns))):
                self._page.keyboard.press("Enter")
                self._page.wait_for_timeout(1000 * spacing)
            self._turns += timed(self._page, "turns")
            self._say(f"{len(self._turns)} of {pages} pages: {Times(tuple(self._turns)).told()}")

    def click(self) -> None:
        """Kick images one by one, name the page, and select all of it by a range."""
        self._sit()
        tiles = self._page.locator(".grid .tile")
        for number in range(KICKS):
            tiles.nth(number).click()
        for key in "121212121212":
            self._page.keyboard.press(key)
            self._page.wait_for_timeout(100)
        for _ in range(5):
            tiles.first.click()
            tiles.last.click(modifiers=["Shift"])
        for kind in ("kicks", "names", "ranges"):
            self._clicks[kind] = Times(tuple(timed(self._page, kind)))

    def told(self) -> dict[str, Any]:
        """What was measured."""
        return {
            "tiles": TILES,
            "key_to_next_page": Times(tuple(self._turns)).told(),
            "kick": self._clicks["kicks"].told(),
            "range_of_48": self._clicks["ranges"].told(),
            "label_on_48": self._clicks["names"].told(),
        }

    def _sit(self) -> None:
        """Fresh pages, and somebody before the first of them."""
        self._page.goto("about:blank")
        self._pages.clear()
        rows = [range(TILES * each, TILES * (each + 1)) for each in range(self._batch)]
        self._pages.offer(*rows, kind="VERIFY", class_id=1)
        self._page.goto(f"{self._system.url}?collection={self._pages.name}&annotator=bench")
        self._page.locator(f".grid .tile >> nth={TILES - 1}").wait_for(timeout=60_000)
        self._page.wait_for_timeout(1000)  # the pages after it have come


def _up_again(store: Path, images: Path, browser: BrowserContext) -> float:
    """Seconds from the command to pictures in the window, on a collection that is there."""
    began = time.monotonic()
    with running(store, str(images), sources=str(images.parent)) as system:
        page = browser.new_page()
        page.goto(f"{system.url}?collection={images.name}&annotator=again")
        page.locator(".grid .tile img").first.wait_for(timeout=120_000)
        return time.monotonic() - began


def _digits(folder: Path, say: Say) -> Path:
    say(f"writing {DIGITS} digits")
    return write_digits(folder / "digits", DIGITS) / "images"


@contextmanager
def chromium() -> Iterator[BrowserContext]:
    """A browser of 1600x900 that times itself."""
    found = os.environ.get("HUNDREDFOLD_CHROMIUM") or shutil.which("chromium")
    if not found:
        raise InvalidArgument("there is no chromium: install Debian's package of that name")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        context = started.new_context(viewport={"width": 1600, "height": 900})
        context.add_init_script(SCRIPT)
        yield context
        started.close()
