"""Set-up: its routes and its sections, against real services."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from hundredfold.client.types import Judgement, LabelClass, Verdict
from tests.unit.ui.house import (
    BROKEN,
    COLLECTION,
    Browser,
    Services,
    client_of,
    served,
    services,
)
from ui.routes import routes
from ui.views.setup_classes import names_in, wrong_with
from ui.views.setup_images import wrong_with as wrong_with_source

AT = f"/api/collections/{COLLECTION}"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("house")) as started, client_of(started.environ):
        started.client.catalog.add_classes(COLLECTION, ["owl", HOSTILE, "tit"])
        started.offer([0, 1, 2, 3])
        (lease,) = started.client.labels.lease(COLLECTION, "ada")
        judgement = Judgement(1, Verdict.IS, lease.page.rows)
        started.client.labels.submit(COLLECTION, lease.token, [judgement])
        yield started


@pytest.fixture(scope="module")
def browser(house: Services) -> Iterator[Browser]:
    with served(Starlette(routes=routes())) as found:
        yield found


def section_of(name: str) -> None:
    import importlib  # noqa: PLC0415 - AppTest runs the body alone

    from ui.views.choice import Choice  # noqa: PLC0415

    importlib.import_module(f"ui.views.{name}").show(Choice("birds", "ada"))


def shown(name: str) -> Any:
    app = AppTest.from_function(section_of, kwargs={"name": name}, default_timeout=60).run()
    assert not app.exception
    return app


def set_up_as(role: str) -> None:
    from ui.people import Person, Role, as_person  # noqa: PLC0415 - AppTest runs the body alone
    from ui.views import setup  # noqa: PLC0415
    from ui.views.choice import Choice  # noqa: PLC0415

    with as_person(Person("ada", Role[role])):
        setup.show(Choice("birds", "ada"))


# --- routes -------------------------------------------------------------------------------------


def exported(house: Services, form: str) -> str:
    run = house.client.labels.export(COLLECTION, form)
    house.client.labels.runs.wait(run.run_id)
    return run.run_id


def test_an_export_is_downloaded_whole(house: Services, browser: Browser) -> None:
    reply = browser.get(f"{AT}/exports/{exported(house, 'csv')}")
    assert reply.status == 200
    lines = list(csv.DictReader(io.StringIO(reply.data.decode())))
    assert [each["label"] for each in lines] == ["owl"] * 4
    assert reply.headers["content-length"] == str(len(reply.data))
    assert "birds-labels.csv" in reply.headers["content-disposition"]
    assert reply.headers["content-disposition"].startswith("attachment")
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_only_exports_of_this_collection_are_downloaded(house: Services, browser: Browser) -> None:
    run_id = exported(house, "jsonl")
    assert browser.get(f"/api/collections/fish/exports/{run_id}").status == 400
    assert browser.get(f"{AT}/exports/nobody").status == 404


def test_the_files_that_cannot_be_used_are_downloaded_with_why(browser: Browser) -> None:
    reply = browser.get(f"{AT}/unreadable.csv")
    (line,) = csv.DictReader(io.StringIO(reply.data.decode()))
    assert (line["row"], line["key"]) == (str(BROKEN), "99.png")
    assert line["reason"]
    assert reply.headers["content-disposition"].startswith("attachment")
    assert browser.get("/api/collections/nobody/unreadable.csv").status == 404


def test_a_thumbnail_is_a_jpeg(browser: Browser) -> None:
    reply = browser.get(f"{AT}/thumbnails/3")
    assert reply.status == 200
    assert reply.headers["content-type"] == "image/jpeg"
    assert reply.data.startswith(b"\xff\xd8")
    assert browser.get(f"{AT}/thumbnails/{BROKEN}").status == 404


def test_labels_of_a_sent_file_are_counted_and_not_taken(house: Services) -> None:
    labels = house.client.labels
    uri = labels.runs.take_file("labels.csv", b"key,label\n07.png,owl\n")
    run = labels.import_(COLLECTION, uri, "csv", preview=True)
    assert labels.runs.wait(run.run_id).result["labels"] == 1
    assert labels.progress(COLLECTION).labelled == 4


# --- sections -----------------------------------------------------------------------------------


def test_images_says_that_a_service_is_away(house: Services) -> None:
    app = shown("setup_images")
    assert app.subheader[0].value == "Images of birds"
    assert "does not answer" in app.warning[0].value


def test_a_wrong_source_or_name_is_told_in_words() -> None:
    assert wrong_with_source("", "birds") == "Say where the images are."
    assert wrong_with_source("photos", "birds").startswith("Give a whole path")
    assert wrong_with_source("/photos", "Birds").startswith("This can't be a name")
    assert wrong_with_source("s3://bucket/photos", "birds-2") == ""


def test_pasted_names_are_taken_once_each() -> None:
    assert names_in("  wren \nowl\n\nwren\nblue\ttit") == ["wren", "owl", "blue tit"]


def test_classes_are_listed_with_their_labels(house: Services) -> None:
    app = shown("setup_classes")
    (listed,) = app.dataframe
    assert listed.value["Name"].tolist()[:3] == ["owl", HOSTILE, "tit"]
    assert listed.value["Labelled"].tolist()[:3] == [4, 0, 0]
    assert not [each for each in app.get("html") if HOSTILE in each.proto.body]


def test_what_is_wrong_with_a_changed_class_is_told_before_it_is_sent(house: Services) -> None:
    schema = house.client.catalog.schema(COLLECTION)
    house.client.catalog.update_class(COLLECTION, LabelClass("owl", 1, key="o"))
    schema = house.client.catalog.schema(COLLECTION)
    assert wrong_with(schema, LabelClass("", 3)) == "A class needs a name."
    assert "merge them" in wrong_with(schema, LabelClass("owl", 3))
    assert "gives the class owl already" in wrong_with(schema, LabelClass("tit", 3, key="o"))
    assert wrong_with(schema, LabelClass("tit", 3, key="t")) == ""


def test_a_class_gets_guidelines_and_examples(house: Services) -> None:
    changed = LabelClass("tit", 3, guideline="blue or great", examples=(5, 2))
    house.client.catalog.update_class(COLLECTION, changed)
    found = house.client.catalog.schema(COLLECTION).classes[2]
    assert (found.guideline, found.examples) == ("blue or great", (5, 2))


def test_export_lists_what_was_written_and_that_it_was_verified(house: Services) -> None:
    exported(house, "parquet")
    app = shown("setup_export")
    assert "verified" in " ".join(each.value for each in app.caption)
    words = " ".join(each.value for each in app.markdown)
    assert "**Parquet**" in words
    assert "4 images, 4 labelled" in words


def test_models_says_that_there_is_none_before_the_images_are_ready(house: Services) -> None:
    assert "no model before" in shown("setup_models").info[0].value


@pytest.mark.parametrize("role", ["VIEWER", "LABELER", "REVIEWER"])
def test_only_an_administrator_sees_set_up(house: Services, role: str) -> None:
    app = AppTest.from_function(set_up_as, kwargs={"role": role}, default_timeout=60).run()
    assert not app.exception
    assert "administrator" in app.warning[0].value
    assert not app.subheader
