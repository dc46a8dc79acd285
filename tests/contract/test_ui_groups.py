"""A cluster that is labelled as a whole, as the UI and the client ask for it, against the real ledger."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.client.types import Judgement, Verdict
from tests.unit.labels.audit_world import write_clusters
from tests.unit.ui.house import COLLECTION, IMAGES, Browser, Services, client_of, served, services
from ui.routes import routes

AT = f"/api/collections/{COLLECTION}"
OWL = 1


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Services]:
    """A dozen images in one cluster, and the class that they are of."""
    with services(tmp_path) as started:
        write_clusters(ArtifactStore(str(tmp_path / "store")), [0] * IMAGES)
        started.client.catalog.add_classes(COLLECTION, ["owl"])
        started.offer()
        yield started


@pytest.fixture
def ui(house: Services) -> Iterator[Browser]:
    with client_of(house.environ), served(Starlette(routes=routes())) as browser:
        yield browser


def view_of(collection: str) -> None:
    from ui.backend import client  # noqa: PLC0415 - AppTest runs the body alone
    from ui.views import groups  # noqa: PLC0415
    from ui.views.choice import Choice  # noqa: PLC0415

    groups.show(Choice(collection, "ada"), client().catalog.schema(collection))


def begin(house: Services, allowed_error: float = 0.4) -> Any:
    return house.client.labels.label_cluster(
        COLLECTION, "c1/0", OWL, allowed_error=allowed_error, confidence=0.9
    )


def answer_all(house: Services) -> None:
    while leases := house.client.labels.lease(COLLECTION, "ada"):
        for each in leases:
            said = [Judgement(OWL, Verdict.IS, each.page.rows)]
            house.client.labels.submit(COLLECTION, each.token, said)


def told(ui: Browser) -> Any:
    return ui.get(f"{AT}/state").json["group"]


def test_the_state_tells_how_a_group_stands_until_it_is_labelled(
    house: Services, ui: Browser
) -> None:
    assert told(ui) is None
    audit = begin(house)
    assert (told(ui)["state"], told(ui)["audit_id"]) == ("OPEN", audit.audit_id)
    (lease,) = ui.post(f"{AT}/leases", {"annotator": "ada", "limit": 1}).json["leases"]
    assert lease["cluster"] == "c1/0"
    house.client.labels.release(COLLECTION, [lease["token"]])
    answer_all(house)
    house.client.labels.certify(COLLECTION, audit.audit_id, auto_label=True)
    assert told(ui)["words"].startswith(f"{IMAGES} images as owl: labelled. At most ")


def test_while_a_check_is_under_way_no_other_begins(house: Services) -> None:
    begin(house)
    with pytest.raises(Conflict, match="answer its 12 images first") as refused:
        begin(house, allowed_error=0.1)
    assert refused.value.reason == "AUDIT_UNDER_WAY"
    house.client.labels.undo(COLLECTION, seq=house.client.labels.audit(COLLECTION).seq)
    with pytest.raises(NotFound):
        house.client.labels.label_cluster(COLLECTION, "c1/9", OWL)
    assert begin(house).state == "OPEN"


def test_without_a_loop_a_group_is_refused_in_words(ui: Browser) -> None:
    body = {"cluster": "c1/0", "class_id": OWL, "tokens": [], "request_id": "r"}
    refused = ui.post(f"{AT}/groups", body)
    assert refused.status == 404
    assert "loop" in refused.json["message"]


def test_the_view_takes_a_group_back(house: Services) -> None:
    audit = begin(house)
    answer_all(house)
    house.client.labels.certify(COLLECTION, audit.audit_id, auto_label=True)
    with client_of(house.environ):
        app = AppTest.from_function(view_of, kwargs={"collection": COLLECTION}).run()
        assert not app.exception
        assert "labelled. At most" in app.text[0].value
        app.button(key=f"take back {audit.audit_id}").click().run()
    assert house.client.labels.audit(COLLECTION).state == "PASSED"
