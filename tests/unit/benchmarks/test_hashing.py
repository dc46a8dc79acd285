"""The parts of the benchmark of hashing that need no service."""

import io
from pathlib import Path

import pytest
from PIL import Image

from hundredfold.chassis.errors import InvalidArgument
from tests.benchmarks.hashes.photographs import cases, found
from tests.benchmarks.hashes.rounds import Spent, rate, ratio, turns
from tests.benchmarks.hashing import measure


def photographs(folder: Path, count: int) -> None:
    for number in range(count):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(folder / f"{number}.jpg")


def test_each_case_has_images_of_its_size(tmp_path: Path) -> None:
    photographs(tmp_path, 8)
    sizes = {}
    for name, made in cases(found(str(tmp_path), 5)):
        data = made()
        sizes[name] = len(data), {Image.open(io.BytesIO(each)).size for each in data}
    assert sizes == {
        "as they are": (5, {(40, 30)}),
        "500x375": (5, {(500, 375)}),
        "500x375 progressive": (5, {(500, 375)}),
        "1600x1200": (1, {(1600, 1200)}),
        "1600x1200 of 16 photographs": (1, {(1600, 1200)}),
    }


def test_the_same_photographs_are_drawn_each_time(tmp_path: Path) -> None:
    photographs(tmp_path, 9)
    assert found(str(tmp_path), 4) == found(str(tmp_path), 4)


@pytest.mark.parametrize("folder", ["", "/nowhere"])
def test_a_folder_must_be_given(folder: str) -> None:
    with pytest.raises(InvalidArgument, match="folder"):
        measure(print, folder=folder)


def test_contenders_take_turns_and_the_first_round_does_not_count() -> None:
    calls: list[str] = []
    clock = iter(float(each) for each in range(100))
    contenders = {name: (lambda name=name: calls.append(name)) for name in ("a", "b")}
    spent = turns(contenders, 3, processor=lambda: next(clock))
    assert calls == ["a", "b"] * 4
    assert [len(each) for each in spent.values()] == [3, 3]
    assert rate(spent["a"], 50)["images_a_cpu_second"] == 50.0


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    one = [Spent(1.0, 1.0), Spent(2.0, 1.0), Spent(1.0, 1.0)]
    other = [Spent(3.0, 1.0), Spent(2.0, 1.0), Spent(4.0, 1.0)]
    assert ratio(one, other) == 3.0
