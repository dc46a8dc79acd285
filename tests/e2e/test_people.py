"""Many people: signing in, a login that ends in the middle of work, two at one collection, hostile names."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Route, expect, sync_playwright

from hundredfold.chassis.testing import wait_for
from hundredfold.client.types import Judgement, LabelClass, Rows, Verdict
from tests.e2e.desk import ARGUMENTS
from tests.e2e.digits import write_digits
from tests.e2e.pages import Offered
from tests.e2e.people import Seat, end_login, register
from tests.e2e.system import System, running

pytestmark = pytest.mark.e2e

IMAGES = 1_000
COMMITS = 200
PAYLOADS = (
    "<script>window.__xss=1</script>",
    "<img src=x onerror=window.__xss=1>",
    "<svg onload=window.__xss=1>",
    "<svg><script>window.__xss=1</script>",
    "<body onload=window.__xss=1>",
    "<iframe src=javascript:parent.__xss=1>",
    "<iframe srcdoc='<script>parent.__xss=1</script>'>",
    "<details open ontoggle=window.__xss=1>",
    "<input autofocus onfocus=window.__xss=1>",
    "<video><source onerror=window.__xss=1>",
    "<audio src=x onerror=window.__xss=1>",
    "<a href=javascript:window.__xss=1>x</a>",
    "[x](javascript:window.__xss=1)",
    "![x](javascript:window.__xss=1)",
    '![x](x"onerror="window.__xss=1)',
    "<style>@import'javascript:window.__xss=1'</style>",
    "<style onload=window.__xss=1></style>",
    "</style><script>window.__xss=1</script>",
    "</script><script>window.__xss=1</script>",
    "--><script>window.__xss=1</script>",
    "]]><script>window.__xss=1</script>",
    '"><img src=x onerror=window.__xss=1>',
    "'><img src=x onerror=window.__xss=1>",
    '" onmouseover=window.__xss=1 x="',
    "' onfocus=window.__xss=1 autofocus x='",
    "`${window.__xss=1}`",
    "{{constructor.constructor('window.__xss=1')()}}",
    "$\\href{javascript:window.__xss=1}{x}$",
    "<math><mtext></form><form><mglyph><style><img src onerror=window.__xss=1>",
    "<object data=javascript:window.__xss=1>",
)
LABELERS = ("ann", "ada", "bea", "cid", "dan", "eve", "fay")  # each test has its own
PEOPLE = dict.fromkeys(LABELERS, "labeler") | {"rex": "reviewer", "root": "admin", "vic": "viewer"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("people") / "digits", IMAGES)


@pytest.fixture(scope="module")
def system(digits: Path) -> Iterator[System]:
    store = digits.parent / "store"
    register(store, **PEOPLE)
    with running(store) as started:
        yield started


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def offered(system: System, digits: Path) -> Offered:
    collection = Offered(system, "shared")
    collection.fill(str(digits))
    return collection


@pytest.fixture
def seat(browser: Browser, offered: Offered) -> Iterator[Callable[[], Seat]]:
    """Makes browsers; they are closed after the test, and the labels of the collection cleared."""
    seats: list[Seat] = []

    def made() -> Seat:
        seats.append(Seat.at(browser, offered.system.url))
        return seats[-1]

    yield made
    for each in seats:
        each.leave()
    offered.clear()


def refuse(route: Route) -> None:
    route.abort()


def pages_of(count: int, size: int) -> list[range]:
    return [range(size * each, size * (each + 1)) for each in range(count)]


def test_a_person_signs_in_labels_under_his_name_and_signs_out(
    seat: Callable[[], Seat], offered: Offered
) -> None:
    offered.offer([0, 1], [2, 3], kind="VERIFY", class_id=1)
    ann = seat()
    ann.go(collection=offered.name)
    expect(ann.page.locator("form.sign-in")).to_be_visible(timeout=30_000)
    assert ann.page.get_by_role("link", name="Progress").count() == 0
    ann.sign_in("ann", "not her words")
    expect(ann.page.locator(".trouble")).to_contain_text("not known together")
    ann.sign_in("ann")
    expect(ann.person).to_contain_text("annlabeler", timeout=30_000)
    expect(ann.tiles.first).to_be_visible(timeout=30_000)
    assert ann.page.get_by_label("Your name").count() == 0
    ann.press("Enter")
    wait_for(lambda: offered.decisions("ann"), 10, "the decision under her name")
    ann.page.reload()
    expect(ann.person).to_contain_text("ann", timeout=30_000)
    expect(ann.tiles.first).to_be_visible(timeout=60_000)
    ann.sign_out()
    wait_for(lambda: offered.leased() == 0, 10, "her pages go back")
    assert "hundredfold_session" not in ann.cookies()
    assert ann.said == []


@pytest.mark.parametrize(
    ("name", "views"),
    [
        ("vic", {"Explore", "Progress"}),
        ("ann", {"Label", "Review", "Explore", "Progress"}),
        ("rex", {"Label", "Review", "Explore", "Progress"}),
        ("root", {"Label", "Review", "Explore", "Progress", "Set-up"}),
    ],
)
def test_each_sees_the_views_of_his_role(
    seat: Callable[[], Seat], offered: Offered, name: str, views: set[str]
) -> None:
    who = seat()
    who.go(collection=offered.name)
    who.sign_in(name)
    expect(who.person).to_contain_text(name, timeout=30_000)
    expect(who.page.get_by_role("link", name="Progress")).to_be_visible(timeout=30_000)
    assert set(who.views()) == views


def test_a_login_that_ends_among_200_commits_loses_and_doubles_none(
    seat: Callable[[], Seat], offered: Offered
) -> None:
    offered.offer(*pages_of(COMMITS, 5), kind="VERIFY", class_id=1)
    ada = seat().sit("ada", offered.name)
    for number in range(COMMITS):
        ada.press("Enter")
        if number == COMMITS // 2:
            end_login(offered.system.store, "ada")
        if ada.panel.is_visible():
            break
    expect(ada.panel).to_be_visible(timeout=15_000)
    token = ada.page.locator(".grid").get_attribute("data-token")
    before = len(offered.decisions("ada"))
    assert 0 < before < COMMITS
    ada.page.wait_for_timeout(1_000)  # keys that were meant for the page are over
    for key in "x1z":
        ada.press(key)
    assert (
        ada.page.locator(".grid").get_attribute("data-token") == token
    )  # none of them reached the page
    ada.sign_in("ada")
    expect(ada.panel).to_have_count(0, timeout=20_000)
    for _ in range(3 * COMMITS):
        if len(offered.decisions("ada")) >= COMMITS:
            break
        ada.press("Enter")
    wait_for(lambda: offered.decisions("ada")[COMMITS - 1 :], 30, "two hundred decisions")
    made = offered.decisions("ada")
    assert len(made) == COMMITS
    assert len({each.page.page_id for each in made if each.page}) == COMMITS
    assert len({each.request_id for each in made}) == COMMITS
    rows = Counter(row for each in made for said in each.judgements for row in said.rows.tolist())
    assert (len(rows), max(rows.values())) == (5 * COMMITS, 1)
    assert ada.said == []


def test_what_was_on_the_page_is_there_after_signing_in_again(
    seat: Callable[[], Seat], offered: Offered
) -> None:
    offered.offer([0, 1, 2, 3], [4, 5], kind="VERIFY", class_id=1)
    bea = seat().sit("bea", offered.name)
    bea.tiles.nth(2).click()
    end_login(offered.system.store, "bea")
    bea.page.evaluate(
        "document.dispatchEvent(new Event('visibilitychange'))"
    )  # the pages are renewed
    expect(bea.panel).to_be_visible(timeout=20_000)
    expect(bea.panel.locator("input[name=username]")).to_have_value("bea")
    bea.sign_in("bea")
    expect(bea.panel).to_have_count(0, timeout=20_000)
    assert bea.page.locator(".tile.kicked").count() == 1
    bea.press("Enter")
    (decision,) = wait_for(lambda: offered.decisions("bea"), 10, "the decision")
    assert [each.rows.tolist() for each in decision.judgements] == [[0, 1, 3], [2]]


def test_answers_of_one_person_wait_while_another_is_signed_in(
    seat: Callable[[], Seat], offered: Offered
) -> None:
    offered.offer(*pages_of(12, 2), kind="VERIFY", class_id=1)
    cid = seat().sit("cid", offered.name)
    cid.page.route("**/answers", refuse)
    for _ in range(2):
        cid.press("Enter", 300)
    expect(cid.badge).to_contain_text("2 unsent")
    end_login(offered.system.store, "cid")
    cid.page.unroute("**/answers")
    expect(cid.panel).to_be_visible(timeout=30_000)
    expect(cid.panel).to_contain_text("2 answers wait")
    cid.sign_in("dan")
    expect(cid.person).to_contain_text("dan", timeout=30_000)
    expect(cid.person).to_contain_text("2 · cid", timeout=10_000)
    expect(cid.tiles.first).to_be_visible(timeout=30_000)
    cid.press("Enter")
    wait_for(lambda: offered.decisions("dan"), 10, "dan's own answer")
    assert offered.decisions("cid") == []
    cid.sign_out()
    cid.sign_in("cid")
    expect(cid.person).to_contain_text("cid", timeout=30_000)
    wait_for(lambda: offered.decisions("cid")[1:], 20, "her answers")
    assert len(offered.decisions("cid")) == 2
    assert len(offered.decisions("dan")) == 1


def test_who_is_removed_sees_nothing_more_in_any_view(
    seat: Callable[[], Seat], offered: Offered, system: System
) -> None:
    vic = seat()
    vic.go("progress", offered.name)
    vic.sign_in("vic")
    expect(vic.page.get_by_text("images labelled")).to_be_visible(timeout=30_000)
    register(system.store, **{name: role for name, role in PEOPLE.items() if name != "vic"})
    expect(vic.page.locator(".sign-in-page form")).to_be_visible(timeout=20_000)
    expect(vic.page.get_by_text("images labelled")).to_have_count(0)
    register(system.store, **PEOPLE)


def test_two_people_label_1000_images_and_none_is_decided_or_leased_twice(
    seat: Callable[[], Seat], offered: Offered
) -> None:
    offered.offer(*pages_of(IMAGES // 10, 10), kind="VERIFY", class_id=1)
    eve, fay = seat().sit("eve", offered.name), seat().sit("fay", offered.name)
    for _ in range(IMAGES):
        for who in (eve, fay):
            who.press("Enter", 5)
        progress = offered.system.client.labels.progress(offered.name)
        if progress.labelled >= IMAGES:
            break
    wait_for(lambda: len(labelled(offered)) == IMAGES, 60, "every image")
    assert max(labelled(offered).values()) == 1
    events = [*offered.decisions("eve"), *offered.decisions("fay")]
    pages = Counter(each.page.page_id for each in events if each.page)
    assert max(pages.values()) == 1
    shares = {each: len(offered.decisions(each)) for each in ("eve", "fay")}
    assert min(shares.values()) > 0, shares
    assert eve.said == fay.said == []


def labelled(offered: Offered) -> Counter[int]:
    """How often each image was decided on, in decisions that count."""
    events = [*offered.decisions("eve"), *offered.decisions("fay")]
    return Counter(row for each in events for said in each.judgements for row in said.rows.tolist())


@pytest.fixture(scope="module")
def hostile(system: System, digits: Path) -> str:
    """A collection of which everything that has a name is called like a script."""
    name = "hostile"
    images = sorted((digits / "images").glob("0*.png"))[: len(PAYLOADS)]
    table = digits.parent / "hostile.parquet"
    columns = {
        "image": [each.read_bytes() for each in images],
        "key": list(PAYLOADS),
        "label": list(PAYLOADS),
        "tags": [[each] for each in PAYLOADS],
    }
    pq.write_table(pa.table(columns), table)
    folder = digits.parent / "hostile-files"
    folder.mkdir()
    for image, payload in zip(images, PAYLOADS, strict=True):
        named = payload.replace("/", "\u2215")  # a slash that a file may have
        (folder / f"{named}.png").write_bytes(image.read_bytes())
    (folder / "<img src=x onerror=window.__xss=1>.png.png").write_bytes(b"<svg onload=alert(1)>")
    catalog = system.client.catalog
    for source in (table, folder):
        catalog.runs.wait(catalog.ingest(name, str(source)).run_id)
    catalog.add_classes(name, [LabelClass(each, guideline=each) for each in PAYLOADS])
    return name


def test_no_name_tag_file_or_comment_ever_runs(
    browser: Browser, system: System, hostile: str
) -> None:
    names = [each for each in PAYLOADS if len(each) <= 60][:20]
    register(system.store, **PEOPLE, **dict.fromkeys(names, "admin"))
    collection = Offered(system, hostile)
    labels = system.client.labels
    for number, payload in enumerate(PAYLOADS):
        labels.flag(hostile, payload, [number], payload)
    for number, who in enumerate(names):
        collection.offer(range(30 + number, 31 + number), kind="VERIFY", class_id=1 + number)
        (lease,) = labels.lease(hostile, who)
        from_page = lease.page.rows
        labels.submit(hostile, lease.token, [judged(1 + number, from_page)])
    collection.offer(range(12), range(12, 24), kind="VERIFY", class_id=3)
    for who in ("root", *names[:2]):
        seat = Seat.at(browser, system.url)
        seat.go(collection=hostile)
        seat.sign_in(who)
        expect(seat.person).to_contain_text(who[:10], timeout=30_000)
        views = seat.views()
        assert len(views) == 5
        for view in views:
            # As a person goes there: an address of its own makes Streamlit ask for what is not there.
            seat.page.get_by_role("link", name=view, exact=True).click()
            expect(seat.person).to_be_visible(timeout=30_000)
            seat.page.wait_for_timeout(2_500)
            if view == views[0]:
                expect(seat.tiles.first).to_be_visible(timeout=30_000)
                for key in ("n", "Escape", "v", "Escape", "?", "Escape"):
                    seat.press(key, 100)
            assert seat.page.evaluate("window.__xss") is None, (who, view)
        assert [each for each in seat.said if "dialog" in each or "__xss" in each] == []
        assert seat.said == []
        seat.leave()


def judged(class_id: int, rows: Rows) -> Judgement:
    return Judgement(class_id, Verdict.IS, rows)
