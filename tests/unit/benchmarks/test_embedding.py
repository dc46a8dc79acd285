"""The parts of the benchmarks of embedding and of bootstrap that need no service."""

from types import SimpleNamespace
from typing import Any

import pytest

from hundredfold.chassis.errors import InvalidArgument
from tests.benchmarks import bootstrap, embed


def run(service: str, kind: str, begun: float, ended: float) -> Any:
    return SimpleNamespace(service=service, kind=kind, started_at=begun, finished_at=ended)


def test_the_stages_of_a_bootstrap_add_up() -> None:
    runs = [run("catalog", "ingest", 100, 104), run("embedding", "embed", 105, 115)]
    told = bootstrap.stages(runs, 100, 120)
    assert told == {
        "catalog ingest": {"seconds": 4, "share": 0.2},
        "embedding embed": {"seconds": 10, "share": 0.5},
        "between runs": {"seconds": 1, "share": 0.05},
        "first page": {"seconds": 5, "share": 0.25},
    }


@pytest.mark.parametrize("folder", ["", "/nowhere"])
def test_without_photographs_the_option_is_named(folder: str) -> None:
    for measure in (bootstrap.measure, embed.measure):
        with pytest.raises(InvalidArgument, match="folder="):
            measure(lambda _: None, folder=folder)
