"""Vectors through a real Triton server on this machine: `hundredfold bench triton`.

The default backbone on ready pixels, by the product's own backends: in process, and through a tritonserver
of the nvidia-pytriton wheel with `deploy/triton/backends`, over its connection and through shared memory.
All take turns in one run. The CPU seconds are those of this process and all of the server's; the ratios
are to the better of both ways in process, medians of the rounds. `found out` is the pace of production, which
goes on from round to round; where it was at the end is told.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import DEFAULT_MODEL, ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.backbones.triton import Serving
from hundredfold.chassis.storage.layout import name_and_version
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.base import Backend, unchecked
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.backends.triton import TritonBackend
from hundredfold.embedding.domain.pacing import Pace, Pacing, Setting
from hundredfold.embedding.domain.vectors import unit_vectors
from hundredfold.embedding.gate import Gate
from hundredfold.embedding.provision import Models
from tests.benchmarks.hashes.rounds import Spent, rate, ratio, turns
from tests.contract.triton_server import TritonServer, triton_server

IN_PROCESS, CONNECTION, SHARED = "in process", "connection", "shared memory"
_FOUND_OUT = "found out"
_DEADLINE = 120.0


def measure(
    say: Callable[[str], None],
    *,
    images: str = "384",
    rounds: str = "3",
    sizes: str = "found out,16x4,8x4,32x3",
    instances: str = "1",
) -> dict[str, Any]:
    """Measure; `sizes` are paces for Triton: images a call x calls in flight, `instances` those of its model."""
    with TemporaryDirectory() as scratch:
        store = ArtifactStore(f"{scratch}/store")
        models = Models(ModelRepository(store), store.root, DEFAULT_MODEL)
        say(f"making {DEFAULT_MODEL}")
        card = models.find(DEFAULT_MODEL)
        name, _ = name_and_version(card.model)
        models.repository.configure(name, Serving(instances=int(instances)))
        with _backends(models.repository, Path(scratch), sizes.split(",")) as (server, backends):
            pixels = _pixels(card, int(images))
            alike = _agreement(backends, card, pixels)
            say(f"least cosine to {IN_PROCESS}: {min(alike.values())}")
            contenders = _contenders(backends, card, pixels)
            spent = turns(contenders, int(rounds), processor=lambda: _processor(server))
            paces = {
                name: f"{each.pace.images}x{each.pace.calls}" for name, each in backends.items()
            }
    for name, each in spent.items():
        say(f"{name}: {rate(each, int(images))}")
    told = _told(spent, int(images), int(rounds))
    return told | {"paces": paces, "least_cosine": alike}


def _told(spent: Mapping[str, list[Spent]], images: int, rounds: int) -> dict[str, Any]:
    speed = {name: rate(each, images) for name, each in spent.items()}
    inside = [name for name in spent if name.startswith(IN_PROCESS)]
    best = max(inside, key=lambda name: speed[name]["images_a_cpu_second"])
    fastest = max(inside, key=lambda name: speed[name]["images_a_second"])
    others = [name for name in spent if name not in inside]
    return {
        "images": images,
        "rounds": rounds,
        "speed": speed,
        "of_in_process_by_cpu": {name: ratio(spent[name], spent[best]) for name in others},
        "of_in_process_by_wall": {name: _wall(spent[name], spent[fastest]) for name in others},
    }


def _wall(one: list[Spent], other: list[Spent]) -> float:
    pairs = zip(one, other, strict=True)
    return round(median(right.wall / left.wall for left, right in pairs), 3)


@contextmanager
def _backends(
    repository: ModelRepository, scratch: Path, sizes: list[str]
) -> Iterator[tuple[TritonServer, dict[str, Backend]]]:
    """The server, and what takes turns with the backend in process, by name."""
    (scratch / "server").mkdir()
    with (
        triton_server(scratch / "store" / "models", scratch / "server") as server,
        ExitStack() as stack,
    ):
        backends: dict[str, Backend] = {
            IN_PROCESS: stack.enter_context(closing(OnnxBackend(repository)))
        }
        for size in sizes:
            for way in (CONNECTION, SHARED):
                backend = TritonBackend(
                    server.url,
                    _DEADLINE,
                    shared_memory=way == SHARED,
                    reference=OnnxBackend(repository),
                    pace=_pace(size),
                )
                backends[f"{way} {size}"] = stack.enter_context(closing(backend))
        yield server, backends


def _pace(size: str) -> Pacing | None:
    """One that stays as it is; None for the one that is found out."""
    if size == _FOUND_OUT:
        return None
    images, calls = map(int, size.split("x"))
    fixed = Setting(images, calls)
    return Pacing(fixed, fixed, _DEADLINE, fixed)


def _pixels(card: ModelCard, images: int) -> NDArray[np.uint8]:
    side = card.input_pixels
    return np.random.default_rng(0).integers(0, 256, (images, side, side, 3), dtype=np.uint8)


def _agreement(
    backends: Mapping[str, Backend], card: ModelCard, pixels: NDArray[np.uint8]
) -> dict[str, float]:
    found = {
        name: unit_vectors(backend.embed(card, pixels[:8], seconds=_DEADLINE))[0]
        for name, backend in backends.items()
    }
    return {
        name: round(float((each * found[IN_PROCESS]).sum(axis=1).min()), 6)
        for name, each in found.items()
        if name != IN_PROCESS
    }


def _contenders(
    backends: Mapping[str, Backend], card: ModelCard, pixels: NDArray[np.uint8]
) -> dict[str, Callable[[], object]]:
    inside = backends[IN_PROCESS]
    calls = inside.pace.calls
    found = {
        f"{IN_PROCESS} {size}x{calls}": partial(_all, inside, Setting(size, calls), card, pixels)
        for size in (inside.pace.images, 2 * inside.pace.images)
    }
    others = {
        name: partial(_all, backend, backend.pace, card, pixels)
        for name, backend in backends.items()
        if backend is not inside
    }
    return found | others


def _all(backend: Backend, pace: Pace, card: ModelCard, pixels: NDArray[np.uint8]) -> None:
    """Embed all images, at a pace that may change meanwhile."""
    gate, taking, begin = Gate(lambda: pace.calls), threading.Lock(), 0

    def take() -> NDArray[np.uint8]:
        nonlocal begin
        with taking:
            some = pixels[begin : begin + pace.images]
            begin += len(some)
            return some

    def work() -> None:
        while len(some := take()):
            with gate.place(unchecked):
                backend.embed(card, some, seconds=_DEADLINE)

    with ThreadPoolExecutor(pace.most_calls) as pool:
        for done in [pool.submit(work) for _ in range(pace.most_calls)]:
            done.result()


def _processor(server: TritonServer) -> float:
    """CPU seconds of this process and of the server with its model processes."""
    return time.process_time() + server.processor()
