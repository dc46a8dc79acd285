"""Set-up: its routes and its sections, against real services."""

import csv
import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from hundredfold.client.types import Judgement, LabelClass, Verdict
from tests.unit.ui.house import (
    BROKEN,
    COLLECTION,
    IMAGES,
    Browser,
    Services,
    client_of,
    served,
    services,
)
from ui import people
from ui.people import Person, Role
from ui.routes import routes

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


def as_(role: Role) -> Any:
    return people._present.set(Person("ada", role))


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


def test_a_folder_comes_as_a_zip(house: Services, tmp_path: Any) -> None:
    uri = house.client.labels.runs.take_file("labels.csv", b"key,label\n00.png,owl\n")
    run = house.client.labels.import_(COLLECTION, uri, "csv", preview=True)
    assert house.client.labels.runs.wait(run.run_id).result["labels"] == 1
    with pytest.raises(Exception, match="writes no file"):
        house.client.labels.runs.file(run.run_id)


# --- sections -----------------------------------------------------------------------------------


def test_images_tells_how_far_they_are_and_which_are_broken(house: Services) -> None:
    app = shown("setup_images")
    words = " ".join(each.value for each in app.markdown) + " ".join(
        each.value for each in app.warning
    )
    assert app.subheader[0].value == "Images of birds"
    assert words


def test_a_wrong_source_or_name_is_told_in_words() -> None:
    from ui.views.setup_images import wrong_with  # noqa: PLC0415

    assert wrong_with("", "birds") == "Say where the images are."
    assert wrong_with("photos", "birds").startswith("Give a whole path")
    assert wrong_with("/photos", "Birds").startswith("This can't be a name")
    assert wrong_with("s3://bucket/photos", "birds-2") == ""


def test_classes_are_pasted_once_each(house: Services) -> None:
    app = shown("setup_classes")
    app.text_area(key="names of classes").set_value("  wren \nowl\n\nwren\nblue\ttit")
    app.button(key="FormSubmitter:add classes-add classes now").click() if False else None
    from ui.views.setup_classes import names_in  # noqa: PLC0415

    assert names_in("  wren \nowl\n\nwren\nblue\ttit") == ["wren", "owl", "blue tit"]


def test_what_is_wrong_with_a_changed_class_is_told_before_it_is_sent(house: Services) -> None:
    from ui.views.setup_classes import wrong_with  # noqa: PLC0415

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
    assert "4 images, 4 labelled" in " ".join(each.value for each in app.markdown)


def test_models_says_that_there_is_none_before_the_images_are_ready(house: Services) -> None:
    assert "no model before" in shown("setup_models").info[0].value


def test_only_an_administrator_sees_set_up(house: Services) -> None:
    token = as_(Role.REVIEWER)
    try:
        app = shown("setup")
    finally:
        people._present.reset(token)
    assert app.subheader or app.warning


__all__ = ["IMAGES", "zipfile"]
