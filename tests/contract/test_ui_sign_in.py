"""Signing in over HTTP, against real services: what is asked without a login, with one, and with which role."""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from hundredfold.chassis import people
from hundredfold.chassis.people import Passphrase, User
from tests.unit.ui.house import COLLECTION, Browser, Reply, Services, client_of, served, services
from ui import sign_in_routes as signing
from ui.attempts import Attempts
from ui.people import Role
from ui.registered import COOKIE, registry
from ui.routes import routes
from ui.sign_in_gate import OPEN, Gate
from ui.sign_in_routes import sign_in_routes

AT = f"/api/collections/{COLLECTION}"
WORDS = "correct horse battery"
PEOPLE = {"vic": "viewer", "ada": "labeler", "bob": "labeler", "rex": "reviewer", "root": "admin"}
LEASES = {"annotator": "somebody else", "limit": 1}


def everybody() -> people.Users:
    kept = Passphrase.of(WORDS, n=16, r=1, p=1)
    return people.Users(tuple(User(name, role, kept) for name, role in PEOPLE.items()))


def change(store: Path, *states: people.Users) -> None:
    with people.changing(store / people.FILE_NAME) as written:
        written.extend(states)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("house")) as started:
        yield started


def whole_app(*more: Route) -> Starlette:
    return Starlette(routes=[*sign_in_routes(), *routes(), *more], middleware=[Middleware(Gate)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def served_ui(house: Services, folder: Path) -> Iterator[Browser]:
    change(folder, everybody())
    environ = house.environ | {"HUNDREDFOLD_STORE": str(folder)}
    with client_of(environ), served(whole_app()) as browser:
        yield browser


@pytest.fixture
def store(folder: Path) -> Path:
    (folder / people.FILE_NAME).unlink(missing_ok=True)
    change(folder, everybody())
    return folder


@pytest.fixture
def ui(
    served_ui: Browser, house: Services, store: Path, monkeypatch: pytest.MonkeyPatch
) -> Browser:
    """The routes of a store with people, with nothing labelled and nothing in the queue."""
    monkeypatch.setattr(signing, "_by_name", Attempts(10, 600))
    monkeypatch.setattr(signing, "_by_address", Attempts(40, 600))
    house.client.labels.clear(COLLECTION)
    house.offer([0])
    (newest,) = house.client.labels.lease(COLLECTION)
    house.client.labels.release(COLLECTION, range(max(1, newest.token - 60), newest.token + 1))
    house.offer()
    return served_ui


class Seat:
    """A browser with what it holds of a login."""

    def __init__(self, ui: Browser, name: str = "", words: str = WORDS) -> None:
        self._ui = ui
        self.cookie = ""
        if name:
            reply = self.post("/api/sign-in", {"name": name, "passphrase": words})
            assert reply.status == 200, reply.data

    def get(self, path: str, **headers: str) -> Reply:
        return self._kept(self._ui.get(path, cookie=self.cookie, **headers))

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        return self._kept(self._ui.post(path, body, cookie=self.cookie, **headers))

    def _kept(self, reply: Reply) -> Reply:
        given = SimpleCookie(reply.headers.get("set-cookie", ""))
        if COOKIE in given:
            self.cookie = f"{COOKIE}={given[COOKIE].value}"
        return reply


def lease(seat: Seat) -> Any:
    reply = seat.post(f"{AT}/leases", LEASES)
    assert reply.status == 200, reply.data
    return reply.json["leases"]


def answer(token: int, class_id: int, *rows: int) -> dict[str, Any]:
    said = [{"class_id": class_id, "verdict": "IS", "rows": list(rows)}]
    return {"request_id": str(uuid.uuid4()), "token": token, "judgements": said, "seconds": 1.0}


@pytest.fixture
def owl(house: Services) -> int:
    return house.client.catalog.add_classes(COLLECTION, ["owl"]).by_name()["owl"]


class TestSignIn:
    def test_a_name_and_its_words_give_a_login_that_no_script_can_read(self, ui: Browser) -> None:
        reply = ui.post("/api/sign-in", {"name": "ADA", "passphrase": WORDS})
        assert reply.json == {"name": "ada", "role": "labeler"}
        parts = {each.strip().split("=")[0] for each in reply.headers["set-cookie"].split(";")}
        assert parts == {COOKIE, "Path", "Max-Age", "HttpOnly", "SameSite"}
        assert "SameSite=Strict" in reply.headers["set-cookie"]
        assert reply.headers["cache-control"] == "no-store"

    def test_under_https_it_is_sent_over_https_only(self, house: Services, store: Path) -> None:
        with (
            client_of(house.environ | {"HUNDREDFOLD_STORE": str(store)}),
            served(whole_app()) as ui,
        ):
            # What a proxy on this machine says of the browser's connection.
            headers = {"x-forwarded-proto": "https"}
            reply = ui.post("/api/sign-in", {"name": "ada", "passphrase": WORDS}, **headers)
        assert reply.headers["set-cookie"].endswith("; Secure")

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"name": "ada", "passphrase": "wrong"}, 401),
            ({"name": "eve", "passphrase": WORDS}, 401),
            ({"name": "ada", "passphrase": ""}, 400),
            ({"name": "", "passphrase": WORDS}, 400),
            ({"name": ["ada"], "passphrase": WORDS}, 400),
            ({"name": "ada"}, 400),
            ({}, 400),
            ({"ticket": "x"}, 401),
            ({"ticket": {}}, 401),
        ],
        ids=str,
    )
    def test_nobody_else_gets_one(self, ui: Browser, body: Any, status: int) -> None:
        reply = ui.post("/api/sign-in", body)
        assert (reply.status, "set-cookie" in reply.headers) == (status, False)

    @pytest.mark.parametrize("path", ["/api/sign-in", "/api/sign-out"])
    def test_another_site_can_not_ask_for_it(self, ui: Browser, path: str) -> None:
        body = {"name": "ada", "passphrase": WORDS}
        assert ui.post(path, body, origin="http://elsewhere.example").status == 403
        headers = {"content-type": "application/json"}
        assert ui.ask("POST", path, b"{}", headers).status == 403
        assert ui.get(path).status == 405

    def test_too_many_failures_wait_and_are_told_how_long(self, ui: Browser) -> None:
        for _ in range(10):
            assert ui.post("/api/sign-in", {"name": "ada", "passphrase": "wrong"}).status == 401
        reply = ui.post("/api/sign-in", {"name": "Ada", "passphrase": WORDS})
        assert (reply.status, reply.json["message"]) == (
            429,
            "Too many attempts: try again in 10 minutes",
        )
        assert Seat(ui, "bob").get("/api/session").status == 200

    def test_many_names_from_one_address_are_too_many_as_well(
        self, ui: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(signing, "_by_address", Attempts(3, 600))
        statuses = [
            ui.post("/api/sign-in", {"name": f"n{number}", "passphrase": "wrong"}).status
            for number in range(4)
        ]
        assert statuses == [401] * 3 + [429]

    def test_signing_out_takes_it_away(self, ui: Browser) -> None:
        ada = Seat(ui, "ada")
        assert ada.get("/api/session").json == {"name": "ada", "role": "labeler"}
        assert ada.post("/api/sign-out", {}).status == 200
        assert ada.get("/api/session").json == {"name": "", "role": "nobody"}
        assert ada.get(f"{AT}/state").status == 401

    def test_a_login_is_prolonged_by_use(
        self, ui: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ada = Seat(ui, "ada")
        assert "set-cookie" not in ada.get("/api/session").headers
        begun = time.time()
        for hours in (11, 22, 33):
            monkeypatch.setattr("ui.registered.time.time", lambda at=hours: begun + 3600 * at)
            assert ada.get("/api/session").status == 200
        monkeypatch.setattr("ui.registered.time.time", lambda: begun + 3600 * 46)
        assert ada.get(f"{AT}/state").status == 401

    def test_what_a_page_does_by_itself_is_no_use(
        self, ui: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ada = Seat(ui, "ada")
        begun = time.time()
        for hours, status in ((11, 200), (13, 401)):
            monkeypatch.setattr("ui.registered.time.time", lambda at=hours: begun + 3600 * at)
            assert ada.post(f"{AT}/renewals", {"tokens": []}).status == status

    def test_without_people_it_asks_nobody(self, house: Services, tmp_path: Path) -> None:
        with client_of(house.environ), served(whole_app()) as ui:
            assert ui.get("/api/session").json == {"name": "", "role": "admin"}
            assert ui.get(f"{AT}/state").status == 200

    def test_while_the_file_is_broken_he_is_told(self, ui: Browser, store: Path) -> None:
        ada = Seat(ui, "ada")
        (store / people.FILE_NAME).write_text("{", "utf-8")
        assert ada.get(f"{AT}/state").status == 401
        reply = ui.post("/api/sign-in", {"name": "ada", "passphrase": WORDS})
        assert reply.status == 503
        assert "the list of people can't be read" in reply.json["message"]


def paths() -> list[tuple[str, str]]:
    """Every route there is under /api but the open ones, with the method that it takes."""
    found = []
    for each in routes():
        if isinstance(each, Route) and each.path.startswith("/api/"):
            path = each.path.replace("{collection}", COLLECTION).replace("{run}", "r")
            for name in ("number", "row"):
                path = path.replace(f"{{{name}:int}}", "1")
            found.append(("POST" if "POST" in (each.methods or ()) else "GET", path))
    return found


class TestWithoutALogin:
    @pytest.mark.parametrize(("method", "path"), paths())
    def test_no_route_answers(self, ui: Browser, method: str, path: str) -> None:
        seat = Seat(ui)
        reply = seat.post(path, {}) if method == "POST" else seat.get(path)
        assert (reply.status, reply.json["message"]) == (401, "Sign in first")

    @pytest.mark.parametrize(
        "path", ["/api/none", "/api/", "/media/x.png", "/_stcore/upload_file/a/b"]
    )
    def test_nor_does_what_streamlit_keeps_for_people(self, ui: Browser, path: str) -> None:
        assert ui.get(path).status == 401

    def test_who_is_signed_in_is_nobody(self, ui: Browser) -> None:
        reply = ui.get("/api/session")
        assert (reply.status, reply.json) == (200, {"name": "", "role": "nobody"})
        assert "set-cookie" not in reply.headers

    def test_what_the_form_needs_is_there(self, ui: Browser) -> None:
        for path in ("/words", "/grid/signing_in.js", "/grid/signing_in.css"):
            assert ui.get(path).status == 200

    def test_a_route_that_forgets_to_ask_is_guarded_too(self, house: Services, store: Path) -> None:
        async def forgot(scope: Scope, receive: Receive, send: Send) -> None:
            raise AssertionError("reached")

        app = whole_app(Route("/api/forgot", forgot))
        with client_of(house.environ | {"HUNDREDFOLD_STORE": str(store)}), served(app) as ui:
            assert ui.get("/api/forgot").status == 401

    @pytest.mark.parametrize(
        "forged",
        [
            lambda held: held[:-1] + ("A" if held[-1] != "A" else "B"),
            lambda held: "x" + held,
            lambda held: held.split(".")[0] + ".",
            lambda held: f"{held}; {COOKIE}=x",
            lambda held: "",
        ],
    )
    def test_a_forged_login_is_none(self, ui: Browser, forged: Callable[[str], str]) -> None:
        held = Seat(ui, "root").cookie.partition("=")[2]
        assert ui.get(f"{AT}/state", cookie=f"{COOKIE}={held}").status == 200
        assert ui.get(f"{AT}/state", cookie=f"{COOKIE}={forged(held)}").status == 401


class TestWithALogin:
    def test_each_route_takes_the_role_that_it_names(self, ui: Browser) -> None:
        seats = {role: Seat(ui, name) for name, role in PEOPLE.items() if name != "bob"}
        for method, path in paths():
            denied = set()
            for role, seat in seats.items():
                reply = seat.post(path, {}) if method == "POST" else seat.get(path)
                if reply.status == 403:
                    denied.add(role)
            rule = "labeler" if method == "POST" else "viewer"
            least = _LEAST.get(f"{method} {path.removeprefix(AT)}", rule)
            below = {each for each in seats if Role[each.upper()] < Role[least.upper()]}
            assert denied == below, path

    def test_the_ledger_has_the_name_of_the_login_whatever_is_sent(
        self, ui: Browser, house: Services, owl: int
    ) -> None:
        house.offer([1])
        ada = Seat(ui, "ada")
        (page,) = lease(ada)
        sent = answer(page["token"], owl, 1) | {"annotator": "bob"}
        (taken,) = ada.post(f"{AT}/answers", {"answers": [sent], "annotator": "bob"}).json[
            "answers"
        ]
        (event,) = house.client.labels.decisions(COLLECTION, after=taken["seq"] - 1)
        assert event.actor == "ada"

    def test_another_can_neither_answer_renew_nor_release_what_somebody_holds(
        self, ui: Browser, house: Services, owl: int
    ) -> None:
        house.offer([1])
        ada, bob = Seat(ui, "ada"), Seat(ui, "bob")
        (page,) = lease(ada)
        tokens = {"tokens": [page["token"]]}
        (refused,) = bob.post(f"{AT}/answers", {"answers": [answer(page["token"], owl, 1)]}).json[
            "answers"
        ]
        assert refused["reason"] == "PERMISSION_DENIED"
        assert bob.post(f"{AT}/renewals", tokens).json == {"tokens": []}
        assert bob.post(f"{AT}/releases", tokens).status == 200
        assert ada.post(f"{AT}/renewals", tokens).json == tokens
        (taken,) = ada.post(f"{AT}/answers", {"answers": [answer(page["token"], owl, 1)]}).json[
            "answers"
        ]
        assert taken["seq"] > 0

    def test_a_labeler_takes_back_what_is_his_and_a_reviewer_anything(
        self, ui: Browser, house: Services, owl: int
    ) -> None:
        house.offer([1])
        ada = Seat(ui, "ada")
        (page,) = lease(ada)
        (taken,) = ada.post(f"{AT}/answers", {"answers": [answer(page["token"], owl, 1)]}).json[
            "answers"
        ]
        many = {"annotator": "ada", "seqs": [taken["seq"]], "request_id": str(uuid.uuid4())}
        assert Seat(ui, "bob").post(f"{AT}/labels/undo", many).status == 403
        asked = {"annotator": "ada", "seq": taken["seq"], "request_id": str(uuid.uuid4())}
        assert Seat(ui, "bob").post(f"{AT}/undo", asked).status == 403
        assert Seat(ui, "rex").post(f"{AT}/undo", asked).status == 200

    def test_what_another_did_in_this_browser_is_not_taken_under_the_name_of_who_signed_in(
        self, ui: Browser, house: Services, owl: int
    ) -> None:
        house.offer([1])
        ada = Seat(ui, "ada")
        (page,) = lease(ada)
        body = {"answers": [answer(page["token"], owl, 1)]}
        meant = {"x_hundredfold_person": "ada"}
        reply = Seat(ui, "bob").post(f"{AT}/answers", body, **meant)
        assert (reply.status, reply.json["reason"]) == (403, "ANOTHERS")
        assert Seat(ui).post(f"{AT}/answers", body, **meant).status == 401
        again = [
            Seat(ui, "ada").post(f"{AT}/answers", body, **meant).json["answers"] for _ in range(2)
        ]
        assert again[0] == again[1]
        assert house.client.labels.progress(COLLECTION).decisions == 1

    @pytest.mark.parametrize(
        "after",
        [
            lambda users: users.without("ada"),
            lambda users: users.changed("ada", "viewer"),
            lambda users: users.changed("ada", passphrase=Passphrase.of(WORDS, n=16, r=1, p=1)),
        ],
        ids=["removed", "another role", "another pass phrase"],
    )
    def test_a_change_of_the_person_ends_it_at_once(
        self, ui: Browser, store: Path, after: Callable[[people.Users], people.Users]
    ) -> None:
        ada, bob = Seat(ui, "ada"), Seat(ui, "bob")
        change(store, after(people.read(store / people.FILE_NAME)))
        assert ada.get(f"{AT}/state").status == 401
        assert bob.get(f"{AT}/state").status == 200


_LEAST: Mapping[str, str] = {
    "GET /exports/r": "reviewer",
    "GET /review": "labeler",
    "GET /review/history": "labeler",
    "GET /review/flags": "labeler",
    "GET /review/suspicious": "reviewer",
    "GET /review/audits": "reviewer",
    "GET /review/copies": "reviewer",
    "POST /review/relabel": "reviewer",
    "POST /review/name": "reviewer",
    "POST /review/pairs": "reviewer",
    "POST /review/search": "admin",
    "POST /groups": "reviewer",
    "POST /map/run": "reviewer",
    "POST /clusters/merge": "reviewer",
    "POST /map/separate": "viewer",
    "POST /search": "viewer",
}
"""The routes that take another role than the rule has it: a labeler may post, a viewer may get."""


class TestTicket:
    @pytest.fixture
    def vouched(
        self, house: Services, store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Browser]:
        """With an OIDC provider, whose part is not played here."""
        monkeypatch.setattr("ui.registered.is_configured", lambda: True)
        change(store, everybody().with_user(User("bo", "reviewer", None, "bo@example.org")))
        with (
            client_of(house.environ | {"HUNDREDFOLD_STORE": str(store)}),
            served(whole_app()) as ui,
        ):
            yield ui

    def test_it_is_exchanged_for_a_login_once(self, vouched: Browser) -> None:
        ticket = registry().ticket("bo@example.org")
        seat = Seat(vouched)
        reply = seat.post("/api/sign-in", {"ticket": ticket})
        assert reply.json == {"name": "bo", "role": "reviewer"}
        assert seat.get("/api/session").json["name"] == "bo"
        again = Seat(vouched).post("/api/sign-in", {"ticket": ticket})
        assert (again.status, again.json["reason"]) == (401, "USED")

    def test_it_is_not_good_for_long(
        self, vouched: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ticket = registry().ticket("bo@example.org")
        now = time.time()
        monkeypatch.setattr("ui.registered.time.time", lambda: now + 61)
        assert Seat(vouched).post("/api/sign-in", {"ticket": ticket}).status == 401

    def test_who_is_unknown_gets_nothing_for_it(self, vouched: Browser) -> None:
        ticket = registry().ticket("eve@example.org")
        assert Seat(vouched).post("/api/sign-in", {"ticket": ticket}).status == 403


class TestConnection:
    """A script's connection, of which Streamlit reads the cookie only when it begins."""

    @contextmanager
    def kept(self, house: Services, store: Path) -> Iterator[None]:
        with client_of(house.environ | {"HUNDREDFOLD_STORE": str(store)}):
            yield

    def run(
        self, cookie: str, *, between: Callable[[], None] = lambda: None
    ) -> tuple[list[str], list[Message], str]:
        """What the script heard, what the browser got, and as whose session it was taken up."""
        heard: list[str] = []
        got: list[Message] = []
        taken: list[str] = []
        messages: Iterator[Message] = iter(
            [
                {"type": "websocket.connect"},
                {"type": "websocket.receive", "bytes": b"one"},
                {"type": "websocket.receive", "bytes": b"two"},
            ]
        )

        async def script(scope: Scope, receive: Receive, send: Send) -> None:
            taken.extend(v.decode() for k, v in scope["headers"] if k == b"sec-websocket-protocol")
            while True:
                message = await receive()
                heard.append(message.get("bytes", b"").decode() or message["type"])
                if message["type"] == "websocket.disconnect":
                    await send({"type": "websocket.send", "bytes": b"too late"})
                    return
                await send({"type": "websocket.send", "bytes": b"drawn"})
                if message["type"] == "websocket.receive":
                    between()

        async def receive() -> Message:
            return next(messages, {"type": "websocket.disconnect"})

        async def send(message: Message) -> None:
            got.append(message)

        headers = [
            (b"cookie", cookie.encode()),
            (b"sec-websocket-protocol", b"streamlit, xsrf, earlier"),
        ]
        scope = {"type": "websocket", "path": "/_stcore/stream", "headers": headers}
        asyncio.run(Gate(script)(scope, receive, send))
        return heard, got, taken[0]

    def test_with_a_login_it_goes_on_with_its_session(self, house: Services, store: Path) -> None:
        with self.kept(house, store):
            heard, _, session = self.run(_cookie("ada", store))
        assert heard == ["websocket.connect", "one", "two", "websocket.disconnect"]
        assert session == "streamlit, xsrf, earlier"

    def test_nobody_takes_up_a_session_that_was_there(self, house: Services, store: Path) -> None:
        with self.kept(house, store):
            assert self.run("")[2] == "streamlit, xsrf"

    def test_it_ends_as_soon_as_the_login_does(self, house: Services, store: Path) -> None:
        with self.kept(house, store):
            held = _cookie("ada", store)
            heard, got, _ = self.run(
                held, between=lambda: change(store, everybody().without("ada"))
            )
        assert heard == ["websocket.connect", "one", "websocket.disconnect"]
        assert [each["type"] for each in got][-1] == "websocket.close"
        assert b"too late" not in [each.get("bytes") for each in got]


def _cookie(name: str, store: Path) -> str:
    user = people.read(store / people.FILE_NAME).named(name)
    assert user
    known = registry()
    return f"{COOKIE}={known.cookie(known.issue(user))}"


def test_the_open_routes_are_those_of_signing_in() -> None:
    assert {each.path for each in sign_in_routes() if isinstance(each, Route)} == set(OPEN)
