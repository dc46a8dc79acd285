"""The HTTP routes of the Review view, and the view itself, against real services."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.testing.v1 import AppTest

from hundredfold.client.types import Judgement, Verdict
from tests.unit.ui.house import (
    COLLECTION,
    Browser,
    Services,
    client_of,
    served,
    services,
)
from ui.people import Person, Role, as_person
from ui.routes import routes

AT = f"/api/collections/{COLLECTION}"
HOSTILE = "<img src=x onerror=alert(1)>"
READS = ("review", "review/history", "review/audits", "review/copies", "review/flags")
POSTS = ("review/preview", "review/undo", "review/restore", "review/relabel", "review/name")


class As:
    """Lets requests be those of whom their header `x-test-person` names: `name role`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = dict(scope.get("headers", ())).get(b"x-test-person", b"").decode()
        if not named:
            await self._app(scope, receive, send)
            return
        name, role = named.split()
        with as_person(Person(name, Role[role])):
            await self._app(scope, receive, send)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("house")) as started:
        yield started


@pytest.fixture(scope="module")
def served_ui(house: Services) -> Iterator[Browser]:
    app = Starlette(routes=routes(), middleware=[Middleware(As)])
    with client_of(house.environ), served(app) as browser:
        yield browser


@pytest.fixture(scope="module")
def classes(house: Services) -> dict[str, int]:
    return house.client.catalog.add_classes(COLLECTION, ["owl", "tit", HOSTILE]).by_name()


@pytest.fixture
def ui(served_ui: Browser, house: Services) -> Browser:
    """The routes, with nothing labelled."""
    house.client.labels.clear(COLLECTION)
    return served_ui


def decide(house: Services, who: str, class_id: int, *rows: int) -> int:
    """Somebody says what images are; the seq."""
    lease = house.client.labels.lease_rows(COLLECTION, who, rows, class_id)
    assert lease
    judgement = Judgement(class_id, Verdict.IS, lease.page.rows)
    return house.client.labels.submit(COLLECTION, lease.token, [judgement], seconds=1.0)


def selection(**fields: Any) -> dict[str, Any]:
    return {
        "seqs": [],
        "actor": "",
        "since": 0,
        "until": 0,
        "kinds": [],
        "head_seq": 0,
        **fields,
    }


def post(ui: Browser, path: str, body: dict[str, Any], who: str = "") -> Any:
    given = {"annotator": "rev", "request_id": str(uuid.uuid4()), **body}
    headers = {"x_test_person": who} if who else {}
    return ui.post(f"{AT}/{path}", given, **headers)


def get(ui: Browser, path: str, who: str = "") -> Any:
    return ui.get(f"{AT}/{path}", **({"x-test-person": who} if who else {}))


def lines(ui: Browser, query: str = "", who: str = "") -> list[dict[str, Any]]:
    reply = get(ui, f"review/history?{query}", who)
    assert reply.status == 200, reply.data
    found: list[dict[str, Any]] = reply.json["lines"]
    return found


def labels(house: Services) -> dict[int, int]:
    found = house.client.labels.labels(COLLECTION)
    return dict(zip(found.rows.tolist(), found.class_ids.tolist(), strict=True))


def test_history_says_who_decided_what_newest_first(
    ui: Browser, house: Services, classes: dict[str, int]
) -> None:
    first = decide(house, "ada", classes["owl"], 0, 1)
    second = decide(house, "ben", classes["tit"], 2)
    newest, oldest, clear = lines(ui)[:3]
    assert (newest["seq"], newest["actor"], newest["page"]) == (second, "ben", "PICKED")
    assert (oldest["seq"], oldest["counts"], oldest["images"]) == (first, True, 2)
    assert oldest["said"] == [
        {"class_id": classes["owl"], "verdict": "IS", "count": 2, "rows": [0, 1]}
    ]
    assert clear["kind"] == "CLEAR"
    assert [each["seq"] for each in lines(ui, "actor=ada&kinds=DECISION")][:1] == [first]
    assert lines(ui, "until=1") == []


def test_a_preview_and_then_just_what_it_said_is_taken_back(
    ui: Browser, house: Services, classes: dict[str, int]
) -> None:
    decide(house, "ada", classes["owl"], 0, 1)
    decide(house, "ben", classes["tit"], 2)
    chosen = selection(actor="ada", kinds=["DECISION"])
    told = post(ui, "review/preview", {"selection": chosen}).json
    assert (told["events"], told["images"], told["back"]) == (1, 2, [])
    assert told["gone"] == [[classes["owl"], 2]]
    decide(house, "ada", classes["owl"], 3)
    bounded = {"selection": {**chosen, "head_seq": told["head_seq"]}}
    undone = post(ui, "review/undo", bounded).json
    assert undone["events"] == 1
    assert labels(house) == {2: classes["tit"], 3: classes["owl"]}
    (line,) = lines(ui, "kinds=UNDO_MANY")[:1]
    assert (line["undone_events"], line["of"], line["actor"]) == (1, "ada", "rev")
    assert post(ui, "review/restore", {"seq": undone["seq"]}).status == 200
    assert sorted(labels(house)) == [0, 1, 2, 3]


def test_labels_are_kept_changed_or_taken_away(
    ui: Browser, house: Services, classes: dict[str, int]
) -> None:
    owl, tit = classes["owl"], classes["tit"]
    decide(house, "ada", owl, 0, 1, 2)
    for rows, to in (([0], owl), ([1], tit), ([2], 0)):
        reply = post(ui, "review/relabel", {"rows": rows, "class_id": owl, "to": to})
        assert reply.json["rows"] == rows
    assert labels(house) == {0: owl, 1: tit}
    again = post(ui, "review/relabel", {"rows": [2], "class_id": owl, "to": tit})
    assert again.json == {"seq": 0, "rows": []}


def test_what_was_not_heard_can_be_sent_again(
    ui: Browser, house: Services, classes: dict[str, int]
) -> None:
    owl, tit = classes["owl"], classes["tit"]
    decide(house, "ada", owl, 0)
    body = {"rows": [0], "class_id": owl, "to": tit, "request_id": str(uuid.uuid4())}
    first, again = (post(ui, "review/relabel", body).json for _ in range(2))
    assert first == again
    assert labels(house) == {0: tit}


def test_what_cannot_be_said_leaves_no_lease_behind(
    ui: Browser, house: Services, classes: dict[str, int]
) -> None:
    decide(house, "ada", classes["owl"], 0)
    reply = post(ui, "review/relabel", {"rows": [0], "class_id": classes["owl"], "to": 99})
    assert reply.status == 400
    reply = post(ui, "review/relabel", {"rows": [0], "class_id": classes["owl"], "to": 0})
    assert reply.json["rows"] == [0]


def test_flags_are_written_named_and_resolved(
    ui: Browser, house: Services, classes: dict[str, int]
) -> None:
    decide(house, "ada", classes["owl"], 4)
    body = {"rows": [4, 5], "comment": HOSTILE, "annotator": "ada"}
    assert post(ui, "flags", body).json == {}
    (flag,) = get(ui, "review/flags?open=1").json["flags"]
    assert (flag["rows"], flag["comment"], flag["actor"]) == ([4, 5], HOSTILE, "ada")
    named = post(ui, "review/name", {"rows": [4, 5], "to": classes["tit"]}).json
    assert (sorted(named["rows"]), len(named["seqs"])) == ([4, 5], 2)
    assert labels(house) == {4: classes["tit"], 5: classes["tit"]}
    assert post(ui, "review/resolve", {"seqs": [flag["seq"]], "comment": "tits"}).status == 200
    assert get(ui, "review/flags?open=1").json["flags"] == []
    (flag,) = get(ui, "review/flags").json["flags"]
    assert (flag["resolved_by"], flag["answer"]) == ("rev", "tits")


def test_what_is_missing_is_said_in_words(ui: Browser) -> None:
    assert get(ui, "review/audits").json == {"audits": []}
    assert get(ui, "review/suspicious").status == 503  # nobody trains in this house
    assert get(ui, "review/copies").status == 503


def test_the_view_is_told_what_it_needs_once(
    ui: Browser, house: Services, classes: dict[str, int]
) -> None:
    decide(house, "ada", classes["owl"], 0)
    told = get(ui, "review?annotator=eve").json
    assert (told["reviews"], told["me"], told["people"]) == (True, "eve", ["ada"])
    assert told["names"][str(classes["owl"])] == "owl"
    assert not told["second_looks"]


def test_a_labeler_sees_and_takes_back_what_is_his_alone(
    ui: Browser, house: Services, classes: dict[str, int]
) -> None:
    mine = decide(house, "ada", classes["owl"], 0)
    theirs = decide(house, "ben", classes["tit"], 1)
    ada = "ada LABELER"
    assert {each["actor"] for each in lines(ui, "actor=ben", ada)} == {"ada"}
    told = get(ui, "review", ada).json
    assert (told["reviews"], told["people"], told["me"]) == (False, [], "ada")
    for wrong in (
        selection(actor="ben"),
        selection(kinds=["DECISION"]),
        selection(seqs=[mine, theirs]),
    ):
        for path in ("review/preview", "review/undo"):
            assert post(ui, path, {"selection": wrong}, ada).status == 403
    assert post(ui, "review/restore", {"seq": theirs}, ada).status == 403
    assert post(ui, "review/undo", {"selection": selection(seqs=[mine])}, ada).status == 200
    assert labels(house) == {1: classes["tit"]}
    house.client.labels.flag(COLLECTION, "ben", [3])
    assert get(ui, "review/flags", ada).json["flags"] == []
    (flag,) = get(ui, "review/flags?open=1").json["flags"]
    assert post(ui, "review/resolve", {"seqs": [flag["seq"]], "comment": ""}, ada).status == 403


@pytest.mark.parametrize("path", ["review/suspicious", "review/audits", "review/copies"])
def test_what_is_of_all_takes_a_reviewer(ui: Browser, path: str) -> None:
    assert get(ui, path, "ada LABELER").status == 403


def test_who_looks_on_sees_nothing_of_it(ui: Browser) -> None:
    for path in READS:
        assert get(ui, path, "viv VIEWER").status == 403
    for path in (*POSTS, "flags", "review/resolve"):
        assert post(ui, path, {}, "viv VIEWER").status == 403


@pytest.mark.parametrize("path", [*POSTS, "flags", "review/resolve"])
def test_what_has_not_the_form_of_a_request_is_refused(ui: Browser, path: str) -> None:
    strange: Sequence[dict[str, Any]] = (
        {},
        {"selection": [], "rows": "x", "seqs": "x", "seq": "x", "comment": 3},
        {"selection": selection(seqs=["x"]), "rows": [1.5], "seqs": [True], "class_id": 1, "to": 1},
        {"selection": selection(since="soon"), "rows": [-1], "seqs": [], "seq": 1.5, "comment": ""},
    )
    for body in strange:
        reply = post(ui, path, body)
        assert reply.status in (400, 404), (path, body, reply.data)


def test_a_page_of_another_site_cannot_take_anything_back(ui: Browser) -> None:
    for path in (*POSTS, "flags", "review/resolve"):
        reply = ui.post(f"{AT}/{path}", {}, origin="https://elsewhere.example")
        assert reply.status == 403


def test_the_modules_are_served(ui: Browser) -> None:
    reply = ui.get("/reviewing/main.js")
    assert reply.status == 200
    assert reply.headers["x-content-type-options"] == "nosniff"


def view_of(collection: str, role: str) -> None:
    from ui.people import Person, Role, as_person  # noqa: PLC0415 - AppTest runs the body alone
    from ui.views import review  # noqa: PLC0415
    from ui.views.choice import Choice  # noqa: PLC0415

    with as_person(Person("ada", Role[role])):
        review.show(Choice(collection, "ada"))


@pytest.mark.parametrize(("role", "shown"), [("VIEWER", False), ("LABELER", True)])
def test_the_view_is_for_those_who_label_or_review(role: str, shown: bool) -> None:
    app = AppTest.from_function(view_of, kwargs={"collection": COLLECTION, "role": role}).run()
    assert not app.exception
    assert bool(app.info) != shown
    if not shown:
        assert "who label or review" in app.info[0].value
