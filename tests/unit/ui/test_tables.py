"""Amounts as people read them."""

import time

import pytest

from hundredfold.chassis.run_book import State
from hundredfold.client.types import Run
from ui.views.tables import duration, literal, percent, size, time_left


def a_run(**fields: object) -> Run:
    usual: dict[str, object] = {
        "service": "catalog",
        "run_id": "1",
        "kind": "ingest",
        "collection": "birds",
        "state": State.RUNNING,
        "done": 10,
        "total": 40,
        "unit": "images",
        "message": "",
        "error": "",
        "parameters": {},
        "result": {},
        "created_at": 0.0,
        "started_at": time.time() - 20,
        "finished_at": 0.0,
    }
    return Run(**usual | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (23_000_000, "23 MB"), (4.2e12, "4200 GB")],
)
def test_sizes_are_in_the_unit_that_fits(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(3, "3 s"), (89, "89 s"), (600, "10 min"), (7_200, "2.0 h")]
)
def test_times_are_in_the_unit_that_fits(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_shares_have_as_many_digits_as_they_need() -> None:
    assert [percent(each) for each in (0.95, 0.985, 1)] == ["95 %", "98.5 %", "100 %"]


def test_the_time_left_is_by_the_pace_so_far() -> None:
    assert time_left(a_run()) == "60 s left"


@pytest.mark.parametrize(
    "fields", [{"done": 0}, {"total": 0}, {"started_at": 0.0}, {"state": State.SUCCEEDED}]
)
def test_nothing_is_promised_before_anything_is_known(fields: dict[str, object]) -> None:
    assert time_left(a_run(**fields)) == ""


def test_names_from_data_are_no_markdown() -> None:
    assert literal("![x](http://a)") == r"\!\[x\]\(http\:\/\/a\)".replace(r"\/", "/")
    assert literal(":material/home: $x$ *b*") == r"\:material/home\: \$x\$ \*b\*"
