"""The HTTP routes that pairs of images go through, against real services."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.client.types import DuplicateGroup, Pairs, Verdict
from tests.contract.test_ui_review import AT, As, get, lines, post, selection
from tests.unit.labels.pair_world import write_pairs
from tests.unit.ui.house import COLLECTION, IMAGES, Browser, Services, client_of, served, services
from ui import review_wire
from ui.routes import routes

PAIRS = [(0, 1), (2, 3), (4, 5)]
SAME, OTHER = Verdict.IS, Verdict.IS_NOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[Services]:
    with services(folder) as started:
        store = ArtifactStore(str(folder / "store"))
        write_pairs(store, PAIRS, [2, 6, 12], collection=COLLECTION, rows=IMAGES + 1)
        yield started


@pytest.fixture(scope="module")
def served_ui(house: Services) -> Iterator[Browser]:
    app = Starlette(routes=routes(), middleware=[Middleware(As)])
    with client_of(house.environ), served(app) as browser:
        yield browser


@pytest.fixture
def ui(served_ui: Browser, house: Services) -> Browser:
    """The routes, with nothing said and nothing leased."""
    house.client.labels.clear(COLLECTION)
    house.client.labels.release(COLLECTION, range(1, 64))
    return served_ui


def asked(ui: Browser, who: str = "", limit: int = 1) -> list[dict[str, Any]]:
    reply = post(ui, "pairs", {"annotator": "ada", "limit": limit}, who)
    assert reply.status == 200, reply.data
    found: list[dict[str, Any]] = reply.json["leases"]
    return found


def said(verdict: Verdict, *pairs: tuple[int, int]) -> dict[str, Any]:
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    return {"class_id": 0, "verdict": str(verdict), "rows": left, "others": right}


def known(house: Services) -> dict[tuple[int, int], Verdict]:
    found = house.client.labels.pairs(COLLECTION)
    pairs = zip(found.rows.tolist(), found.others.tolist(), strict=True)
    return dict(zip(pairs, found.verdicts, strict=True))


def test_a_page_of_pairs_is_leased_answered_and_taken_back(ui: Browser, house: Services) -> None:
    (lease,) = asked(ui)
    assert (lease["kind"], lease["rows"], lease["others"]) == ("PAIR", [0, 2, 4], [1, 3, 5])
    assert lease["probability"][0] > lease["probability"][1] == 0.5
    answer = {
        "request_id": str(uuid.uuid4()),
        "token": lease["token"],
        "judgements": [said(SAME, (0, 1)), said(OTHER, (2, 3), (4, 5))],
        "seconds": 3.0,
    }
    reply = ui.post(f"{AT}/answers", {"answers": [answer]}).json
    (taken,) = reply["answers"]
    assert taken["seq"]
    assert (reply["progress"]["pairs_judged"], reply["progress"]["pairs_open"]) == (3, 0)
    assert known(house) == {(0, 1): SAME, (2, 3): OTHER, (4, 5): OTHER}

    back = {"annotator": "ada", "seq": taken["seq"], "request_id": str(uuid.uuid4())}
    undone = ui.post(f"{AT}/undo", back).json
    assert undone["judgements"] == answer["judgements"]
    assert undone["lease"]["others"] == [1, 3, 5]
    assert known(house) == {}


def test_the_history_and_a_preview_tell_of_pairs(ui: Browser, house: Services) -> None:
    body = {"judgements": [said(SAME, (0, 1)), said(OTHER, (2, 3))], "kept": [1]}
    seq = post(ui, "review/pairs", body).json["seq"]
    line = lines(ui)[0]
    assert (line["seq"], line["kind"], line["images"], line["kept"]) == (seq, "PAIRS", 0, 1)
    assert [(each["rows"], each["others"]) for each in line["said"]] == [([0], [1]), ([2], [3])]
    told = post(ui, "review/preview", {"selection": selection(seqs=[seq])}).json
    assert (told["events"], told["images"], told["pairs_gone"]) == (1, 0, 2)
    assert post(ui, "review/undo", {"selection": selection(seqs=[seq])}).status == 200
    assert known(house) == {}


def test_who_may(ui: Browser) -> None:
    assert post(ui, "pairs", {"limit": 1}, "viv VIEWER").status == 403
    assert asked(ui, "ada LABELER")
    body = {"judgements": [said(SAME, (0, 1))], "kept": []}
    assert post(ui, "review/pairs", body, "ada LABELER").status == 403
    assert post(ui, "review/pairs", body, "rev REVIEWER").status == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"judgements": "x", "kept": []},
        {"judgements": [said(SAME, (0, 0))], "kept": []},
        {"judgements": [said(SAME, (0, 99))], "kept": []},
        {"judgements": [{**said(SAME, (0, 1)), "others": "x"}], "kept": []},
        {"judgements": [said(SAME, (0, 1))], "kept": "x"},
    ],
)
def test_what_has_not_the_form_of_a_request_is_refused(ui: Browser, body: dict[str, Any]) -> None:
    assert post(ui, "review/pairs", body).status == 400
    assert get(ui, "review").status == 200


def test_a_group_says_what_is_kept_apart_and_what_stands_for_it() -> None:
    group = DuplicateGroup(5, np.array([2, 9, 7]), np.array([0, 1, 2], np.uint8))
    judged = Pairs(
        seq=9,
        rows=np.array([2, 5, 5, 7]),
        others=np.array([5, 7, 8, 9]),
        verdicts=(OTHER, SAME, OTHER, OTHER),
        seqs=np.array([1, 2, 3, 4]),
        kept_rows=np.array([4, 9, 7]),
    )
    told = review_wire.copies(group, judged)
    assert (told["apart"], told["kept"]) == ([2], 9)
    none = np.empty(0, np.int64)
    told = review_wire.copies(group, Pairs(0, none, none, (), none, none))
    assert (told["apart"], told["kept"], told["copies"]) == ([], -1, 3)
