"""From a folder to the first page: `HUNDREDFOLD_BENCH_IMAGES=folder hundredfold bench bootstrap`.

The services are up before the clock starts. Seconds are wall seconds on this machine; the bare model
over the same images, alone on the machine, is the limit that is given beside them.
"""

import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.client import pipeline
from hundredfold.client.types import Run
from tests.e2e.system import running, wait_for


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Bootstrap the folder once and time each step."""
    folder = os.environ.get("HUNDREDFOLD_BENCH_IMAGES", "")
    if not Path(folder).is_dir():
        raise InvalidArgument("set HUNDREDFOLD_BENCH_IMAGES to a folder of images")
    with (
        tempfile.TemporaryDirectory() as scratch,
        running(Path(scratch) / "store", "--no-ui", sources=folder) as system,
    ):
        client = system.client
        wait_for(lambda: system.serving("embedding") and _has_model(client), 120, "the model")
        begun = time.monotonic()
        source = str(Path(folder).absolute())
        made = pipeline.bootstrap(client, source, "bench", pipeline.Options({}), _Teller(say))
        wait_for(lambda: client.labels.progress("bench").ready_pages, 120, "a page")
        seconds = time.monotonic() - begun
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "images": made.runs[0].result["images"],
        "seconds_to_first_page": round(seconds, 1),
        "cpu_seconds_of_all_processes": round(children.ru_utime + children.ru_stime, 1),
        "steps": {
            f"{run.service} {run.kind}": round(run.finished_at - run.started_at, 1)
            for run in made.runs
        },
    }


def _has_model(client: Any) -> bool:
    return any(each.ready for each in client.embedding.models())


class _Teller:
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def __call__(self, run: Run) -> None:
        if run.state.ended:
            self._say(f"{run.service} {run.kind}: {run.state.lower()}, {run.done:,} {run.unit}")
