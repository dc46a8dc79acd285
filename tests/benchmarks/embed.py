"""EmbedCollection at the limit of the model: `hundredfold bench embed --option folder=PHOTOGRAPHS`.

Images a second of the whole run, from files that are not in the page cache to stored vectors, beside the model's bare
loop over ready tensors and the bare loop of decoding, all with the same threads, in turns. Where both stages need
all cores, no pipeline reaches the slower one alone: `cores_shared` is 1 / (1 / model + 1 / decoding). Shares are of
CPU seconds, which other programs disturb less than wall time. Agreement of bf16 is that of all photographs.
"""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.memory import keep_freed_memory
from hundredfold.embedding.backends.base import Backend
from hundredfold.embedding.backends.onnx import OnnxBackend, cores
from hundredfold.embedding.domain.agreement import agreement
from tests.benchmarks.embedding.bench import Photographs
from tests.benchmarks.hashes.photographs import found
from tests.benchmarks.hashes.rounds import Spent, rate, ratio, turns

_MEBIBYTE = 1 << 20
_LOOK_SECONDS = 0.2


def measure(
    say: Callable[[str], None],
    *,
    folder: str = "",
    images: str = "800",
    rounds: str = "3",
    agree: str = "4000",
    memory: str = "0",
) -> dict[str, Any]:
    """Measure.

    Args:
        say: progress, in words.
        folder: of photographs.
        images: in each turn.
        rounds: how many turns each contender has.
        agree: on how many photographs bf16 is compared with float32; 0 = not.
        memory: rows of a collection whose run is watched for its memory; 0 = none.
    """
    threads = cores()
    keep_freed_memory()  # as the service does; the bare loops gain by it too
    with tempfile.TemporaryDirectory() as scratch:
        some = found(folder, int(images))
        bench = Photographs(Path(scratch) / "some", some, int(images), threads)
        backends = _backends(bench, threads)
        told: dict[str, Any] = {"images": int(images), "rounds": int(rounds), "threads": threads}
        told |= _speeds(bench, backends, int(rounds))
        say(f"speeds: {told['shares']}")
        if int(agree) and "bf16" in backends:
            all_of_them = found(folder, int(agree))
            several = Photographs(Path(scratch) / "all", all_of_them, len(all_of_them), threads)
            told["agreement"] = _agreement(several, backends)
            say(f"bf16 with float32: {told['agreement']}")
        if int(memory):
            many = Photographs(Path(scratch) / "many", some, int(memory), threads)
            told["memory"] = _memory(many, backends["float32"])
        return told


def _backends(bench: Photographs, threads: int) -> dict[str, Backend]:
    backends: dict[str, Backend] = {"onnxruntime": OnnxBackend(bench.repository, threads)}
    try:
        from hundredfold.embedding.backends.openvino import OpenVinoBackend, has_bf16  # noqa: PLC0415
    except ImportError as error:
        raise InvalidArgument("install hundredfold[openvino]") from error
    for precision in ("float32", "bf16"):
        if precision == "float32" or has_bf16():
            backends[precision] = OpenVinoBackend(bench.repository, threads, precision)
    return backends


def _speeds(bench: Photographs, backends: dict[str, Backend], rounds: int) -> dict[str, Any]:
    tensors = bench.tensors()
    encoded = [path.read_bytes() for path in bench.paths]
    contenders: dict[str, Callable[[], object]] = {"decoding": lambda: bench.decode(encoded)}
    for name, backend in backends.items():
        contenders[f"model {name}"] = partial(bench.infer, backend, tensors)
        contenders[f"run {name}"] = partial(bench.embed, backend)
    spent = turns(contenders, rounds)
    return {
        "contenders": {name: rate(each, bench.images) for name, each in spent.items()},
        "shares": {name: _shares(spent, name) for name in backends},
        "bf16_times_float32": {
            what: ratio(spent[f"{what} bf16"], spent[f"{what} float32"])
            for what in ("model", "run")
            if "bf16" in backends
        },
    }


def _shares(spent: dict[str, list[Spent]], name: str) -> dict[str, float]:
    """What the run reaches of the slower stage alone, and of both one after the other on the same cores."""
    run, model, decoding = spent[f"run {name}"], spent[f"model {name}"], spent["decoding"]
    pairs = list(zip(model, decoding, strict=True))
    slower = [max(pair, key=lambda each: each.processor) for pair in pairs]
    both = [Spent(one.processor + other.processor, 0) for one, other in pairs]
    wall = np.median(
        [max(a.wall, b.wall) / each.wall for (a, b), each in zip(pairs, run, strict=True)]
    )
    return {
        "of_the_minimum": ratio(run, slower),
        "of_cores_shared": ratio(run, both),
        "of_the_minimum_in_wall_time": round(float(wall), 3),
    }


def _agreement(bench: Photographs, backends: dict[str, Backend]) -> dict[str, float]:
    exact, nearly = (bench.embed(backends[each]) for each in ("float32", "bf16"))
    measured = agreement(exact.astype(np.float32), nearly.astype(np.float32))
    return {
        "images": measured.images,
        "cosine": round(measured.cosine, 5),
        "overlap_of_10_neighbours": round(measured.overlap, 4),
    }


def _memory(bench: Photographs, backend: Backend) -> dict[str, Any]:
    """Resident mebibytes through a run, at its quarters."""
    with _watched() as seen:
        vectors = bench.embed(backend)
    quarters = [int(np.median(part)) for part in np.array_split(seen, 4) if len(part)]
    return {
        "rows": bench.images,
        "mebibytes_in_each_quarter": quarters,
        "most": max(seen),
        "of_them_vectors": vectors.nbytes // _MEBIBYTE,
    }


@contextmanager
def _watched() -> Iterator[list[int]]:
    """The resident mebibytes of this process, looked at every so often."""
    seen: list[int] = []
    ends = threading.Event()

    def look() -> None:
        while not ends.wait(_LOOK_SECONDS):
            pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
            seen.append(pages * os.sysconf("SC_PAGE_SIZE") // _MEBIBYTE)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ends.set()
        thread.join()
