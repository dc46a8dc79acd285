"""Options of benchmarks."""

import pytest
from click import BadParameter

from hundredfold.cli.bench import _told


def untold(say: object) -> None:
    """A benchmark that can't be told anything."""


def told(say: object, *, seeds: str = "3", folder: str = "") -> None:
    """A benchmark with options."""


def test_options_become_arguments_of_the_benchmark() -> None:
    assert _told(told, ["seeds=1", "folder=a=b"]) == {"seeds": "1", "folder": "a=b"}
    assert _told(untold, []) == {}


@pytest.mark.parametrize("option", ["seeds", "images=3", "say=1"])
def test_an_option_that_there_is_not_is_wrong_usage(option: str) -> None:
    with pytest.raises(BadParameter, match="seeds, folder"):
        _told(told, [option])


def test_a_benchmark_without_options_says_so() -> None:
    with pytest.raises(BadParameter, match="none"):
        _told(untold, ["seeds=1"])
