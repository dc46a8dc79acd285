"""The views, run as Streamlit runs them, against real services and without them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from hundredfold.client.types import Judgement, Verdict
from tests.unit.ui.house import COLLECTION, IMAGES, NOWHERE, Services, client_of, services

MAIN = Path(__file__).parents[2] / "ui" / "main.py"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("house")) as started:
        yield started


def shown(**query: str) -> Any:
    app = AppTest.from_file(str(MAIN), default_timeout=30)
    app.query_params.update(query)
    app.run()
    assert not app.exception
    return app


def progress_of(collection: str) -> None:
    from ui.views import progress  # noqa: PLC0415 - AppTest runs the body alone
    from ui.views.choice import Choice  # noqa: PLC0415

    progress.show(Choice(collection, "ada"))


def test_the_bar_takes_collection_and_name_from_the_address(house: Services) -> None:
    with client_of(house.environ):
        app = shown(collection=COLLECTION, annotator="ada")
    assert app.selectbox("collection").value == COLLECTION
    assert app.text_input("annotator").value == "ada"


def test_progress_counts_labels_by_class_and_escapes_names(house: Services) -> None:
    schema = house.client.catalog.add_classes(COLLECTION, ["owl", "<b>tit"]).by_name()
    house.offer([0, 1, 2])
    (lease,) = house.client.labels.lease(COLLECTION, "ada")
    judgement = Judgement(schema["<b>tit"], Verdict.IS, lease.page.rows)
    house.client.labels.submit(COLLECTION, lease.token, [judgement])
    with client_of(house.environ):
        app = AppTest.from_function(
            progress_of, kwargs={"collection": COLLECTION}, default_timeout=30
        ).run()
    assert not app.exception
    words = " ".join(each.proto.body for each in app.get("html"))
    assert "&lt;b&gt;tit" in words
    assert "<b>tit" not in words
    assert app.metric[0].label == "Labels a minute"
    assert app.metric[1].value == str(IMAGES - 3)
    assert f"3 of {IMAGES} images labelled" in str(app.get("progress")[0].proto)
    assert "hundredfold bootstrap" in app.warning[0].value


def test_progress_keeps_the_last_numbers_while_the_services_are_away(house: Services) -> None:
    app = AppTest.from_function(progress_of, kwargs={"collection": COLLECTION}, default_timeout=30)
    with client_of(house.environ):
        before = [each.value for each in app.run().metric]
    with client_of(
        {"HUNDREDFOLD_LABELS_ADDRESS": NOWHERE, "HUNDREDFOLD_SELECTION_ADDRESS": NOWHERE}
    ):
        app.run()
    assert [each.value for each in app.metric] == before
    assert "These are the last numbers" in app.warning[0].value
    assert NOWHERE not in app.warning[0].value


def test_without_a_collection_it_says_how_to_bring_images_in(tmp_path: Path) -> None:
    with services(tmp_path, ingest=False) as empty, client_of(empty.environ):
        app = shown()
    assert "hundredfold bootstrap" in app.code[0].value


def test_without_a_catalog_it_says_so() -> None:
    with client_of({"HUNDREDFOLD_CATALOG_ADDRESS": NOWHERE}):
        app = shown()
    assert "can't be listed" in app.error[0].value


def test_progress_of_several_classes_an_image_counts_pairs(
    tmp_path: Path,
) -> None:
    with services(tmp_path) as house, client_of(house.environ):
        house.client.catalog.set_several(COLLECTION)
        schema = house.client.catalog.add_classes(COLLECTION, ["hat", "bag"]).by_name()
        house.offer([0, 1, 2], kind="VERIFY", class_id=schema["hat"])
        (lease,) = house.client.labels.lease(COLLECTION, "ada")
        judgement = Judgement(schema["hat"], Verdict.IS, lease.page.rows)
        house.client.labels.submit(COLLECTION, lease.token, [judgement])
        app = AppTest.from_function(
            progress_of, kwargs={"collection": COLLECTION}, default_timeout=30
        ).run()
    assert not app.exception
    heading = str(app.get("progress")[0].proto)
    assert f"3 of {2 * IMAGES} pairs of an image and a class known" in heading
    assert f"of 0 of {IMAGES} images every class" in heading
