"""A person at the grid, as a browser sees him."""

from dataclasses import dataclass

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.system import System

ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic"]
"""Of Chromium, in a container without a graphics card."""


@dataclass
class Grid:
    """The Label view in a window, and who sits before it."""

    page: Page
    annotator: str

    @property
    def tiles(self) -> Locator:
        return self.page.locator(".grid .tile")

    @property
    def badge(self) -> Locator:
        return self.page.locator(".badge")

    @property
    def toast(self) -> Locator:
        return self.page.locator(".toast.open")

    @property
    def token(self) -> str:
        return str(self.page.locator(".grid").get_attribute("data-token"))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def turn(self, *keys: str) -> None:
        """Press keys, and wait for another page."""
        token = self.token
        self.press(*keys)
        expect(self.page.locator(".grid")).not_to_have_attribute("data-token", token)

    def name(self, words: str) -> None:
        self.press("n")
        self.page.keyboard.type(words)
        self.press("Enter")
        expect(self.page.locator(".question b")).to_have_text(words)

    def marked(self, mark: str) -> list[int]:
        classes = self.tiles.evaluate_all("tiles => tiles.map(tile => [...tile.classList])")
        return [place for place, each in enumerate(classes) if mark in each]

    def storage(self) -> list[str]:
        found: list[str] = self.page.evaluate(
            "Object.keys(localStorage).filter(key => key.startsWith('hundredfold:answer'))"
        )
        return found


class Desk:
    """Opens windows of one browser; each annotator is used by one test."""

    def __init__(self, browser: BrowserContext, system: System, collection: str) -> None:
        self._browser = browser
        self._system = system
        self._collection = collection
        self.windows: list[Page] = []

    def sit(self, annotator: str) -> Grid:
        page = self._browser.new_page()
        self.windows.append(page)
        page.goto(f"{self._system.url}?collection={self._collection}&annotator={annotator}")
        grid = Grid(page, annotator)
        expect(grid.tiles.first).to_be_visible(timeout=30_000)
        return grid

    def leave(self) -> None:
        for each in self.windows:
            each.goto("about:blank")  # as a person leaves: closing alone would be a kill
            each.close()
