"""A person at the grid: a real browser, real services, real images."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Route, expect

from hundredfold.chassis.tensors import pack
from hundredfold.client.types import Event
from tests.e2e.conftest import DIGITS
from tests.e2e.desk import Desk
from tests.e2e.pages import CLASSES, Offered
from tests.e2e.system import System, wait_for

pytestmark = pytest.mark.e2e
SCRIPT_AS_NAME = "<img src=x onerror='window.__run=1'>"


@pytest.fixture(scope="module")
def offered(system: System, digits: Path) -> Offered:
    collection = Offered(system, "offered")
    collection.fill(str(digits))
    return collection


@pytest.fixture
def desk(browser: BrowserContext, offered: Offered) -> Iterator[Desk]:
    """Windows on a collection whose pages the test offers; closed after it, its labels cleared."""
    made = Desk(browser, offered.system, offered.name)
    yield made
    made.leave()
    offered.clear()


@pytest.fixture
def looped(browser: BrowserContext, system: System) -> Iterator[Desk]:
    """Windows on a collection with a loop."""
    made = Desk(browser, system, "digits")
    yield made
    made.leave()


def hold(_: Route) -> None:
    """Neither answered nor refused, until nobody listens any more."""


def refuse(route: Route) -> None:
    route.abort()


def of_loop(system: System, annotator: str) -> list[Event]:
    events = system.client.labels.decisions("digits", actor=annotator)
    return [each for each in events if each.kind == "DECISION"]


def test_a_page_of_the_loop_is_named_confirmed_and_followed_by_another(
    looped: Desk, system: System
) -> None:
    grid = looped.sit("ada")
    grid.name("zero")
    grid.tiles.nth(1).click()
    assert grid.marked("kicked") == [1]
    grid.turn("Enter")
    decision = wait_for(lambda: of_loop(system, "ada"), 10, "the decision in the ledger")[0]
    assert [each.verdict for each in decision.judgements] == ["IS", "IS_NOT"]
    assert len(decision.judgements[1].rows) == 1
    expect(grid.badge).to_have_text("✓ saved")


def test_a_whole_page_is_in_view_without_scrolling(desk: Desk, offered: Offered) -> None:
    offered.offer(range(48))
    grid = desk.sit("view")
    for width, height in ((1280, 720), (1600, 900), (3840, 2160), (1024, 768), (820, 1180)):
        grid.page.set_viewport_size({"width": width, "height": height})
        expect(grid.tiles.last).to_be_in_viewport(ratio=1)
        sizes = grid.page.evaluate(
            "[document.scrollingElement, document.querySelector('.stMain')]"
            ".map(each => each.scrollHeight - each.clientHeight)"
        )
        assert sizes == [0, 0]
    assert grid.tiles.count() == 48


def test_each_key_does_what_the_help_says(desk: Desk, offered: Offered) -> None:
    offered.offer(range(12), range(12, 24))
    grid = desk.sit("keys")
    grid.press("ArrowRight", "x")
    assert grid.marked("kicked") == grid.marked("focus") == [1]
    grid.tiles.nth(4).click(modifiers=["Shift"])
    assert grid.marked("kicked") == [1, 2, 3, 4]
    grid.press("i")
    assert grid.marked("kicked") == [0, *range(5, 12)]
    grid.press("ArrowRight", "u")
    assert (grid.marked("unsure"), 5 in grid.marked("kicked")) == ([5], False)
    grid.press("v")
    expect(grid.page.get_by_role("dialog").get_by_role("img")).to_be_visible()
    grid.press("Escape", "?")
    expect(grid.page.get_by_role("dialog")).to_contain_text("undo, as often as you like")
    grid.press("2", "Enter", "?")
    assert grid.page.locator(".class.chosen").count() == 0
    grid.press("Enter")
    expect(grid.toast).to_contain_text("Choose a class first")
    grid.turn("s")
    assert grid.tiles.count() == 12


def test_many_classes_are_found_by_typing(desk: Desk, offered: Offered) -> None:
    offered.offer(range(6))
    grid = desk.sit("types")
    grid.press("n")
    grid.page.keyboard.type("t")
    names = grid.page.locator(".class .name")
    expect(names).to_have_text(["two", "three", "Add “t”"])
    grid.press("ArrowDown", "Enter")
    expect(grid.page.locator(".question b")).to_have_text("three")
    expect(names).to_contain_text(list(CLASSES))


def test_singles_are_named_one_after_the_other(desk: Desk, offered: Offered) -> None:
    second = pack(np.array([3, 3, 1, 1], np.int32))
    offered.offer([7, 8, 9, 10], kind="SINGLE", second=second)
    grid = desk.sit("single")
    grid.press("2", "g", "u")
    assert (grid.marked("assigned"), grid.marked("unsure"), grid.marked("focus")) == (
        [0, 1],
        [2],
        [3],
    )
    grid.press("Enter")
    (decision,) = wait_for(lambda: offered.decisions("single"), 10, "the decision")
    told = {(each.class_id, str(each.verdict), *each.rows.tolist()) for each in decision.judgements}
    assert told == {(2, "IS", 7), (3, "IS", 8), (0, "UNSURE", 9)}


def test_twenty_pages_confirmed_as_fast_as_keys_go_are_each_stored_once(
    desk: Desk, offered: Offered
) -> None:
    offered.offer(*([8 * page + place for place in range(8)] for page in range(24)))
    grid = desk.sit("burst")
    for number in range(20):
        grid.press(str(number % 4 + 1), "Enter")
        grid.page.wait_for_timeout(30)
    made = wait_for(lambda: offered.decisions("burst")[19:], 20, "twenty decisions")
    made = offered.decisions("burst")
    assert len(made) == len({each.page.page_id for each in made if each.page}) == 20
    assert [each.judgements[0].class_id for each in made] == [1, 2, 3, 4] * 5


def test_keys_wait_for_the_page_they_are_meant_for(desk: Desk, offered: Offered) -> None:
    offered.offer([0], [1], [2], [3], [4], [5], [6])
    grid = desk.sit("early")
    grid.page.route("**/leases", hold)
    for number in (1, 2, 3, 4, 3, 2):
        grid.press(str(number), "Enter")
    expect(grid.page.locator(".empty")).to_contain_text("pressed ahead")
    assert len(offered.decisions("early")) <= 4
    grid.page.unroute("**/leases")
    wait_for(lambda: offered.decisions("early")[5:], 10, "six decisions")
    made = [each.judgements[0].class_id for each in offered.decisions("early")]
    assert made == [1, 2, 3, 4, 3, 2]


def test_a_key_held_down_confirms_one_page(desk: Desk, offered: Offered) -> None:
    offered.offer([0], [1], [2], kind="VERIFY", class_id=1)
    grid = desk.sit("held")
    for _ in range(5):
        grid.page.keyboard.down("Enter")
    grid.page.keyboard.up("Enter")
    wait_for(lambda: offered.decisions("held"), 10, "the decision")
    expect(grid.badge).to_have_text("✓ saved")
    assert len(offered.decisions("held")) == 1


def test_a_random_check_says_that_it_is_one_and_is_answered_with_the_same_keys(
    desk: Desk, offered: Offered
) -> None:
    offered.offer([0, 1, 2], [3, 4], kind="AUDIT", class_id=1)
    grid = desk.sit("checks")
    expect(grid.page.locator(".question .words")).to_have_text("Check: are all of these zero?")
    expect(grid.page.locator(".question .note")).to_have_text("random check")
    grid.tiles.nth(1).click()
    grid.turn("Enter")
    wait_for(lambda: offered.decisions("checks"), 10, "the decision")
    (decision,) = offered.decisions("checks")
    said = [(each.verdict, each.rows.tolist()) for each in decision.judgements]
    assert said == [("IS", [0, 2]), ("IS_NOT", [1])]


def test_a_second_look_takes_a_wrong_label_away(desk: Desk, offered: Offered) -> None:
    offered.offer([0, 1, 2])
    grid = desk.sit("looks")
    grid.press("1", "Enter")
    wait_for(lambda: offered.decisions("looks"), 10, "labels to look at again")
    offered.offer([0, 1, 2], kind="REVIEW", class_id=1)
    expect(grid.page.locator(".question .words")).to_have_text(
        "Labelled zero: click what is not.", timeout=20_000
    )
    expect(grid.page.locator(".question .note")).to_have_text("second look")
    grid.tiles.nth(2).click()
    grid.press("Enter")
    wait_for(lambda: offered.decisions("looks")[1:], 10, "the second decision")
    labels = offered.system.client.labels.labels(offered.name)
    assert sorted(labels.rows.tolist()) == [0, 1]


def test_undo_goes_back_several_pages_and_shows_what_was_said(desk: Desk, offered: Offered) -> None:
    offered.offer([0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11])
    grid = desk.sit("undo")
    for place, key in enumerate("123"):
        grid.tiles.nth(place).click()
        grid.turn(key, "Enter")
    expect(grid.badge).to_have_text("✓ saved")
    before = len(offered.undone())
    grid.press("z", "z")
    wait_for(lambda: offered.undone()[before + 1 :], 10, "two undos")
    expect(grid.page.locator(".question b")).to_have_text("one")
    assert grid.marked("kicked") == [1]
    assert offered.undone()[before:] == [each.seq for each in offered.decisions("undo")[:0:-1]]
    grid.turn("Enter")
    expect(grid.page.locator(".question b")).to_have_text("two")


def test_undo_knows_the_last_answer_after_a_reload(desk: Desk, offered: Offered) -> None:
    offered.offer([0, 1, 2], [3, 4, 5], kind="VERIFY", class_id=2)
    grid = desk.sit("later")
    grid.tiles.nth(2).click()
    grid.turn("Enter")
    expect(grid.badge).to_have_text("✓ saved")
    grid.page.reload()
    expect(grid.tiles.first).to_be_visible()
    grid.turn("z")
    expect(grid.toast).to_contain_text("Undone")
    assert grid.marked("kicked") == [2]


def test_answers_given_while_the_server_is_away_survive_a_reload_and_arrive_once(
    desk: Desk, offered: Offered
) -> None:
    offered.offer([0], [1], [2], [3], [4], kind="VERIFY", class_id=1)
    grid = desk.sit("away")
    grid.page.route("**/answers", refuse)
    for _ in range(3):
        grid.turn("Enter")
    expect(grid.badge).to_contain_text("3 unsent")
    grid.turn("z")  # the last was never sent: it is taken back here
    expect(grid.badge).to_contain_text("2 unsent")
    grid.page.reload()
    expect(grid.badge).to_contain_text("2 unsent")
    assert offered.decisions("away") == []
    grid.page.unroute("**/answers")
    expect(grid.badge).to_have_text("✓ saved", timeout=20_000)
    assert [each.judgements[0].rows.tolist() for each in offered.decisions("away")] == [[0], [1]]
    assert grid.storage() == []


def test_an_answer_whose_lease_is_lost_is_refused_in_words_and_holds_nothing_up(
    desk: Desk, offered: Offered
) -> None:
    offered.offer([0], [1], kind="VERIFY", class_id=1)
    grid = desk.sit("lost")
    offered.system.client.labels.release(offered.name, [int(grid.token)])
    grid.turn("Enter")
    expect(grid.toast).to_contain_text("Not taken")
    grid.press("Enter")
    wait_for(lambda: offered.decisions("lost"), 10, "the answer after it")
    expect(grid.badge).to_have_text("✓ saved")


def test_two_windows_have_different_pages_and_send_their_own_answers(
    desk: Desk, offered: Offered
) -> None:
    offered.offer(*([row] for row in range(12)), kind="VERIFY", class_id=1)
    one, other = desk.sit("twin"), desk.sit("twin")
    assert one.token != other.token
    one.page.route("**/answers", refuse)
    one.turn("Enter")
    expect(one.badge).to_contain_text("1 unsent")
    other.page.reload()
    expect(other.tiles.first).to_be_visible()
    other.turn("Enter")
    expect(other.badge).to_have_text("✓ saved")
    assert len(offered.decisions("twin")) == 1
    one.page.unroute("**/answers")
    expect(one.badge).to_have_text("✓ saved", timeout=20_000)
    assert len(offered.decisions("twin")) == 2


def test_a_key_still_counts_once_after_other_views_and_names(desk: Desk, offered: Offered) -> None:
    offered.offer(*([row] for row in range(12)), kind="VERIFY", class_id=1)
    grid = desk.sit("leaves")
    for _ in range(2):
        grid.page.get_by_role("link", name="Progress").click()
        expect(grid.page.get_by_text("Labels by class")).to_be_visible()
        wait_for(lambda: offered.leased() == 0, 10, "nobody looks at the pages: they go back")
        grid.page.get_by_role("link", name="Label", exact=True).click()
        expect(grid.tiles.first).to_be_visible()
    grid.turn("Enter")
    expect(grid.badge).to_have_text("✓ saved")
    assert len(offered.decisions("leaves")) == 1
    token = grid.token
    grid.page.get_by_label("Your name").fill("comes")
    grid.page.get_by_label("Your name").press("Enter")
    expect(grid.page.locator(".grid")).not_to_have_attribute("data-token", token)
    expect(grid.tiles.first).to_be_visible()
    grid.turn("Enter")
    expect(grid.badge).to_have_text("✓ saved")
    assert len(offered.decisions("comes")) == 1


def test_a_name_never_becomes_markup(desk: Desk, offered: Offered) -> None:
    offered.offer([0, 1])
    grid = desk.sit("markup")
    grid.name(SCRIPT_AS_NAME)
    expect(grid.page.locator(".classes")).to_contain_text("onerror")
    assert grid.page.locator(".classes img, .question img").count() == 0
    grid.page.get_by_role("link", name="Progress").click()
    expect(grid.page.locator(".classes")).to_have_count(0)  # the page before is gone
    expect(grid.page.get_by_text("onerror").first).to_be_visible()
    assert grid.page.evaluate("window.__run") is None


def test_another_site_may_not_send_answers(system: System) -> None:
    usual = {"Content-Type": "application/json", "X-Hundredfold": "1"}
    foreign = {"Origin": "http://elsewhere.example"}
    path = "/api/collections/digits/releases"
    assert status_of(system, "POST", path, usual) == 200
    assert status_of(system, "POST", path, {"Content-Type": "application/json"}) == 403
    assert status_of(system, "POST", path, usual | foreign) == 403
    for asked in (path, "/", "/_stcore/stream"):
        assert status_of(system, "GET", asked, {"Host": "rebound.example"}) == 400
    assert status_of(system, "GET", "/_stcore/health", {"Host": "10.0.0.7"}) == 200


def status_of(system: System, method: str, path: str, headers: dict[str, str]) -> int:
    connection = HTTPConnection("127.0.0.1", system.ui_port, timeout=10)
    try:
        connection.request(method, path, json.dumps({"tokens": []}), headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_progress_view_counts_the_labels(browser: BrowserContext, system: System) -> None:
    page = browser.new_page()
    page.goto(f"{system.url}progress?collection=digits")
    expect(page.get_by_text(f"of {DIGITS:,} images labelled")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Labels by class")).to_be_visible()
    page.close()


def test_where_an_image_may_be_of_several_classes_a_page_asks_about_one(
    browser: BrowserContext, system: System, digits: Path
) -> None:
    several = Offered(system, "several")
    several.fill(str(digits), several=True)
    desk = Desk(browser, system, several.name)
    several.offer(range(6), kind="VERIFY", class_id=1)
    grid = desk.sit("sue")
    expect(grid.page.locator(".question .words")).to_have_text("Is there a zero?")
    grid.tiles.nth(2).click()
    grid.press("Enter")
    (decision,) = wait_for(lambda: several.decisions("sue"), 10, "the decision in the ledger")
    assert [(each.class_id, each.verdict) for each in decision.judgements] == [
        (1, "IS"),
        (1, "IS_NOT"),
    ]
    expect(grid.page.locator(".foot")).to_contain_text("6 of 1,440 answers known")
    several.offer(range(6), kind="VERIFY", class_id=2)
    expect(grid.page.locator(".question .words")).to_have_text("Is there a one?")
    desk.leave()


def test_a_whole_group_is_asked_for_and_its_random_sample_comes_first(
    looped: Desk, system: System
) -> None:
    grid = looped.sit("groups")
    expect(grid.page.locator(".grid")).to_have_attribute("data-kind", "CLUSTER")
    grid.name("zero")
    grid.press("a")
    dialog = grid.page.get_by_role("dialog")
    expect(dialog).to_contain_text("at most 5 % of the group are wrong")
    grid.press("Escape", "a")
    expect(dialog).to_contain_text("Is the whole group zero?")
    grid.turn("Enter")
    expect(grid.page.locator(".question .note")).to_have_text("random check")
    audit = system.client.labels.audit("digits")
    assert (audit.state, bool(audit.cluster)) == ("OPEN", True)
    grid.page.get_by_role("link", name="Progress").click()
    expect(grid.page.get_by_text(f"0 of {audit.sample} random ones answered")).to_be_visible()
    system.client.labels.undo("digits", seq=audit.seq)
