"""A reviewer at work: a real browser, real services, real images."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect, sync_playwright

from hundredfold.client.types import MODEL_ORIGIN, Audit, Judgement, Verdict
from tests.e2e.desk import ARGUMENTS
from tests.e2e.system import System, wait_for

pytestmark = pytest.mark.e2e
COLLECTION = "digits"
HOSTILE = "<img src=x onerror='window.__run=1'>"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started.new_context(viewport={"width": 1280, "height": 720})
        started.close()


@dataclass
class Review:
    """The Review view in a window."""

    page: Page

    @property
    def lines(self) -> Locator:
        return self.page.locator(".hf-review .line")

    @property
    def card(self) -> Locator:
        return self.page.locator(".overlay.open .card")

    @property
    def toast(self) -> Locator:
        return self.page.locator(".hf-review .toast.open")

    def open(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def number(self, what: str) -> int:
        """A number of the preview."""
        found = self.card.locator(f"[data-{what}]")
        return int(str(found.get_attribute(f"data-{what}")))

    def by_class(self) -> dict[str, int]:
        """The labels that would go, as the preview lists them."""
        names = self.card.locator(".class-name").all_inner_texts()
        gone = self.card.locator(".change.gone").all_inner_texts()
        counts = ["".join(filter(str.isdigit, each)) for each in gone]
        return {
            name.strip(): int(count) for name, count in zip(names, counts, strict=True) if count
        }


@pytest.fixture
def review(browser: BrowserContext, system: System) -> Iterator[Review]:
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{system.url}review?collection={COLLECTION}&annotator=rev")
    shown = Review(page)
    expect(page.get_by_role("tab", name="History")).to_be_visible(timeout=30_000)
    yield shown
    assert not problems
    assert page.evaluate("window.__run") is None
    page.goto("about:blank")
    page.close()


def labels(system: System) -> dict[int, int]:
    found = system.client.labels.labels(COLLECTION)
    return dict(zip(found.rows.tolist(), found.class_ids.tolist(), strict=True))


def by_models(system: System) -> set[int]:
    found = system.client.labels.labels(COLLECTION)
    return set(found.rows[found.origins == MODEL_ORIGIN].tolist())


def class_of(system: System, name: str) -> int:
    system.client.catalog.add_classes(
        COLLECTION, [each for each in (name,) if each not in names(system)]
    )
    return names(system)[name]


def names(system: System) -> dict[str, int]:
    return system.client.catalog.schema(COLLECTION).by_name()


def decide(system: System, who: str, class_id: int, wanted: int) -> list[int]:
    """Somebody picks some images that nobody has, and says what they are; their rows."""
    client = system.client.labels
    known = client.labels(COLLECTION)
    taken = {*known.rows.tolist(), *known.audit_rows.tolist()}
    free = [row for row in range(360) if row not in taken][: 3 * wanted]
    lease = client.lease_rows(COLLECTION, who, free, class_id)
    assert lease
    rows = lease.page.rows[:wanted]
    client.submit(COLLECTION, lease.token, [Judgement(class_id, Verdict.IS, rows)], seconds=2.0)
    return [int(row) for row in rows]


def certified(system: System, class_id: int) -> Audit:
    """The cluster with most images to label, labelled as a whole after a random check of it."""
    client = system.client
    run = client.selection.get(COLLECTION).clusters
    found = client.index.assignment(COLLECTION, run)
    free = ~np.isin(found.rows, client.labels.labels(COLLECTION).rows)
    audit = client.labels.start_audit(
        COLLECTION,
        cluster=f"{run}/{np.bincount(found.numbers[free]).argmax()}",
        class_id=class_id,
        allowed_error=0.4,
        sample=6,
    )
    while leases := client.labels.lease(COLLECTION, "rev-judge"):
        page = leases[0].page
        if page.audit_id != audit.audit_id:
            client.labels.release(COLLECTION, [leases[0].token])
            break
        said = Judgement(class_id, Verdict.IS, page.rows)
        client.labels.submit(COLLECTION, leases[0].token, [said], seconds=1.0)

    def written() -> Audit | None:
        now = client.labels.audit(COLLECTION, audit.audit_id)
        return now if now.state == "CERTIFIED" else None

    return wait_for(written, 60, "the loop writes the certificate")


def test_all_that_one_labeller_said_is_taken_back_by_clicks(review: Review, system: System) -> None:
    seven, eight = class_of(system, HOSTILE), class_of(system, "eight")
    mine = decide(system, "rev-ada", seven, 5), decide(system, "rev-ada", eight, 3)
    theirs = decide(system, "rev-ben", eight, 2)
    before = labels(system)

    review.page.reload()
    person = review.page.get_by_label("Whose decisions")
    expect(person).to_be_visible(timeout=30_000)
    person.select_option("rev-ada")
    expect(review.lines).to_have_count(2)
    review.lines.first.locator(".toggle").click()
    expect(review.lines.first.locator(".tile img")).to_have_count(3)

    review.page.locator("[data-deed=all]").click()
    expect(review.card.locator("[data-events]")).to_be_visible()
    assert (review.number("events"), review.number("images")) == (2, 8)
    assert (review.number("gone"), review.number("back")) == (8, 0)
    assert review.by_class() == {HOSTILE: 5, "eight": 3}
    review.card.get_by_role("button", name="Take back").click()

    expect(review.toast).to_contain_text("2 entries were taken back")
    left = wait_for(lambda: _without(labels(system), mine), 10, "what is left")
    assert {row: each for row, each in before.items() if row not in {*mine[0], *mine[1]}} == left
    assert set(theirs) <= left.keys()
    expect(review.page.locator(".line.undone")).to_have_count(2)

    review.toast.get_by_role("button", name="Undo this").click()
    expect(review.toast).to_contain_text("It counts as before")
    assert wait_for(lambda: labels(system) == before, 10, "all of it again")
    expect(review.page.locator(".line.undone")).to_have_count(0)


def test_a_model_run_is_taken_back_by_clicks(review: Review, system: System) -> None:
    audit = certified(system, class_of(system, "one"))
    given = by_models(system)
    assert given
    people = {row: each for row, each in labels(system).items() if row not in given}

    review.open("Random checks")
    back = review.page.locator("[data-deed=certificate]").first
    back.click()
    expect(review.card.locator("[data-events]")).to_be_visible()
    event = next(system.client.labels.decisions(COLLECTION, after=audit.certificate_seq - 1))
    assert review.number("events") == 1
    assert review.number("images") == event.images == len(given)
    assert review.number("gone") == len(given)
    assert review.by_class() == {"one": len(given)}
    review.page.keyboard.press("Enter")

    expect(review.toast).to_contain_text("1 entry was taken back")
    events = list(system.client.labels.decisions(COLLECTION, kinds=["UNDO_MANY"]))
    assert events[-1].undone_events == 1
    assert not by_models(system)
    assert people.items() <= labels(system).items()


def test_every_part_opens_by_its_key_and_says_what_it_is_for(
    review: Review, system: System
) -> None:
    system.client.labels.flag(COLLECTION, "rev-ada", np.array([7]), HOSTILE)
    titles = ["History", "Looks wrong", "Random checks", "Copies", "Flags"]
    for place, title in enumerate(titles, 1):
        review.page.keyboard.press(str(place))
        expect(review.page.locator(".hf-review h1")).to_have_text(title)
        sizes = review.page.evaluate(
            "[document.scrollingElement, document.querySelector('.stMain')]"
            ".map(each => each.scrollHeight - each.clientHeight)"
        )
        assert sizes == [0, 0]
    expect(review.page.locator(".flag blockquote").first).to_have_text(HOSTILE)
    review.page.locator("[data-deed=resolve]").first.click()
    expect(review.toast).to_contain_text("marked as done")
    review.open("Copies")
    expect(review.page.locator(".copy-group").first).to_be_visible()
    expect(review.page.locator(".copy-group").first.locator(".tile img").first).to_be_visible()


def _without(found: dict[int, int], gone: tuple[list[int], ...]) -> dict[int, int] | None:
    return None if any(row in found for rows in gone for row in rows) else found
