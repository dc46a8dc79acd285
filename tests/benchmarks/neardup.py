"""The exact near-duplicate join of 64-bit hashes: `hundredfold bench neardup`.

1. A million hashes, radius 6: the same pairs as faiss on a sample of 40,000; CPU seconds, with those to
   collapse copies, against faiss IndexBinaryFlat and the best IndexBinaryMultiHash that misses nothing.
   faiss gets the collapsed values, so that copies cost it nothing. What it takes for all is extrapolated
   by the number of queries at the same number of values; it looks at each pair from both sides.
2. `rows` hashes (81 % random, 5 % planted near copies, 12 % exact copies, 2 % blank), each radius in a process
   of its own: collapse, join, groups; whether every planted pair was found; peak memory.
3. `skewed` values like the dHash of photographs: how many pairs there are, what was estimated, peak memory.

4. `job` images, if that is asked for: FindDuplicates as the service runs it, with both hashes of each image, from the store to
   groups in the store.

Options: rows, radii (4,6), skewed, skewed_radius, queries of the peers, job, job_radius. No rows: leave it out.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.near import distinct, estimated_pairs, near_pairs
from hundredfold.hashing.domain.stars.stars import stars
from tests.benchmarks.hashes.job import grouped
from tests.benchmarks.hashes.planted import CHUNK, chunks, made, planted, skewed_hashes

Say = Callable[[str], None]
Hashes = NDArray[np.uint64]

_MILLION = 1_000_000
_SAMPLE = 40_000
_REPEATS = 3
_RADIUS = 6
# Hashes, bits of each, and how many of these are flipped: no pair within 6 bits is missed, as one of the
# hashes of such a pair differs in at most 6 // hashes bits.
_MULTI_HASHES = ((3, 21, 2), (4, 16, 1), (5, 12, 1), (6, 10, 1), (7, 9, 0))


def measure(
    say: Say,
    *,
    rows: str = "100000000",
    radii: str = "4,6",
    skewed: str = "10000000",
    skewed_radius: str = "2",
    queries: str = "1000",
    job: str = "0",
    job_radius: str = "4",
) -> dict[str, Any]:
    """Measure all three."""
    found: dict[str, Any] = {"threads": os.cpu_count()}
    found["million"] = _million(say, int(queries))
    found["large"] = [
        _in_a_process(say, "large", int(rows), int(radius))
        for radius in radii.split(",")
        if int(rows)
    ]
    if int(skewed):
        found["skewed"] = _in_a_process(say, "skewed", int(skewed), int(skewed_radius))
    if int(job):
        found["job"] = _in_a_process(say, "job", int(job), int(job_radius))
    return found


class Clock:
    """Wall and CPU seconds of this process, all threads, since it was made."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def read(self, name: str) -> dict[str, float]:
        """The seconds as fields of a result."""
        return {
            f"{name}_seconds": round(time.perf_counter() - self._wall, 3),
            f"{name}_cpu_seconds": round(time.process_time() - self._processor, 3),
        }


def _million(say: Say, queries: int) -> dict[str, Any]:
    hashes = made(_MILLION)
    same = _same_as_faiss(hashes[np.random.default_rng(1).choice(_MILLION, _SAMPLE, replace=False)])
    say(f"{_SAMPLE:,} of a million: the same pairs as faiss: {same}")
    runs = [_collapse_and_join(hashes) for _ in range(_REPEATS)]
    ours = median(cpu for cpu, _ in runs)
    say(f"a million, radius {_RADIUS}: {runs[0][1]:,} pairs in {ours:.3f} CPU seconds")
    values = distinct(hashes).values
    flat, multi = _flat_seconds(values, queries), _multi_hash_seconds(values, queries, say)
    best = min(multi, key=lambda name: multi[name])
    return {
        "rows": _MILLION,
        "radius": _RADIUS,
        "pairs": runs[0][1],
        "same_pairs_as_faiss_on_a_sample": same,
        "cpu_seconds_with_collapse": round(ours, 3),
        "faiss_flat_cpu_seconds_extrapolated": round(flat, 1),
        "faiss_multi_hash_cpu_seconds_extrapolated": {k: round(v, 1) for k, v in multi.items()},
        "queries_measured": queries,
        "times_less_than_flat": round(flat / ours),
        "times_less_than_best_multi_hash": round(multi[best] / ours),
        "best_multi_hash": best,
    }


def _collapse_and_join(hashes: Hashes) -> tuple[float, int]:
    begun = time.process_time()
    pairs = sum(len(block) for block in near_pairs(distinct(hashes).values, _RADIUS))
    return time.process_time() - begun, pairs


def _same_as_faiss(hashes: Hashes) -> bool:
    import faiss  # noqa: PLC0415  of no use to the processes that measure the join

    values = np.unique(np.concatenate([hashes, planted(_MILLION, slice(0, 2_000)).ravel()]))
    flat = faiss.IndexBinaryFlat(64)
    flat.add(_bytes(values))
    limits, _, near = flat.range_search(
        _bytes(values), _RADIUS + 1
    )  # it takes less than its radius
    many = np.diff(limits).astype(np.int64)
    left = values[np.repeat(np.arange(len(values)), many)]
    expected = np.stack([left, values[near]], axis=1)[left < values[near]]
    ours = np.sort(np.concatenate(list(near_pairs(values, _RADIUS))), axis=1)
    return bool(np.array_equal(_in_order(ours), _in_order(expected)))


def _flat_seconds(values: Hashes, queries: int) -> float:
    import faiss  # noqa: PLC0415

    flat = faiss.IndexBinaryFlat(64)
    flat.add(_bytes(values))
    return _search_seconds(flat, values, queries)[0]


def _multi_hash_seconds(values: Hashes, queries: int, say: Say) -> dict[str, float]:
    import faiss  # noqa: PLC0415

    flat = faiss.IndexBinaryFlat(64)
    flat.add(_bytes(values))
    expected = _search_seconds(flat, values, queries)[1]
    seconds = {}
    for hashes, bits, flips in _MULTI_HASHES:
        begun = time.process_time()
        index = faiss.IndexBinaryMultiHash(64, hashes, bits)
        index.add(_bytes(values))
        index.nflip = flips
        build = time.process_time() - begun
        taken, found = _search_seconds(index, values, queries)
        if found == expected:
            seconds[f"{hashes} x {bits} bits, {flips} flipped"] = build + taken
        say(
            f"MultiHash {hashes} x {bits}, {flips} flipped: {build + taken:.0f} CPU seconds for all"
        )
    return seconds


def _search_seconds(index: Any, values: Hashes, queries: int) -> tuple[float, int]:
    """CPU seconds for all values, from some of them; and how many results these have."""
    some = _bytes(np.random.default_rng(2).choice(values, queries, replace=False))
    begun = time.process_time()
    limits, _, _ = index.range_search(some, _RADIUS + 1)
    return (time.process_time() - begun) * len(values) / queries, int(limits[-1])


def _bytes(values: Hashes) -> NDArray[np.uint8]:
    return values.view(np.uint8).reshape(-1, 8)


def _in_order(pairs: Hashes) -> Hashes:
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _in_a_process(say: Say, what: str, rows: int, radius: int) -> dict[str, Any]:
    """Its peak memory is then its own."""
    command = [sys.executable, __file__, what, str(rows), str(radius)]
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=paths) as process:
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            if not line.startswith("{"):
                say(line.rstrip())
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    measured: dict[str, Any] = json.loads(lines[-1])
    return measured


def _large(rows: int, radius: int, say: Say) -> dict[str, Any]:
    _warm()
    hashes = made(rows)
    say(f"{rows:,} hashes are made")
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "near.pairs"
        clock, whole = Clock(), Clock()
        values = distinct(hashes).values
        found = {"rows": rows, "radius": radius, "distinct": len(values), **clock.read("collapse")}
        say(f"{found}")
        clock = Clock()
        pairs = _kept(near_pairs(values, radius), kept, say)
        found |= {"pairs": pairs, **clock.read("join")}
        say(f"{found}")
        del values
        clock = Clock()
        centres = stars(
            hashes, np.empty(0, np.uint64), _blocks(kept), radius, Path(folder) / "stars",
            join=near_pairs,
        )  # fmt: skip
        found |= {**clock.read("groups"), **whole.read("all")}
        found["peak_gigabytes"] = _peak()
        found["groups"] = int((centres == np.arange(rows)).sum())
        del centres
        return found | _check(hashes, radius, kept)


def _kept(blocks: Iterator[Hashes], path: Path, say: Say) -> int:
    pairs, said = 0, time.monotonic()
    with path.open("wb") as file:
        for block in blocks:
            file.write(block.data)
            pairs += len(block)
            if time.monotonic() > said + 5:
                said = time.monotonic()
                say(f"{pairs:,} pairs so far")
    return pairs


def _blocks(path: Path) -> Iterator[Hashes]:
    with path.open("rb") as file:
        while len(block := np.fromfile(file, np.uint64, 2 * CHUNK)):
            yield block.reshape(-1, 2)


def _check(hashes: Hashes, radius: int, kept: Path) -> dict[str, int | bool]:
    """Whether each planted pair within the radius is among those found."""
    found = _key(np.sort(np.fromfile(kept, np.uint64).reshape(-1, 2), axis=1))
    found.sort()
    expected = missed = 0
    for some in chunks(0, len(hashes) * 5 // 100):
        pairs = planted(len(hashes), some, hashes)
        near = pairs[np.bitwise_count(pairs[:, 0] ^ pairs[:, 1]) <= radius]
        key = _key(near)
        at = np.minimum(np.searchsorted(found, key), len(found) - 1)
        missed += int((found[at] != key).sum())
        expected += len(near)
    return {"planted_within_radius": expected, "planted_missed": missed}


def _key(pairs: Hashes) -> Hashes:
    """One number of two; that two pairs have the same is as good as excluded."""
    mixed = (pairs[:, 0] ^ (pairs[:, 0] >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0x94D049BB133111EB) + pairs[:, 1]


def _skewed(rows: int, radius: int, say: Say) -> dict[str, Any]:
    _warm()
    values = distinct(skewed_hashes(rows)).values
    say(f"{len(values):,} distinct values like those of photographs")
    clock = Clock()
    estimate = estimated_pairs(values, radius)
    found = {"rows": rows, "radius": radius, "distinct": len(values), **clock.read("estimate")}
    found |= {"estimated": estimate.pairs, "low": estimate.low, "high": estimate.high}
    say(f"{found}")
    clock = Clock()
    pairs = sum(len(block) for block in near_pairs(values, radius))
    return found | {"pairs": pairs, **clock.read("join"), "peak_gigabytes": _peak()}


def _job(rows: int, radius: int, say: Say) -> dict[str, Any]:
    _warm()
    with tempfile.TemporaryDirectory() as folder:
        found = grouped(folder, rows, radius, say, Clock)
    return found | {"peak_gigabytes": _peak()}


def _warm() -> None:
    """What is compiled is loaded before anything is measured."""
    few = distinct(made(200_000)).values
    for radius in (1, 6, 10):
        list(near_pairs(few[:20_000], radius))


def _peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def main() -> None:
    """One case, in this process: what, rows, radius."""
    what, rows, radius = sys.argv[1:]

    def say(words: str) -> None:
        sys.stdout.write(f"{words}\n".replace("{", "").replace("}", ""))
        sys.stdout.flush()

    case = {"large": _large, "skewed": _skewed, "job": _job}[what]
    sys.stdout.write(json.dumps(case(int(rows), int(radius), say)) + "\n")


if __name__ == "__main__":
    main()
