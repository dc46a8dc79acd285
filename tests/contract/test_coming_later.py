"""Images that come to a collection later: they are placed on the map there is; and what nobody labelled is found."""

import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from hundredfold.chassis.errors import Conflict
from hundredfold.cli.__main__ import hundredfold
from hundredfold.client import Client, pipeline
from hundredfold.client.pipeline import Bootstrapped, Options
from hundredfold.client.truth import read_truth
from hundredfold.client.types import Judgement, Verdict
from tests.contract.town import GRID, Town, town_at

OPTIONS = Options(columns={}, expected_classes=3, model=GRID.model, find_copies=False)
NUMBERS = itertools.count(1)
FIRST, LATER = 60, 8


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town_at(tmp_path_factory.mktemp("town")) as town:
        yield town


@dataclass
class Album:
    """A collection of its own, and the folder that its images come from."""

    town: Town
    name: str

    @property
    def client(self) -> Client:
        return self.town.client

    def bring(self, begin: int, end: int) -> Bootstrapped:
        """Put some more images into the folder, and take that in."""
        folder = self.town.folder / self.name
        folder.mkdir(exist_ok=True)
        for file in sorted(self.town.images.glob("*.png"))[begin:end]:
            shutil.copy(file, folder)
        return pipeline.bootstrap(self.client, str(folder), self.name, OPTIONS)

    def label(self, rows: NDArray[np.int64], class_id: int) -> None:
        leased = self.client.labels.lease_rows(self.name, "ann", rows, class_id)
        assert leased is not None
        judged = Judgement(class_id, Verdict.IS, leased.page.rows)
        self.client.labels.submit(self.name, leased.token, [judged])


@pytest.fixture
def album(town: Town) -> Album:
    return Album(town, f"album-{next(NUMBERS)}")


def kinds(made: Bootstrapped) -> list[str]:
    return [each.kind for each in made.runs]


def test_a_pipeline_that_is_run_again_places_new_images_on_the_map(album: Album) -> None:
    index = album.client.index
    made = album.bring(0, FIRST)
    assert "project" not in kinds(made)  # nobody asked for a map
    first = index.runs.wait(index.project(album.name, GRID.model).run_id)
    before = index.map(album.name)
    assert len(before.rows) == FIRST

    again = album.bring(0, FIRST)
    assert (kinds(again)[-1], again.runs[-1].result) == ("project", first.result)

    more = album.bring(FIRST, FIRST + LATER)
    after = index.map(album.name)
    assert more.runs[-1].result["points"] == FIRST + LATER
    assert np.array_equal(after.points[:FIRST], before.points)
    assert np.array_equal(after.rows, np.arange(FIRST + LATER))


def test_a_pipeline_leaves_the_map_of_a_space_that_is_gone(album: Album) -> None:
    client = album.client
    album.bring(0, FIRST)
    vectors = album.town.folder / "theirs.npy"
    np.save(vectors, np.random.default_rng(0).normal(size=(FIRST, 8)).astype(np.float32))
    imported = client.embedding.import_vectors(album.name, str(vectors), space="theirs@1")
    client.embedding.runs.wait(imported.run_id)
    client.index.runs.wait(client.index.project(album.name, "theirs@1").run_id)
    before = client.index.map(album.name)
    shutil.rmtree(Path(album.town.store.root) / "collections" / album.name / "vectors" / "theirs@1")
    assert "project" not in kinds(album.bring(FIRST, FIRST + LATER))
    assert np.array_equal(client.index.map(album.name).points, before.points)


def command(*arguments: str) -> Any:
    answer = CliRunner().invoke(hundredfold, arguments, catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout) if "--json" in arguments else answer.output


def test_gaps_lists_what_a_class_would_be_that_nobody_has_named(album: Album) -> None:
    album.bring(0, FIRST)
    truth = read_truth(album.town.images / "labels.csv", several=True)
    keys = [f"{row:03d}.png" for row in range(FIRST)]
    red = np.array([row for row, key in enumerate(keys) if truth.get(key) == "red"])
    bare = np.array([row for row, key in enumerate(keys) if not truth.get(key)])
    ids = album.client.catalog.add_classes(album.name, ["red", "bare"]).by_name()
    album.label(red, ids["red"])
    album.label(bare, ids["bare"])

    found = command("gaps", album.name, "--examples", "3", "--json")
    assert (found["space"], found["images"]) == (GRID.model, FIRST)
    assert found["unlabelled"] == FIRST - len(red) - len(bare)
    assert [(each["way"], each["end"]) for each in found["ends"]] == [
        (1, "low"),
        (1, "high"),
        (2, "low"),
        (2, "high"),
    ]
    # Green patches are what the labels tell nothing of: one end has them, the other does not.
    green = [
        sum("green" in truth[image["key"]] for image in each["images"]) for each in found["ends"]
    ]
    assert sorted(green[:2]) == [0, 3]
    assert found["ends"][0]["share"] >= found["ends"][2]["share"] > 0
    assert f"{found['unlabelled']} of {FIRST} images" in command("gaps", album.name)


def test_gaps_says_so_when_everything_has_a_label(album: Album) -> None:
    album.bring(0, FIRST)
    ids = album.client.catalog.add_classes(album.name, ["any"]).by_name()
    album.label(np.arange(FIRST), ids["any"])
    with pytest.raises(Conflict, match="label"):
        command("gaps", album.name)
