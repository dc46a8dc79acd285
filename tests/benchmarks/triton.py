"""Vectors through a real Triton server on this machine: `hundredfold bench triton`.

The default backbone on ready pixels, by the product's own backends: in process, and through a tritonserver
of the nvidia-pytriton wheel with `deploy/triton/backends`, over its connection and through shared memory.
All take turns in one run. The CPU seconds are those of this process and all of the server's; the ratios
are to the better of both ways in process, medians of the rounds.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
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
from hundredfold.embedding.backends.base import Backend
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.backends.triton import TritonBackend
from hundredfold.embedding.domain.vectors import unit_vectors
from hundredfold.embedding.provision import Models
from tests.benchmarks.hashes.rounds import Spent, rate, ratio, turns
from tests.contract.triton_server import TritonServer, triton_server

IN_PROCESS, CONNECTION, SHARED = "in process", "connection", "shared memory"
_DEADLINE = 120.0


def measure(
    say: Callable[[str], None],
    *,
    images: str = "384",
    rounds: str = "3",
    sizes: str = "16x4,8x4,32x3",
    instances: str = "1",
) -> dict[str, Any]:
    """Measure; `sizes` are images a call x calls in flight, for Triton, `instances` those of its model."""
    with TemporaryDirectory() as scratch:
        store = ArtifactStore(f"{scratch}/store")
        models = Models(ModelRepository(store), store.root, DEFAULT_MODEL)
        say(f"making {DEFAULT_MODEL}")
        card = models.find(DEFAULT_MODEL)
        name, _ = name_and_version(card.model)
        models.repository.configure(name, Serving(instances=int(instances)))
        with _backends(models.repository, Path(scratch)) as (server, backends):
            pixels = _pixels(card, int(images))
            alike = _agreement(backends, card, pixels)
            say(f"least cosine to {IN_PROCESS}: {alike}")
            contenders = _contenders(backends, card, pixels, sizes)
            spent = turns(contenders, int(rounds), processor=lambda: _processor(server))
    for name, each in spent.items():
        say(f"{name}: {rate(each, int(images))}")
    return _told(spent, int(images), int(rounds)) | {"least_cosine": alike}


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
    repository: ModelRepository, scratch: Path
) -> Iterator[tuple[TritonServer, dict[str, Backend]]]:
    (scratch / "server").mkdir()
    reference = OnnxBackend(repository)
    with (
        triton_server(scratch / "store" / "models", scratch / "server") as server,
        closing(TritonBackend(server.url, _DEADLINE, shared_memory=False)) as connection,
        closing(TritonBackend(server.url, _DEADLINE, reference=reference)) as shared,
        closing(OnnxBackend(repository)) as inside,
    ):
        yield server, {IN_PROCESS: inside, CONNECTION: connection, SHARED: shared}


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
    backends: Mapping[str, Backend], card: ModelCard, pixels: NDArray[np.uint8], sizes: str
) -> dict[str, Callable[[], object]]:
    inside = backends[IN_PROCESS]
    found = {
        f"{IN_PROCESS} {batch}x{inside.pace.calls}": _loop(
            inside, card, pixels, batch, inside.pace.calls
        )
        for batch in (inside.pace.images, 2 * inside.pace.images)
    }
    for size in sizes.split(","):
        batch, in_flight = map(int, size.split("x"))
        for name in (CONNECTION, SHARED):
            found[f"{name} {size}"] = _loop(backends[name], card, pixels, batch, in_flight)
    return found


def _loop(
    backend: Backend, card: ModelCard, pixels: NDArray[np.uint8], batch: int, in_flight: int
) -> Callable[[], object]:
    batches = [pixels[begin : begin + batch] for begin in range(0, len(pixels), batch)]

    def run() -> object:
        with ThreadPoolExecutor(in_flight) as pool:
            return list(
                pool.map(lambda some: backend.embed(card, some, seconds=_DEADLINE), batches)
            )

    return run


def _processor(server: TritonServer) -> float:
    """CPU seconds of this process and of the server with its model processes."""
    return time.process_time() + server.processor()
