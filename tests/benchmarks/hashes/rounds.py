"""Contenders take turns, so that what slows the machine down slows them all down."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spent:
    """Seconds of one turn."""

    processor: float
    wall: float


def turns(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    processor: Callable[[], float] = time.process_time,
) -> dict[str, list[Spent]]:
    """What each spent in each round; a first one, which fills caches, does not count.

    Args:
        contenders: what to run, by name.
        rounds: how often.
        processor: CPU seconds of all processes that work.
    """
    spent: dict[str, list[Spent]] = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, act in contenders.items():
            begun, wall = processor(), time.perf_counter()
            act()
            spent[name].append(Spent(processor() - begun, time.perf_counter() - wall))
    return {name: each[1:] for name, each in spent.items()}


def rate(spent: list[Spent], images: int) -> dict[str, float]:
    """Images a second, of CPU and of wall time: medians."""
    return {
        "images_a_cpu_second": round(images / median(each.processor for each in spent), 1),
        "images_a_second": round(images / median(each.wall for each in spent), 1),
    }


def ratio(one: list[Spent], other: list[Spent]) -> float:
    """How many times the images a CPU second of another: median of the rounds."""
    pairs = zip(one, other, strict=True)
    return round(median(right.processor / left.processor for left, right in pairs), 3)
