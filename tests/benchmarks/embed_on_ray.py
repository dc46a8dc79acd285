"""EmbedCollection by a worker on Ray beside threads: `hundredfold bench embed_on_ray --option folder=PHOTOGRAPHS`.

A cluster of one node on this machine, so that both have the same cores; in turns, each with few images and with
many. `start_cpu_seconds` is what a run costs before its first image: on Ray a process that loads the model. Images
a CPU second are those beyond that start, from files that are not in the page cache to stored vectors, and
CPU seconds are those of all processes, Ray's own too. Whether both make the same bytes is told as well.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from hundredfold.chassis.engine import engine
from hundredfold.embedding.backends.onnx import cores
from hundredfold.embedding.backends.openvino import OpenVinoBackend
from tests.benchmarks.embedding.bench import Photographs
from tests.benchmarks.embedding.processes import Processes
from tests.benchmarks.hashes.photographs import found
from tests.benchmarks.hashes.rounds import Spent, turns
from tests.ray_nodes import ray_nodes


def measure(
    say: Callable[[str], None],
    *,
    folder: str = "",
    images: str = "2400",
    few: str = "300",
    rounds: str = "3",
) -> dict[str, Any]:
    """Measure.

    Args:
        say: progress, in words.
        folder: of photographs.
        images: in each turn with many; the photographs are taken again and again.
        few: in each turn with few, and how many photographs.
        rounds: how many turns each contender has.
    """
    sizes, threads = {"few": int(few), "many": int(images)}, cores()
    photographs = found(folder, int(few))
    with (
        tempfile.TemporaryDirectory() as scratch,
        ray_nodes(threads),
        engine("ray") as cluster,
        Processes.watched() as processes,
    ):
        contenders: dict[str, Callable[[], object]] = {}
        same = []
        for size, count in sizes.items():
            bench = Photographs(Path(scratch) / size, photographs, count, threads)
            backend = OpenVinoBackend(bench.repository, threads)
            contenders[f"threads {size}"] = partial(bench.embed, backend)
            contenders[f"ray {size}"] = partial(bench.embed, backend, cluster)
            same.append(np.array_equal(bench.embed(backend), bench.embed(backend, cluster)))
        say(f"the same bytes: {same}")
        spent = turns(contenders, int(rounds), processor=processes.spent)
    told = {
        name: _told(spent[f"{name} few"], spent[f"{name} many"], sizes)
        for name in ("threads", "ray")
    }
    return {"images": sizes, "rounds": int(rounds), "cores": threads, "same": all(same)} | told


def _told(few: list[Spent], many: list[Spent], sizes: dict[str, int]) -> dict[str, float]:
    short, long = (median(each.processor for each in some) for some in (few, many))
    each = (long - short) / (sizes["many"] - sizes["few"])
    return {
        "images_a_cpu_second": round(1 / each, 1),
        "start_cpu_seconds": round(short - each * sizes["few"], 2),
        "images_a_second": round(sizes["many"] / median(turn.wall for turn in many), 1),
    }
