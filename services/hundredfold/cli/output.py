"""What a command prints: one JSON document on stdout with --json, else words; progress on stderr."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from hundredfold.client.runs import OnProgress
from hundredfold.client.types import Run


def plain(value: Any) -> Any:
    """A value as JSON can hold it: dataclasses, arrays and mappings included."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def show(value: Any, *, as_json: bool, words: Callable[[], None]) -> None:
    """Print a value as JSON, or call `words` to say it."""
    if as_json:
        json.dump(plain(value), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        words()


def table(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table for people; cells are taken as plain text."""
    drawn = Table(*columns, header_style="bold", box=None, pad_edge=False)
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)


def say(message: str) -> None:
    """Tell people something on stderr."""
    click.echo(message, err=True)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="dim")


@contextmanager
def progress_bars() -> Iterator[OnProgress]:
    """A bar for each run: name, done of total, rate, time left."""
    bars = Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    tasks: dict[str, Any] = {}

    def on_progress(run: Run) -> None:
        if run.run_id not in tasks:
            tasks[run.run_id] = bars.add_task(run.kind.replace("-", " "), total=None)
        bars.update(tasks[run.run_id], completed=run.done, total=run.total or None)

    with bars:
        yield on_progress
