"""The HTTP routes of the grid, against real services: what each does, and what each refuses."""

import asyncio
import json
import struct
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import Message

from tests.unit.ui.house import (
    BROKEN,
    COLLECTION,
    IMAGES,
    NOWHERE,
    Browser,
    Services,
    client_of,
    served,
    services,
)
from ui.hosts import AllowedHosts, allowed
from ui.routes import routes
from ui.web import MOST_BYTES

AT = f"/api/collections/{COLLECTION}"
FREE = 0  # the row of an image that no test leases
POSTS = ("leases", "renewals", "releases", "answers", "undo", "classes", "groups")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("house")) as started:
        yield started


@pytest.fixture(scope="module")
def served_ui(house: Services) -> Iterator[Browser]:
    hosts = Middleware(AllowedHosts, allowed_hosts=allowed({}), www_redirect=False)
    app = Starlette(routes=routes(), middleware=[hosts])
    with client_of(house.environ), served(app) as browser:
        yield browser


@pytest.fixture
def ui(served_ui: Browser, house: Services) -> Browser:
    """The routes, with nothing labelled, nothing leased and nothing in the queue."""
    house.client.labels.clear(COLLECTION)
    house.offer([FREE])
    (newest,) = house.client.labels.lease(COLLECTION)
    house.client.labels.release(COLLECTION, range(max(1, newest.token - 60), newest.token + 1))
    house.offer()
    return served_ui


@pytest.fixture
def class_id(house: Services) -> int:
    return house.client.catalog.add_classes(COLLECTION, ["owl"]).by_name()["owl"]


def lease(ui: Browser, annotator: str = "ada", limit: int = 1) -> Any:
    reply = ui.post(f"{AT}/leases", {"annotator": annotator, "limit": limit})
    assert reply.status == 200, reply.data
    return reply.json["leases"]


def answer(token: int, *judgements: Any, **changes: Any) -> dict[str, Any]:
    made = {
        "request_id": str(uuid.uuid4()),
        "token": token,
        "judgements": list(judgements),
        "seconds": 1.5,
    }
    return made | changes


def said(class_id: int, verdict: str, *rows: int) -> dict[str, Any]:
    return {"class_id": class_id, "verdict": verdict, "rows": list(rows)}


def send(ui: Browser, *answers: Any) -> Any:
    reply = ui.post(f"{AT}/answers", {"answers": list(answers)})
    assert reply.status == 200, reply.data
    return reply.json["answers"]


async def ask_and_leave(path: str, body: Any) -> None:
    """Send a request and be gone when its answer comes."""
    sent = json.dumps(body).encode()
    headers = {
        "host": "localhost",
        "content-type": "application/json",
        "content-length": str(len(sent)),
        "x-hundredfold": "1",
    }
    heard = iter([{"type": "http.request", "body": sent}])

    async def receive() -> Message:
        return next(heard, {"type": "http.disconnect"})

    async def send(_: Message) -> None:
        pass

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await Starlette(routes=routes())(scope, receive, send)


class TestState:
    def test_it_tells_classes_progress_and_that_there_is_no_loop(
        self, ui: Browser, class_id: int
    ) -> None:
        state = ui.get(f"{AT}/state").json
        empty = {
            "key": "",
            "color": "",
            "guideline": "",
            "guidelines": "",
            "examples": [],
            "parent_id": 0,
        }
        owl = {"class_id": class_id, "name": "owl", **empty}
        assert owl in state["schema"]["classes"]
        assert state["progress"]["total"] == IMAGES
        assert (state["phase"], state["trouble"]) == ("NONE", "")

    def test_an_unknown_collection_is_not_found(self, ui: Browser) -> None:
        reply = ui.get("/api/collections/fish/state")
        assert (reply.status, reply.json["reason"]) == (404, "NOT_FOUND")

    def test_the_rest_is_there_while_selection_is_away(self, house: Services) -> None:
        away = house.environ | {"HUNDREDFOLD_SELECTION_ADDRESS": NOWHERE}
        with client_of(away), served(Starlette(routes=routes())) as ui:
            state = ui.get(f"{AT}/state").json
        assert (state["phase"], state["progress"]["total"]) == ("UNKNOWN", IMAGES)
        assert NOWHERE not in state["trouble"]

    def test_what_is_being_prepared_is_told_in_words(self, ui: Browser, house: Services) -> None:
        assert ui.get(f"{AT}/work").json == {"work": ""}


class TestLeases:
    def test_pages_come_with_all_that_is_shown(
        self, ui: Browser, house: Services, class_id: int
    ) -> None:
        house.offer([3, 1, 2], kind="VERIFY", class_id=class_id)
        (page,) = lease(ui)
        assert (page["kind"], page["rows"], page["class_id"]) == ("VERIFY", [3, 1, 2], class_id)
        assert page["token"] > 0

    def test_no_page_is_given_twice_until_it_is_released(
        self, ui: Browser, house: Services
    ) -> None:
        house.offer([1], [2])
        (one,), (other,) = lease(ui), lease(ui, "bob")
        assert {*one["rows"], *other["rows"]} == {1, 2}
        assert lease(ui) == []
        assert ui.post(f"{AT}/releases", {"tokens": [one["token"]]}).status == 200
        assert lease(ui, "bob")[0]["rows"] == one["rows"]

    def test_pages_for_a_browser_that_left_go_back(self, ui: Browser, house: Services) -> None:
        house.offer([1])
        asyncio.run(ask_and_leave(f"{AT}/leases", {"annotator": "ada", "limit": 1}))
        assert house.client.labels.progress(COLLECTION).leased == 0
        assert lease(ui)[0]["rows"] == [1]

    def test_only_leases_that_hold_are_renewed(self, ui: Browser, house: Services) -> None:
        house.offer([1])
        (page,) = lease(ui)
        tokens = [page["token"], page["token"] + 1000]
        reply = ui.post(f"{AT}/renewals", {"tokens": tokens})
        assert reply.json == {"tokens": [page["token"]]}


class TestAnswers:
    def test_an_answer_is_in_the_ledger_when_it_is_acknowledged(
        self, ui: Browser, house: Services, class_id: int
    ) -> None:
        house.offer([1, 2, 3, 4])
        (page,) = lease(ui)
        judgements = [said(class_id, "IS", 1, 2), said(class_id, "IS_NOT", 3), said(0, "UNSURE", 4)]
        (taken,) = send(ui, answer(page["token"], *judgements))
        (event,) = house.client.labels.decisions(COLLECTION, after=taken["seq"] - 1)
        assert (event.actor, event.request_id) == ("ada", taken["request_id"])
        rows = [(each.verdict, each.rows.tolist()) for each in event.judgements]
        assert rows == [("IS", [1, 2]), ("IS_NOT", [3]), ("UNSURE", [4])]

    def test_the_same_answer_again_is_the_same_event(
        self, ui: Browser, house: Services, class_id: int
    ) -> None:
        house.offer([1])
        once = answer(lease(ui)[0]["token"], said(class_id, "IS", 1))
        assert send(ui, once) == send(ui, once, once)[:1]
        assert house.client.labels.progress(COLLECTION).decisions == 1

    def test_each_is_refused_or_taken_by_itself(
        self, ui: Browser, house: Services, class_id: int
    ) -> None:
        house.offer([1], [2], [3], [4])
        tokens = [each["token"] for each in lease(ui, limit=4)]
        house.client.labels.release(COLLECTION, tokens[:1])
        fine = said(class_id, "IS", 4)
        replies = send(
            ui,
            answer(tokens[0], said(class_id, "IS", 1)),
            answer(tokens[1], said(9999, "IS", 2)),
            answer(tokens[2], said(class_id, "PERHAPS", 3)),
            answer(tokens[2], said(class_id, "IS", "3")),  # type: ignore[arg-type]  # bad on purpose
            answer(str(tokens[2]), said(class_id, "IS", 3)),  # type: ignore[arg-type]  # as above
            answer(tokens[2], said(class_id, "IS", 2**70)),
            answer(tokens[2], said(class_id, "IS", 3), seconds=float("nan")),
            answer(tokens[3], fine),
        )
        reasons = [each.get("reason") for each in replies]
        assert reasons[:2] == ["LEASE_FENCED", "INVALID_ARGUMENT"]
        assert reasons[2:6] == ["MALFORMED"] * 4
        assert reasons[6] == "INVALID_ARGUMENT"
        assert replies[-1]["seq"] > 0
        assert house.client.labels.progress(COLLECTION).labelled == 1

    def test_a_late_answer_says_what_others_had_by_then(
        self, ui: Browser, house: Services, class_id: int
    ) -> None:
        house.offer([1, 2, 3])
        (page,) = lease(ui)
        house.expire(page["token"])
        house.offer([3])
        assert lease(ui, "bob")[0]["rows"] == [3]
        (taken,) = send(ui, answer(page["token"], said(class_id, "IS", 1, 2, 3)))
        assert (taken["seq"] > 0, taken["left_out"]) == (True, 1)
        (refused,) = send(ui, answer(page["token"], said(class_id, "IS", 1)))
        assert refused["reason"] == "LEASE_FENCED"
        assert "are with others now" in refused["refused"]

    def test_an_answer_without_an_id_could_be_taken_twice_and_is_refused(self, ui: Browser) -> None:
        assert ui.post(f"{AT}/answers", {"answers": [answer(1, request_id="")]}).status == 400

    def test_too_many_at_once_are_refused(self, ui: Browser) -> None:
        assert ui.post(f"{AT}/answers", {"answers": [answer(1)] * 65}).status == 400

    def test_labels_away_is_503_so_that_the_browser_keeps_them(self, house: Services) -> None:
        away = house.environ | {"HUNDREDFOLD_LABELS_ADDRESS": NOWHERE}
        with client_of(away), served(Starlette(routes=routes())) as ui:
            reply = ui.post(f"{AT}/answers", {"answers": [answer(1)]})
            others = [
                ui.post(f"{AT}/leases", {"annotator": "ada", "limit": 1}),
                ui.get(f"{AT}/state"),
            ]
        assert reply.status == 503
        assert NOWHERE not in reply.json["message"]
        assert [each.status for each in others] == [503, 503]


class TestUndo:
    def test_the_page_comes_back_with_what_was_said(
        self, ui: Browser, house: Services, class_id: int
    ) -> None:
        house.offer([1, 2])
        judgements = [said(class_id, "IS", 1), said(class_id, "IS_NOT", 2)]
        (taken,) = send(ui, answer(lease(ui)[0]["token"], *judgements))
        asked = {"annotator": "ada", "seq": taken["seq"], "request_id": str(uuid.uuid4())}
        undone = ui.post(f"{AT}/undo", asked).json
        assert undone["judgements"] == judgements
        assert undone["lease"]["rows"] == [1, 2]
        assert ui.post(f"{AT}/undo", asked).json["lease"] == undone["lease"]
        assert house.client.labels.progress(COLLECTION).labelled == 0

    def test_without_a_number_it_is_the_last_of_the_annotator(
        self, ui: Browser, house: Services, class_id: int
    ) -> None:
        house.offer([1], [2])
        send(ui, answer(lease(ui, "ada")[0]["token"], said(class_id, "IS", 1)))
        send(ui, answer(lease(ui, "bob")[0]["token"], said(class_id, "IS", 2)))
        asked = {"annotator": "ada", "seq": 0, "request_id": str(uuid.uuid4())}
        assert ui.post(f"{AT}/undo", asked).json["lease"]["rows"] == [1]

    def test_there_is_no_page_when_another_has_its_images(
        self, ui: Browser, house: Services, class_id: int
    ) -> None:
        house.offer([1])
        (taken,) = send(ui, answer(lease(ui)[0]["token"], said(class_id, "IS_NOT", 1)))
        house.offer([1])
        lease(ui, "bob")
        asked = {"annotator": "ada", "seq": taken["seq"], "request_id": str(uuid.uuid4())}
        assert ui.post(f"{AT}/undo", asked).json["lease"] is None

    def test_nothing_to_undo_is_not_found(self, ui: Browser) -> None:
        asked = {"annotator": "nobody", "seq": 0, "request_id": str(uuid.uuid4())}
        assert ui.post(f"{AT}/undo", asked).status == 404


class TestClasses:
    def test_a_class_is_added_once(self, ui: Browser) -> None:
        first, again = (ui.post(f"{AT}/classes", {"name": "<b>wren"}).json for _ in range(2))
        assert [each["name"] for each in first["classes"]].count("<b>wren") == 1
        assert again == first

    def test_a_bad_name_is_refused(self, ui: Browser) -> None:
        assert ui.post(f"{AT}/classes", {"name": ""}).status == 400


class TestPictures:
    def test_thumbnails_come_in_one_piece_in_the_order_asked(self, ui: Browser) -> None:
        reply = ui.get(f"{AT}/thumbnails?rows=3,{BROKEN},0")
        pieces = unpacked(reply.data)
        assert [each[:2] for each in pieces] == [b"\xff\xd8", b"", b"\xff\xd8"]
        assert pieces[0] != pieces[2]

    @pytest.mark.parametrize(
        "query",
        ["", "?rows=", "?rows=a", "?rows=-1", "?rows=99", "?rows=1;2", "?rows=" + "1," * 300 + "1"],
    )
    def test_bad_rows_are_refused(self, ui: Browser, query: str) -> None:
        assert ui.get(f"{AT}/thumbnails{query}").status == 400

    def test_one_image_comes_large(self, ui: Browser) -> None:
        reply = ui.get(f"{AT}/images/1")
        assert (reply.status, reply.headers["content-type"]) == (200, "image/jpeg")
        assert reply.data.startswith(b"\xff\xd8")

    def test_an_image_that_is_not_there_is_an_error(self, ui: Browser) -> None:
        assert ui.get(f"{AT}/images/77").status == 404
        assert ui.get(f"{AT}/images/one").status == 404


class TestWhoMayAsk:
    @pytest.mark.parametrize("path", POSTS)
    def test_a_request_without_the_header_of_the_grid_is_refused(
        self, ui: Browser, path: str
    ) -> None:
        headers = {"content-type": "application/json"}
        assert ui.ask("POST", f"{AT}/{path}", b"{}", headers).status == 403

    @pytest.mark.parametrize("origin", ["http://elsewhere.example", "null", "http://127.0.0.1:1"])
    @pytest.mark.parametrize("path", POSTS)
    def test_a_foreign_origin_is_refused(self, ui: Browser, path: str, origin: str) -> None:
        assert ui.post(f"{AT}/{path}", {}, origin=origin).status == 403

    def test_the_own_origin_is_taken(self, ui: Browser) -> None:
        reply = ui.post(f"{AT}/releases", {"tokens": []}, origin=f"http://{ui.host}")
        assert reply.status == 200

    @pytest.mark.parametrize("path", POSTS)
    def test_what_changes_something_can_not_be_asked_for_by_a_link(
        self, ui: Browser, path: str
    ) -> None:
        assert ui.get(f"{AT}/{path}").status == 405

    def test_another_host_name_gets_nothing_but_health(self, ui: Browser) -> None:
        assert ui.get(f"{AT}/state", host="rebound.example").status == 400
        assert ui.get(f"{AT}/state", host="localhost:8501").status == 200
        assert ui.get(f"{AT}/state", host="[::1]:8501").status == 200
        assert (
            ui.get("/_stcore/health", host="10.0.0.7:8501").status == 404
        )  # Streamlit's, not mounted here

    def test_host_names_can_be_set(self) -> None:
        assert allowed({"HUNDREDFOLD_UI_HOSTS": " labels.example.org ;"}) == ["labels.example.org"]


class TestBodies:
    def test_only_json_is_read(self, ui: Browser) -> None:
        for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
            reply = ui.post(f"{AT}/releases", {"tokens": []}, content_type=content_type)
            assert reply.status == 415

    def test_a_large_body_is_refused(self, ui: Browser) -> None:
        assert ui.post(f"{AT}/answers", {"answers": "x" * MOST_BYTES}).status == 413

    def test_a_body_that_does_not_say_how_large_it_is_is_refused(self, ui: Browser) -> None:
        headers = {"content-type": "application/json", "x-hundredfold": "1"}
        reply = ui.ask("POST", f"{AT}/releases", iter([b'{"tokens": []}']), headers)
        assert reply.status == 413

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"[]", b"7", b"\xff", b"[" * 100_000],
        ids=["empty", "broken", "list", "number", "no text", "deep"],
    )
    def test_what_is_no_json_object_is_refused(self, ui: Browser, body: bytes) -> None:
        headers = {"content-type": "application/json", "x-hundredfold": "1"}
        assert ui.ask("POST", f"{AT}/releases", body, headers).status == 400

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("leases", {}),
            ("leases", {"annotator": "ada", "limit": "2"}),
            ("leases", {"annotator": "ada", "limit": 10**30}),
            ("leases", {"annotator": "ada\n", "limit": 1}),
            ("leases", {"annotator": "ada", "limit": 17}),
            ("renewals", {"tokens": 5}),
            ("renewals", {"tokens": [True]}),
            ("releases", {"tokens": list(range(65))}),
            ("answers", {"answers": {}}),
            ("answers", {"answers": [7]}),
            ("undo", {"annotator": "ada", "seq": None, "request_id": "r"}),
            ("undo", {"annotator": "ada", "seq": 0, "request_id": ""}),
            ("classes", {}),
        ],
        ids=json.dumps,
    )
    def test_what_has_not_the_right_form_is_refused(
        self, ui: Browser, path: str, body: Any
    ) -> None:
        assert ui.post(f"{AT}/{path}", body).status == 400


class TestHeaders:
    @pytest.mark.parametrize(
        "path", [f"{AT}/state", f"{AT}/images/1", f"{AT}/thumbnails?rows=1", f"{AT}/thumbnails"]
    )
    def test_nothing_that_is_sent_can_run_or_be_taken_for_something_else(
        self, ui: Browser, path: str
    ) -> None:
        headers = ui.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cross-origin-resource-policy"] == "same-origin"

    def test_modules_are_asked_for_again_and_nothing_else_is_served(self, ui: Browser) -> None:
        reply = ui.get("/grid/main.js")
        assert reply.status == 200
        assert "javascript" in reply.headers["content-type"]
        assert reply.headers["cache-control"] == "no-cache"
        for path in ("/grid/../grid.css", "/grid/%2e%2e/grid.css", "/grid/", "/grid//etc/passwd"):
            assert ui.get(path).status == 404


def unpacked(data: bytes) -> list[bytes]:
    pieces = []
    while data:
        (size,) = struct.unpack_from("<I", data)
        pieces.append(data[4 : 4 + size])
        data = data[4 + size :]
    return pieces
