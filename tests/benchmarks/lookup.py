"""Is this image already here, among ten million: `hundredfold bench lookup`, `--option images=1000000`.

A collection of made-up hashes is written into a store, and asked through the service: one hash after the
other, then ten thousand in a message, half of them within the radius of one that is there. Wall
milliseconds over gRPC on this machine, client and service in one process, and CPU of both; every answer is compared with
what is known to be there. The aim: 5 ms for the slowest of a hundred single ones, 2 s for ten thousand.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.engine import LocalEngine
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import serving
from hundredfold.client.hashing import HashingClient
from hundredfold.hashing.servicer import HashingServicer, hashing_mount
from tests.benchmarks.hashes.written import ALGORITHMS, made_up, write_hashed

NAME = "lookup"
RADII = (2, 4, 6, 10)
SINGLE, BATCH = 2_000, 10_000

Hashes = NDArray[np.uint64]


def measure(say: Callable[[str], None], *, images: str = "10000000") -> dict[str, Any]:
    """Look hashes up, single ones and ten thousand at once, at several radii."""
    n = int(images)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(folder)
        hashes = made_up(n, rng)
        write_hashed(store, NAME, *hashes)
        say(f"{n:,} images are written")
        runs = Runs(store, "hashing", {}, engine=LocalEngine(1))
        with serving(hashing_mount(HashingServicer(store, runs))) as channel:
            measured = _measured(channel, hashes, rng, say)
        runs.close()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"images": n, **measured, "peak_gigabytes": round(memory, 2)}


def _measured(
    channel: grpc.Channel,
    hashes: tuple[Hashes, Hashes],
    rng: np.random.Generator,
    say: Callable[[str], None],
) -> dict[str, Any]:
    client = HashingClient(channel)
    begun = time.perf_counter()
    _timed(client, hashes[0][:1], hashes[1][:1], 0)
    first = time.perf_counter() - begun
    say(f"the first call, which reads the collection: {first:.1f} s")
    return {
        "seconds_of_the_first": round(first, 2),
        "radii": {str(radius): _at(client, hashes, radius, rng, say) for radius in RADII},
    }


def _at(
    client: HashingClient,
    hashes: tuple[Hashes, Hashes],
    radius: int,
    rng: np.random.Generator,
    say: Callable[[str], None],
) -> dict[str, float]:
    rows, phash, dhash = _queries(hashes, SINGLE + BATCH, radius, rng)
    single, begun = [], time.process_time()
    for place in range(SINGLE):
        some = slice(place, place + 1)
        single.append(_timed(client, phash[some], dhash[some], radius, rows[some]))
    cpu_each = (time.process_time() - begun) / SINGLE
    cpu = time.process_time()
    batch = _timed(client, phash[SINGLE:], dhash[SINGLE:], radius, rows[SINGLE:])
    cpu = time.process_time() - cpu
    p50, p99 = (float(np.percentile(single, share)) for share in (50, 99))
    say(
        f"radius {radius}: {1e3 * p50:.2f} ms, p99 {1e3 * p99:.2f}; {BATCH:,} at once {batch:.2f} s"
    )
    return {
        "single_p50_milliseconds": round(1e3 * p50, 3),
        "single_p99_milliseconds": round(1e3 * p99, 3),
        "single_cpu_milliseconds": round(1e3 * cpu_each, 3),
        "batch_seconds": round(batch, 3),
        "batch_cpu_seconds": round(cpu, 3),
    }


def _timed(
    client: HashingClient,
    phash: Hashes,
    dhash: Hashes,
    radius: int,
    rows: NDArray[np.int64] | None = None,
) -> float:
    """Seconds of a call; rows, where given, are what must be among the answers, -1 = nothing."""
    begun = time.perf_counter()
    found = client.look_up_hashes(NAME, phash, dhash, algorithms=ALGORITHMS, radius=radius)
    seconds = time.perf_counter() - begun
    for row, answer in zip([] if rows is None else rows.tolist(), found, strict=False):
        if row >= 0 and row not in answer:
            raise AssertionError(f"row {row} was not found within {radius} bits")
    return seconds


def _queries(
    hashes: tuple[Hashes, Hashes], n: int, radius: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Hashes, Hashes]:
    """Rows, -1 where no image is meant, and hashes that are as far from theirs as may be."""
    rows = rng.integers(0, len(hashes[0]), n)
    found = []
    for each in hashes:
        bits = np.argsort(rng.random((n, 64)), axis=1)[:, :radius].astype(np.uint64)
        flipped = each[rows] ^ np.bitwise_or.reduce(np.uint64(1) << bits, axis=1)
        found.append(
            np.where(np.arange(n) % 2, flipped, rng.integers(0, 2**64, n, dtype=np.uint64))
        )
    return np.where(np.arange(n) % 2, rows, -1), found[0], found[1]
