"""From a folder to the first page: `hundredfold bench bootstrap --option folder=PHOTOGRAPHS`.

The services are up, and the backbone is there, before the clock starts. Seconds are wall seconds on this machine, beside the
CPU seconds of all processes from their start to their end.
"""

import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.testing import wait_for
from hundredfold.client import pipeline
from hundredfold.client.types import Run
from tests.e2e.system import System, running

_SECONDS = 300


def measure(
    say: Callable[[str], None], *, folder: str = "", precisions: str = "float32,auto"
) -> dict[str, Any]:
    """Bootstrap a folder once with each setting of the embedding service's precision.

    Args:
        say: progress, in words.
        folder: of images.
        precisions: settings, with commas between them.
    """
    source = Path(folder).absolute()
    if not folder or not source.is_dir():
        raise InvalidArgument("give --option folder=IMAGES, a folder of images")
    return {each: _measured(say, source, each) for each in precisions.split(",")}


def _measured(say: Callable[[str], None], source: Path, precision: str) -> dict[str, Any]:
    before = _processor_seconds()
    settings = {"HUNDREDFOLD_EMBEDDING_PRECISION": precision}
    with (
        tempfile.TemporaryDirectory() as scratch,
        running(
            Path(scratch) / "store", "--no-ui", sources=str(source), settings=settings
        ) as system,
    ):
        wait_for(lambda: system.serving("embedding") and _has_model(system), 120, "the model")
        begun = time.time()
        runs = _bootstrapped(system, source, _Teller(say))
        ended = time.time()
    return {
        "images": runs[0].result["images"],
        "precision": next(run.result["precision"] for run in runs if run.kind == "embed"),
        "seconds_to_first_page": round(ended - begun, 1),
        "cpu_seconds_of_all_processes": round(_processor_seconds() - before, 1),
        "stages": stages(runs, begun, ended),
    }


def stages(runs: Sequence[Run], begun: float, ended: float) -> dict[str, dict[str, float]]:
    """Seconds and share of each run, of what is between them, and of the loop's first page."""
    seconds = {f"{run.service} {run.kind}": run.finished_at - run.started_at for run in runs}
    last = max(run.finished_at for run in runs)
    seconds["between runs"] = last - begun - sum(seconds.values())
    seconds["first page"] = ended - last
    return {
        name: {"seconds": round(each, 1), "share": round(each / (ended - begun), 2)}
        for name, each in seconds.items()
    }


def _bootstrapped(system: System, source: Path, teller: "_Teller") -> tuple[Run, ...]:
    made = pipeline.bootstrap(system.client, str(source), "bench", pipeline.Options({}), teller)
    wait_for(lambda: system.client.labels.progress("bench").ready_pages, _SECONDS, "a page")
    return made.runs


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def _has_model(system: System) -> bool:
    return any(each.ready for each in system.client.embedding.models())


class _Teller:
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def __call__(self, run: Run) -> None:
        if run.state.ended:
            self._say(f"{run.service} {run.kind}: {run.state.lower()}, {run.done:,} {run.unit}")
