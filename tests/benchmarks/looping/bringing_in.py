"""The running system and the collections that whole-system benchmarks are made on."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.client import Client, pipeline, simulation
from hundredfold.client.simulation import Known
from hundredfold.client.truth import read_truth
from tests.benchmarks.looping.rows import Source
from tests.e2e.system import running, wait_for


def folder_of(option: str) -> Path:
    """The folder of the collections."""
    root = Path(option or os.environ.get("HUNDREDFOLD_BENCH_COLLECTIONS", ""))
    if not root.parts or not root.is_dir():
        raise InvalidArgument("give --option folder=DATA, or set HUNDREDFOLD_BENCH_COLLECTIONS")
    return root.absolute()


def numbers(given: str) -> list[int]:
    """`3` = 0, 1, 2; `0,2` = those; `2,` = that one."""
    if "," in given:
        return [int(each) for each in given.split(",") if each.strip()]
    return list(range(int(given)))


@contextmanager
def system(store: str, root: Path) -> Iterator[tuple[Client, Path]]:
    """A client of the services, with a backbone to embed with, and their store: a temporary one when empty."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(store).absolute() if store else Path(scratch) / "store"
        with running(place, "--no-ui", sources=str(root)) as services:
            wait_for(lambda: services.serving("embedding"), 300, "the embedding service")
            models = services.client.embedding.models
            wait_for(lambda: any(each.ready for each in models()), 300, "a backbone")
            yield services.client, place


def bring_in(
    client: Client, name: str, folder: Path, source: Source, *, limit: int = 0, find_copies: bool
) -> tuple[Known, str]:
    """A collection, embedded and clustered if it is not yet; its truth, and its space."""
    truth = read_truth(folder / source.truth)
    options = pipeline.Options(
        columns={**dict(source.columns), "limit": limit},
        expected_classes=len(set(truth.values())),
        find_copies=find_copies,
    )
    made = pipeline.bootstrap(client, str(folder / source.images), name, options)
    embedded = next(run for run in made.runs if run.service == "embedding")
    return simulation.prepare(client, name, truth), embedded.result["space"]
