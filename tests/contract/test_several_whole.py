"""From images with several classes each to exported labels, by all services; each test has a collection of its own."""

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import Conflict, InvalidArgument
from hundredfold.chassis.testing import wait_for
from hundredfold.client import Client
from hundredfold.client.simulation import KnownPairs, Settings, Stop, prepare_pairs, simulate
from hundredfold.client.truth import read_truth
from hundredfold.client.types import Judgement, Verdict
from tests.contract.town import CLASSES, GRID, IMAGES, Town, town_at

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town_at(tmp_path_factory.mktemp("town")) as town:
        yield town


@dataclass
class Scenes:
    """A collection that nobody has labelled yet, and the truth about it."""

    town: Town
    name: str

    @property
    def client(self) -> Client:
        return self.town.client

    def truth(self) -> dict[str, str]:
        return read_truth(self.town.images / "labels.csv", several=True)

    def known(self) -> KnownPairs:
        return prepare_pairs(self.client, self.name, self.truth())


@pytest.fixture
def scenes(town: Town) -> Scenes:
    name = f"scenes-{next(NUMBERS)}"
    town.prepare(name)
    return Scenes(town, name)


@dataclass
class Exported:
    yes: dict[str, set[str]]
    no: dict[str, set[str]]


def exported(scenes: Scenes) -> Exported:
    path = scenes.town.folder / f"{scenes.name}.csv"
    labels = scenes.client.labels
    run = labels.export(scenes.name, "csv", str(path))
    assert labels.runs.wait(run.run_id).result["verified"]
    with path.open(encoding="utf-8", newline="") as file:
        lines = {each["key"]: each for each in csv.DictReader(file)}
    sets = (
        {key: set(each[column].split(";")) - {""} for key, each in lines.items()}
        for column in ("label", "not_label")
    )
    return Exported(*sets)


def test_images_are_labelled_faster_than_one_by_one_and_nearly_all_are_right(
    scenes: Scenes,
) -> None:
    settings = Settings(targets=(0.9, 0.999), stop=Stop.TRUTH, check_every=1, stall_seconds=120)
    outcome = simulate(scenes.client, scenes.name, scenes.known(), CostModel(), settings)
    assert [each.ended for each in outcome.milestones] == ["truth", "truth"]
    done = outcome.curve[-1]
    assert done.accuracy >= 0.999
    assert done.exact_match > 0.99
    assert outcome.milestones[0].speedup > 3
    assert set(outcome.pages) == {"VERIFY"}

    loop = scenes.client.selection.get(scenes.name)
    assert (loop.policy, loop.total) == ("pairs", 3 * IMAGES)
    # Of the head after that, of few answers: what is open is easier than what was asked.
    assert 0.94 < loop.expected_accuracy < 1
    progress = scenes.client.labels.progress(scenes.name)
    assert (progress.images, progress.total) == (IMAGES, 3 * IMAGES)
    parts = (progress.labelled, progress.unsure, progress.leased, progress.ready, progress.pool)
    assert sum(parts) == progress.total

    truth = scenes.truth()
    found = exported(scenes)
    for key, names in found.yes.items():
        assert names <= set(truth[key].split(";"))
        assert not found.no[key] & set(truth[key].split(";"))


def test_an_overlooked_odd_image_is_wrong_for_its_class_alone(
    scenes: Scenes,
) -> None:
    settings = Settings(
        targets=(0.9,), stop=Stop.TRUTH, miss_rate=0.1, check_every=1, stall_seconds=120
    )
    outcome = simulate(scenes.client, scenes.name, scenes.known(), CostModel(), settings, seed=1)
    last = outcome.curve[-1]
    assert 0.8 < last.accuracy < 1
    assert last.exact_match <= last.accuracy


def test_people_who_find_the_classes_themselves_are_shown_clusters_first(scenes: Scenes) -> None:
    client, name = scenes.client, scenes.name
    client.selection.start(name, space=GRID.model, expected_classes=3)
    wait_for(lambda: client.labels.progress(name).ready_pages, 30)
    wait_for(lambda: client.selection.get(name).phase == "SEED", 10)
    (lease,) = client.labels.lease(name, "ann")
    assert (lease.page.kind, lease.page.class_id) == ("CLUSTER", 0)
    ids = client.catalog.add_classes(name, CLASSES).by_name()
    client.labels.submit(name, lease.token, [Judgement(ids["red"], Verdict.IS, lease.page.rows)])
    wait_for(lambda: client.selection.get(name).model, 30)
    (lease,) = wait_for(lambda: client.labels.lease(name, "ann"), 10)
    assert lease.page.kind == "VERIFY"


def test_a_target_is_proved_class_by_class_and_a_class_that_comes_later_is_asked_about(
    scenes: Scenes,
) -> None:
    known = scenes.known()
    settings = Settings(targets=(0.95,), check_every=1, stall_seconds=120)
    outcome = simulate(scenes.client, scenes.name, known, CostModel(), settings, seed=3)
    (reached,) = outcome.milestones
    assert (reached.ended, reached.proved_accuracy >= 0.95) == ("certificate", True)
    assert reached.accuracy >= 0.95
    assert outcome.pages["AUDIT"] >= 3
    certified = {each.class_id for each in outcome.audits if each.state == "CERTIFIED"}
    assert certified == set(known.class_ids[: len(CLASSES)].tolist())
    assert all(each.bound <= 0.05 for each in outcome.audits if each.state == "CERTIFIED")
    labels = scenes.client.labels.labels(scenes.name)
    assert 0 < (~labels.by_people).sum() < IMAGES
    done = outcome.curve[-1]
    assert (done.labelled, done.by_model) == labels.counts
    assert done.labelled + done.by_model == len(CLASSES) * IMAGES

    client = scenes.client
    nobody = client.catalog.add_classes(scenes.name, ["unicorn"]).by_name()["unicorn"]
    wait_for(lambda: client.selection.get(scenes.name).phase != "DONE", 20)
    looked_at = 0
    while client.selection.get(scenes.name).phase != "DONE":
        for lease in client.labels.lease(scenes.name, "simulated-3"):
            assert lease.page.class_id == nobody
            looked_at += len(lease.page.rows)
            none = Judgement(nobody, Verdict.IS_NOT, lease.page.rows)
            client.labels.submit(scenes.name, lease.token, [none])
    assert looked_at == 192  # images, then nobody looks for it any more
    head = client.training.heads(scenes.name)[0]
    assert nobody not in head.class_ids


def test_what_takes_one_class_an_image_is_refused(scenes: Scenes) -> None:
    selection, known = scenes.client.selection, scenes.known()
    with pytest.raises(InvalidArgument):
        selection.start(scenes.name, policy="margin")
    selection.start(scenes.name, space=GRID.model)
    with pytest.raises(Conflict, match="several classes"):
        selection.forecast(scenes.name)
    with pytest.raises(InvalidArgument):
        known.labeller(CostModel(), miss_rate=0, seed=0, at_random=True)
