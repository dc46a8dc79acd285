"""Runs, and the files they wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hundredfold.chassis.run_book import State


@dataclass(frozen=True)
class Run:
    """One piece of long work; `service` is where it is done. Times are unix seconds, 0 = not yet."""

    service: str
    run_id: str
    kind: str
    collection: str
    state: State
    done: int
    total: int
    unit: str
    message: str
    error: str
    parameters: Mapping[str, Any]
    result: Mapping[str, Any]
    created_at: float
    started_at: float
    finished_at: float


@dataclass(frozen=True)
class RunFile:
    """What a run has written: a name to save it under, bytes in all, how many files (more than one come as a zip)."""

    name: str
    bytes: int
    files: int
