"""What was measured: one JSON line a run, so that a bench that was killed goes on where it was."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

Line = Mapping[str, Any]
Key = tuple[str, str, int]


class Results:
    """The file of results; lines of other limits, or that can't be read, are passed over."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit

    def lines(self) -> list[Line]:
        """What is there, oldest first."""
        if not self._path.is_file():
            return []
        return list(self._read())

    def _read(self) -> Iterator[Line]:
        for text in self._path.read_text("utf-8").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue  # the last line of a bench that was killed
            if line["limit"] == self._limit:
                yield line

    def done(self) -> set[Key]:
        """What need not be measured again."""
        return {key(line) for line in self.lines() if "outcome" in line}

    def add(self, measured: Key, **told: Any) -> None:
        """Keep what was measured, on disk at once."""
        collection, row, seed = measured
        line = {"collection": collection, "row": row, "seed": seed, "limit": self._limit, **told}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def key(line: Line) -> Key:
    """What a line is about."""
    return str(line["collection"]), str(line["row"]), int(line["seed"])


def newest(lines: Sequence[Line]) -> list[Line]:
    """The last outcome of each key."""
    return list({key(line): line for line in lines if "outcome" in line}.values())


def table(lines: Sequence[Line]) -> dict[str, Any]:
    """Collection -> row -> what it came to: medians over the seeds, the range of the speed-up."""
    found: dict[str, Any] = {}
    for line in newest(lines):
        cell = found.setdefault(line["collection"], {}).setdefault(line["row"], [])
        cell.append(line["outcome"])
    return {
        collection: {row: _cell(outcomes) for row, outcomes in rows.items()}
        for collection, rows in found.items()
    }


def _cell(outcomes: Sequence[Line]) -> dict[str, Any]:
    targets = sorted({each["target"] for one in outcomes for each in one["milestones"]})
    checks = [each for one in outcomes for each in one["checkpoints"]]
    rounds = [each for one in outcomes for each in one["backbone_rounds"]]
    return {
        "seeds": len(outcomes),
        "images": outcomes[0]["images"],
        **{f"{target:.0%}": _milestone(outcomes, target) for target in targets},
        "forecasts": len(checks),
        "forecasts_inside": _share([each["inside"] for each in checks]),
        "backbone_rounds": len(rounds),
        "backbones_taken": sum(each["promoted"] for each in rounds),
        "machine_seconds": round(median(each["machine_seconds"] for each in outcomes)),
    }


def _milestone(outcomes: Sequence[Line], target: float) -> dict[str, Any]:
    reached = [each for one in outcomes for each in one["milestones"] if each["target"] == target]

    def middle(field: str, digits: int) -> float:
        return round(median(each[field] for each in reached), digits)

    speedups = [round(each["speedup"], 1) for each in reached]
    return {
        "x": middle("speedup", 1),
        "x_range": [min(speedups), max(speedups)],
        "x_over_good_tool": middle("speedup_over_good_tool", 1),
        "seconds": middle("seconds", 0),
        "actions": middle("actions", 0),
        "true_accuracy": middle("accuracy", 4),
        "lowest_true_accuracy": round(min(each["accuracy"] for each in reached), 4),
        "proved_accuracy": middle("proved_accuracy", 4),
        "held": _share([each["accuracy"] >= target for each in reached]),
        "waiting_seconds": middle("waiting_seconds", 0),
        "backbone_seconds": middle("backbone_seconds", 0),
        "rate_factor": round(median(each["rates"]["factor"] for each in reached), 2),
        "rate_factor_with_model": round(
            median(each["rates"]["factor_with_model"] for each in reached), 2
        ),
        "ended_by": sorted({each["ended"] for each in reached}),
    }


def _share(said: Sequence[bool]) -> float | None:
    return round(sum(said) / len(said), 3) if said else None
