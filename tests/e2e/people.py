"""People with names before browsers of their own: signing in as a person does, and labelling."""

from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    expect,
)

from hundredfold.chassis import people
from hundredfold.chassis.people import Passphrase, User, Users

WORDS = "correct horse battery"


def register(store: Path, **roles: str) -> None:
    """Write the users file anew; all have the same words."""
    users = tuple(User(name, role, _kept()) for name, role in roles.items())
    with people.changing(store / people.FILE_NAME) as states:
        states.append(Users(users))


def end_login(store: Path, name: str) -> None:
    """Hash the words of somebody anew: what he has open ends at once, and he signs in as before."""
    with people.changing(store / people.FILE_NAME) as states:
        states.append(states[-1].changed(name, passphrase=_kept()))


def _kept() -> Passphrase:
    return Passphrase.of(WORDS, n=1 << 10, p=1)


@dataclass
class Seat:
    """A browser of one person, with one window."""

    context: BrowserContext
    page: Page
    url: str = ""
    said: list[str] = field(default_factory=list)

    @classmethod
    def at(cls, browser: Browser, url: str = "") -> "Seat":
        context = browser.new_context(viewport={"width": 1280, "height": 720})
        seat = cls(context, context.new_page(), url)
        seat.page.on("console", seat._hear)
        seat.page.on("pageerror", lambda error: seat.said.append(f"error: {error}"))
        seat.page.on("dialog", seat._asked)
        return seat

    def _hear(self, message: ConsoleMessage) -> None:
        # That a login has ended is told by a status, which the browser writes down as well; that nobody is
        # signed in yet is not.
        url = message.location.get("url", "")
        ended = "401 (Unauthorized)" in message.text and not url.endswith("/api/session")
        if message.type == "error" and not ended:
            self.said.append(f"{message.text} {url}")

    def _asked(self, dialog: Dialog) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def go(self, view: str = "", collection: str = "") -> None:
        self.page.goto(f"{self.url}{view}?collection={collection}")

    def sign_in(self, name: str, words: str = WORDS) -> None:
        """Type into the form, or the panel, that is shown."""
        form = self.page.locator("form.sign-in")
        form.locator("input[name=username]").fill(name)
        form.locator("input[name=password]").fill(words)
        form.get_by_role("button", name="Sign in", exact=False).first.click()

    def sit(self, name: str, collection: str) -> "Seat":
        """Open the Label view as this person."""
        self.go(collection=collection)
        self.sign_in(name)
        expect(self.person).to_contain_text(name, timeout=30_000)
        expect(self.tiles.first).to_be_visible(timeout=30_000)
        return self

    def views(self) -> list[str]:
        """The names of the views that are offered, that of the home page first."""
        links = self.page.get_by_test_id("stTopNavLink")
        expect(links.first).to_be_visible(timeout=30_000)
        return [each.split("\n")[-1] for each in links.all_inner_texts()]

    def cookies(self) -> set[str]:
        """The names of what the browser holds."""
        return {str(each.get("name")) for each in self.context.cookies()}

    def sign_out(self) -> None:
        self.page.get_by_role("button", name="Sign out").click()
        expect(self.page.locator(".sign-in-page form")).to_be_visible(timeout=20_000)

    @property
    def person(self) -> Locator:
        return self.page.locator(".person")

    @property
    def panel(self) -> Locator:
        return self.page.locator("dialog.sign-in")

    @property
    def tiles(self) -> Locator:
        return self.page.locator(".grid .tile")

    @property
    def badge(self) -> Locator:
        return self.page.locator(".badge")

    def press(self, key: str, pause_ms: int = 30) -> None:
        self.page.keyboard.press(key)
        self.page.wait_for_timeout(pause_ms)

    def leave(self) -> None:
        self.page.goto("about:blank")
        self.context.close()
