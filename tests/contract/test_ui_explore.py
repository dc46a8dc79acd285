"""The HTTP routes of Explore, against real services: what each does, and what each refuses."""

import base64
import json
import struct
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette

from tests.unit.ui.explore_house import CENTRES, SPACE, house_with_vectors
from tests.unit.ui.house import COLLECTION, IMAGES, Browser, Reply, Services, client_of, served
from ui.explore_routes import explore_routes
from ui.routes import routes

AT = f"/api/collections/{COLLECTION}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with house_with_vectors(tmp_path_factory.mktemp("house")) as started:
        yield started


@pytest.fixture(scope="module")
def served_ui(house: Services) -> Iterator[Browser]:
    with client_of(house.environ), served(Starlette(routes=routes())) as browser:
        yield browser


@pytest.fixture
def ui(served_ui: Browser, house: Services) -> Browser:
    """The routes, with nothing labelled, and clustered anew."""
    house.client.labels.clear(COLLECTION)
    return served_ui


@pytest.fixture
def class_id(house: Services) -> int:
    return house.client.catalog.add_classes(COLLECTION, ["owl"]).by_name()["owl"]


def arrays(reply: Reply) -> tuple[Any, list[int], Any]:
    """What came packed: what it is, the rows, and the values or points."""
    assert reply.status == 200, reply.data
    return unpacked(reply.data)


def unpacked(data: bytes) -> tuple[Any, list[int], Any]:
    pieces, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        assert (at + 4) % 4 == 0
        pieces.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    about = json.loads(pieces[0])
    kind = "<f4" if "points" in about else "<i4"
    return about, np.frombuffer(pieces[1], "<u4").tolist(), np.frombuffer(pieces[2], kind)


def colours(ui: Browser, by: str) -> dict[int, int]:
    _, rows, values = arrays(ui.get(f"{AT}/map/colours?by={by}"))
    return dict(zip(rows, values.tolist(), strict=True))


def label(ui: Browser, rows: list[int], class_id: int, **changes: Any) -> Reply:
    body = {
        "annotator": "ada",
        "rows": rows,
        "class_id": class_id,
        "seconds": 1.0,
        "request_id": str(uuid.uuid4()),
    }
    return ui.post(f"{AT}/labels", body | changes)


def run_of(ui: Browser) -> str:
    return str(ui.get(f"{AT}/clusters").json["run"])


# --- the map --------------------------------------------------------------------------------------


def test_the_overview_names_the_classes_and_the_space(ui: Browser, class_id: int) -> None:
    seen = ui.get(f"{AT}/explore").json
    assert seen["images"] == IMAGES + 1
    assert seen["space"] == SPACE
    assert class_id in [each["class_id"] for each in seen["schema"]["classes"]]


def test_the_map_comes_packed_once_it_is_laid_out(ui: Browser, house: Services) -> None:
    about, rows, points = arrays(ui.get(f"{AT}/map"))
    assert (about, rows, points.size) == ({"points": 0}, [], 0)
    assert ui.get(f"{AT}/map/run").json["state"] == ""
    started = ui.post(f"{AT}/map/run", {"request_id": str(uuid.uuid4())}).json
    assert started["state"] in {"PENDING", "RUNNING", "SUCCEEDED"}
    (run,) = [each for each in house.client.index.runs.recent(COLLECTION) if each.kind == "project"]
    house.client.index.runs.wait(run.run_id)
    assert ui.get(f"{AT}/map/run").json["state"] == "SUCCEEDED"
    about, rows, points = arrays(ui.get(f"{AT}/map"))
    assert rows == list(range(IMAGES))
    assert points.reshape(-1, 2).shape == (IMAGES, 2)
    assert np.abs(points).max() <= 1


def test_two_groups_are_separated(ui: Browser) -> None:
    answer = ui.post(f"{AT}/map/separate", {"a": [0, 3], "b": [1, 4]}).json
    _, rows, points = unpacked(base64.b64decode(answer["packed"]))
    sides = points.reshape(-1, 2)[:, 0]
    assert rows == list(range(IMAGES))
    assert (sides[0::CENTRES] < 0).all()
    assert (sides[1::CENTRES] > 0).all()


def test_what_has_no_label_is_shown(ui: Browser, class_id: int) -> None:
    assert label(ui, [2, 5], class_id).status == 200
    answer = ui.get(f"{AT}/map/unlabelled").json
    _, rows, points = unpacked(base64.b64decode(answer["packed"]))
    assert rows == list(range(IMAGES))
    assert np.abs(points).max() <= 1
    first, second = answer["shares"]
    assert 0 < second <= first <= 1


@pytest.mark.parametrize("groups", [{"a": [], "b": [1]}, {"a": [1], "b": [1]}, {"a": [1]}])
def test_groups_that_are_none_are_refused(ui: Browser, groups: Any) -> None:
    assert ui.post(f"{AT}/map/separate", groups).status == 400


def test_images_can_be_coloured_by_label_and_cluster(ui: Browser, class_id: int) -> None:
    assert colours(ui, "label") == {}
    assert label(ui, [2, 5], class_id).status == 200
    assert colours(ui, "label") == {2: class_id, 5: class_id}
    assert sorted(colours(ui, "cluster")) == list(range(IMAGES))


def test_flagged_images_are_told(ui: Browser, house: Services) -> None:
    seq = house.client.labels.flag(COLLECTION, "ada", [3, 4], "what is this?")
    assert colours(ui, "flag") == {3: seq, 4: seq}


@pytest.mark.parametrize("by", ["prediction", "uncertainty"])
def test_without_a_trainer_there_are_no_predictions_to_wait_for(ui: Browser, by: str) -> None:
    assert ui.get(f"{AT}/map/colours?by={by}").status == 503


def test_what_points_are_coloured_by_is_checked(ui: Browser) -> None:
    assert ui.get(f"{AT}/map/colours?by=size").status == 400


# --- search ---------------------------------------------------------------------------------------


def test_neighbours_are_the_nearest_first_without_the_image_itself(ui: Browser) -> None:
    found = ui.get(f"{AT}/neighbours?row=0&limit=3").json
    assert sorted(found["rows"]) == [3, 6, 9]
    assert found["distances"] == sorted(found["distances"])


def test_neighbours_of_several_are_each_named_once(ui: Browser) -> None:
    found = ui.get(f"{AT}/neighbours?row=0,3,1&limit=6").json["rows"]
    assert len(found) == len(set(found)) == 6
    assert not {0, 3, 1} & set(found)


@pytest.mark.parametrize("query", ["", "row=", "row=x", "row=0&limit=0", "row=0&limit=1001"])
def test_what_is_searched_for_is_checked(ui: Browser, query: str) -> None:
    assert ui.get(f"{AT}/neighbours?{query}").status == 400


def test_a_row_without_a_vector_has_no_neighbours(ui: Browser) -> None:
    assert ui.get(f"{AT}/neighbours?row={IMAGES}").status == 404


def test_an_image_that_was_sent_finds_the_one_it_is(ui: Browser, house: Services) -> None:
    image = house.client.catalog.image(COLLECTION, 4)
    answer = ui.post(f"{AT}/search", {"image": base64.b64encode(image).decode(), "limit": 5})
    assert answer.status == 200, answer.data
    assert len(answer.json["rows"]) == 5


@pytest.mark.parametrize("image", ["", "!", base64.b64encode(b"no image").decode()])
def test_what_is_no_image_is_refused(ui: Browser, image: str) -> None:
    assert ui.post(f"{AT}/search", {"image": image}).status == 400


# --- clusters -------------------------------------------------------------------------------------


def test_clusters_are_listed_with_their_images(ui: Browser) -> None:
    listed = ui.get(f"{AT}/clusters").json
    assert sum(each["size"] for each in listed["clusters"]) == IMAGES
    first = listed["clusters"][0]
    rows = ui.get(f"{AT}/clusters/{listed['run']}/{first['number']}/rows").json["rows"]
    assert len(rows) == first["size"]
    assert rows[0] == first["medoid"]


def test_a_cluster_is_split_and_merged_again(ui: Browser) -> None:
    run, before = run_of(ui), ui.get(f"{AT}/clusters").json["clusters"]
    split = ui.post(f"{AT}/clusters/split", {"cluster": f"{run}/0", "into": 2, "tokens": []}).json
    after = ui.get(f"{AT}/clusters").json
    assert after["run"] == split["cluster_run"] != run
    assert len(after["clusters"]) == len(before) + 1
    new = after["clusters"][-1]["number"]
    merged = ui.post(
        f"{AT}/clusters/merge",
        {"clusters": [f"{after['run']}/0", f"{after['run']}/{new}"]},
    ).json
    again = ui.get(f"{AT}/clusters").json
    assert again["run"] == merged["cluster_run"]
    assert [each["size"] for each in again["clusters"]] == [each["size"] for each in before]


def test_a_cluster_that_was_changed_meanwhile_is_a_conflict(ui: Browser) -> None:
    run = run_of(ui)
    assert ui.post(f"{AT}/clusters/split", {"cluster": f"{run}/1"}).status == 200
    answer = ui.post(f"{AT}/clusters/split", {"cluster": f"{run}/1"})
    assert (answer.status, answer.json["reason"]) == (409, "CLUSTER_CHANGED")


def test_clusters_to_merge_are_a_list(ui: Browser) -> None:
    assert ui.post(f"{AT}/clusters/merge", {"clusters": "c/1"}).status == 400


# --- labels ---------------------------------------------------------------------------------------


def test_picked_images_are_labelled_as_one_decision(
    ui: Browser, house: Services, class_id: int
) -> None:
    answer = label(ui, [3, 1, 7], class_id).json
    assert sorted(answer["rows"]) == [1, 3, 7]
    assert sorted(house.client.labels.labels(COLLECTION).rows.tolist()) == [1, 3, 7]


def test_images_that_have_a_label_are_left_out(ui: Browser, class_id: int) -> None:
    label(ui, [1, 2], class_id)
    assert label(ui, [1, 2, 3], class_id).json["rows"] == [3]
    assert label(ui, [1, 2, 3], class_id).json == {"seq": 0, "rows": []}


def test_what_was_labelled_is_taken_back_by_one_event(
    ui: Browser, house: Services, class_id: int
) -> None:
    seqs = [label(ui, rows, class_id).json["seq"] for rows in ([1], [2, 3])]
    body = {"annotator": "ada", "seqs": seqs, "request_id": str(uuid.uuid4())}
    first = ui.post(f"{AT}/labels/undo", body)
    assert first.status == 200, first.data
    assert ui.post(f"{AT}/labels/undo", body).json == first.json
    assert len(house.client.labels.labels(COLLECTION).rows) == 0


@pytest.mark.parametrize(
    ("rows", "changes"),
    [([], {}), (list(range(1025)), {}), ([1], {"request_id": ""}), ([1], {"class_id": 999})],
)
def test_what_is_labelled_is_checked(
    ui: Browser, class_id: int, rows: list[int], changes: Any
) -> None:
    assert label(ui, rows, **{"class_id": class_id, **changes}).status == 400


def make_page(ui: Browser, rows: list[int], **changes: Any) -> Reply:
    body = {"annotator": "ada", "rows": rows, "class_id": 0, "request_id": str(uuid.uuid4())}
    return ui.post(f"{AT}/pages", body | changes)


def test_picked_images_become_a_page(ui: Browser, house: Services, class_id: int) -> None:
    leased = make_page(ui, [8, 6], class_id=class_id).json["lease"]
    assert (leased["kind"], leased["rows"], leased["class_id"]) == ("PICKED", [8, 6], class_id)
    assert make_page(ui, [8, 6]).json == {"lease": None}
    house.client.labels.release(COLLECTION, [leased["token"]])
    assert make_page(ui, []).status == 400
    assert make_page(ui, list(range(201))).status == 400


# --- all of them ----------------------------------------------------------------------------------


def test_every_route_that_writes_refuses_a_foreign_page(ui: Browser) -> None:
    paths = [
        each.path.replace("{collection}", COLLECTION)
        for each in explore_routes()
        if "POST" in (getattr(each, "methods", None) or ())
    ]
    assert len(paths) == 8
    for path in paths:
        assert ui.post(path, {}, origin="https://elsewhere.example").status == 403


def test_an_unknown_collection_is_not_found(ui: Browser) -> None:
    for path in ("explore", "map/colours?by=label", "neighbours?row=0"):
        assert ui.get(f"/api/collections/nowhere/{path}").status == 404


def test_the_modules_are_served_fresh(ui: Browser) -> None:
    answer = ui.get("/explorer/main.js")
    assert answer.status == 200
    assert "javascript" in answer.headers["content-type"]
    assert answer.headers["x-content-type-options"] == "nosniff"
