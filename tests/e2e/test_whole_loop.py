"""From a folder to exported labels, by the command line and a simulated labeller."""

import csv
from pathlib import Path

import pytest

from tests.e2e.conftest import DIGITS
from tests.e2e.system import System

pytestmark = pytest.mark.e2e


def test_a_folder_is_labelled_to_the_target_and_exported(system: System, digits: Path) -> None:
    system.run("bootstrap", str(digits), "--collection", "simulated", "--expected-classes", "10")
    report = system.run(
        *("simulate", "simulated", "--truth", str(digits / "labels.csv")),
        *("--target", "0.9", "--stop", "truth", "--without", "fine-tuning"),
    )
    assert report["reached"]
    assert report["targets"][0]["speedup"] > 1

    status = system.run("status", "simulated")
    assert status["collection"]["images"] == DIGITS + 3
    assert status["collection"]["failed"] == 1
    assert status["progress"]["total"] == DIGITS
    parts = ("labelled", "unsure", "leased", "ready", "pool")
    assert sum(status["progress"][each] for each in parts) == DIGITS

    out = digits.parent / "labels.csv"
    exported = system.run("export", "simulated", "--format", "csv", "--out", str(out))
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert exported["verified"] is True
    assert len(rows) == exported["labelled"] >= status["progress"]["labelled"]


def test_a_second_bootstrap_takes_nothing_new(system: System, digits: Path) -> None:
    made = system.run("bootstrap", str(digits), "--collection", "digits")
    ingested = made["runs"][0]["result"]
    assert (ingested["images"], ingested["new"]) == (DIGITS + 3, 0)


def test_copies_are_found(system: System) -> None:
    found = system.run("duplicates", "digits", "--radius", "0")
    assert found["copy_count"] == 2


def test_an_image_finds_itself(system: System, digits: Path) -> None:
    image = digits / "images" / "0005.png"
    found = system.run("search", "digits", "--image", str(image), "--limit", "3")
    assert found[0]["key"].endswith("0005.png")
    assert found[0]["similarity"] > 0.999


def test_an_unknown_collection_is_an_error_with_a_reason(system: System) -> None:
    with pytest.raises(AssertionError, match="NOT_FOUND"):
        system.run("status", "nowhere")


def test_a_folder_without_images_is_an_error_with_a_reason(system: System, digits: Path) -> None:
    empty = digits.parent / "empty"
    empty.mkdir()
    with pytest.raises(AssertionError, match=r"there is no image in .*NO_IMAGES"):
        system.run("bootstrap", str(empty), "--collection", "empty")
