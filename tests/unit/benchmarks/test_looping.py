"""The parts of the benchmark of the loop that need no services."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.cli.output import plain
from hundredfold.client.simulation import Milestone, Outcome, Point
from hundredfold.client.simulation.outcome import Checkpoint, Rates
from tests.benchmarks.loop import measure, numbers
from tests.benchmarks.looping.plot import draw
from tests.benchmarks.looping.results import Results, table
from tests.benchmarks.looping.rows import ROWS, SOURCES, chosen

RATES = Rates(1.0, 2.0, 3.0, 2.0, 3.0)


def outcome(seconds: float, accuracy: float = 0.96) -> dict[str, Any]:
    """What a run came to, as it is kept."""
    curve = [
        Point(seconds * share, 10.0, 4, 100, 0, accuracy * share**0.3, 0.0, 0.0)
        for share in (0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    reached = Milestone(
        target=0.95,
        ended="certificate",
        seconds=seconds,
        speedup=3 * 1000 * 0.95 / seconds,
        speedup_over_good_tool=2.4 * 1000 * 0.95 / seconds,
        actions=10,
        decisions=20,
        labelled=100,
        accuracy=accuracy,
        proved_accuracy=0.951,
        waiting_seconds=1.0,
        backbone_seconds=60.0,
        pages={"VERIFY": 20},
        rates=RATES,
    )
    checks = [
        Checkpoint(0.95, share, 9.0, 8.0, 10.0, 9.5, inside=share > 0.3) for share in (0.2, 0.6)
    ]
    told = Outcome(0, 1000, 10, milestones=[reached], checkpoints=checks, curve=curve)
    return dict(plain(told))


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "loop.jsonl"
    Results(path, 0).add(("clothing", "system", 0), outcome=outcome(200.0))
    Results(path, 0).add(("clothing", "system", 1), error="it stalled")
    assert Results(path, 0).done() == {("clothing", "system", 0)}
    assert Results(path, 200).done() == set()


def test_a_line_that_was_half_written_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "loop.jsonl"
    results = Results(path, 0)
    results.add(("clothing", "system", 0), outcome=outcome(200.0))
    path.write_text(path.read_text("utf-8") + '{"collection": "clo', "utf-8")
    assert len(results.lines()) == 1


def test_the_table_has_medians_ranges_and_what_held(tmp_path: Path) -> None:
    results = Results(tmp_path / "loop.jsonl", 0)
    for seed, (seconds, accuracy) in enumerate([(200.0, 0.96), (285.0, 0.94), (300.0, 0.97)]):
        results.add(("clothing", "system", seed), outcome=outcome(seconds, accuracy))
    cell = table(results.lines())["clothing"]["system"]
    assert cell["seeds"] == 3
    assert cell["95%"]["x"] == 10.0
    assert cell["95%"]["x_range"] == [9.5, 14.2]
    assert cell["95%"]["held"] == 0.667
    assert cell["forecasts_inside"] == 0.5


def test_the_newest_of_two_measures_counts(tmp_path: Path) -> None:
    results = Results(tmp_path / "loop.jsonl", 0)
    results.add(("clothing", "system", 0), outcome=outcome(200.0))
    results.add(("clothing", "system", 0), outcome=outcome(285.0))
    cell = table(results.lines())["clothing"]["system"]
    assert (cell["seeds"], cell["95%"]["x"]) == (1, 10.0)


def test_rows_and_collections_are_named(tmp_path: Path) -> None:
    assert [each.name for each in chosen("cifar10, clothing", SOURCES)] == ["clothing", "cifar10"]
    assert len(chosen("", ROWS)) == len({each.name for each in ROWS}) == len(ROWS)
    with pytest.raises(InvalidArgument, match="shoes is none of clothing"):
        chosen("shoes", SOURCES)


def test_a_collection_that_is_not_there_is_skipped_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "clothing").mkdir()
    (tmp_path / "clothing" / "labels.csv").write_text("path,label\n", "utf-8")
    reasons = [each.reason_to_skip(tmp_path) for each in SOURCES]
    assert reasons == [
        "",
        "there is no caltech101/labels.csv",
        "there is no cifar10/images.parquet",
    ]


def test_seeds_are_a_number_or_a_list() -> None:
    assert (numbers("3"), numbers("2,"), numbers("0,2")) == ([0, 1, 2], [2], [0, 2])


def test_with_nothing_left_to_measure_no_service_is_started(tmp_path: Path) -> None:
    results = tmp_path / "loop.jsonl"
    told = measure(print, folder=str(tmp_path), results=str(results), plot="")
    assert set(told["skipped"]) == {"clothing", "caltech101", "cifar10"}
    assert told["table"] == {}


def test_the_curves_are_drawn(tmp_path: Path) -> None:
    results = Results(tmp_path / "loop.jsonl", 0)
    for collection in ("clothing", "cifar10"):
        for row in ("system", "no-fine-tuning", "random-pages"):
            results.add((collection, row, 0), outcome=outcome(200.0))
    draw(results.lines(), tmp_path / "images" / "loop.png")
    with Image.open(tmp_path / "images" / "loop.png") as picture:
        assert picture.width > picture.height > 400


def test_without_a_curve_nothing_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument):
        draw([], tmp_path / "loop.png")
