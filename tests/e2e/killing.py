"""Kill processes at work, then ask the ledger whether anything was lost or doubled."""

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hundredfold.chassis.errors import ServiceError
from hundredfold.client import SERVICES
from hundredfold.client.types import Event, PageKind, Verdict
from tests.e2e.system import System, wait_for

EVERYTHING = (*SERVICES, "redis")
AT_BOOTSTRAP = ("catalog", "hashing", "embedding", "index", "selection")
COLLECTION = "killed"


def bootstrap_with_kills(system: System, digits: Path, rounds: int = 1) -> None:
    """Bootstrap, killing each service that takes part while it is at work."""
    boot = _command(system, "bootstrap", str(digits), "--collection", COLLECTION)
    for name in AT_BOOTSTRAP * rounds:
        # What is done too quickly to be caught at work is killed idle.
        wait_for(lambda at=name: _at_work(system, at) or boot.poll() is not None, 90, name)  # type: ignore[misc]  # mypy can't infer a lambda with a default
        system.kill(name)
    _finish(boot, 300)


def label_with_kills(
    system: System, digits: Path, killed: Sequence[str] = EVERYTHING, target: float = 0.97
) -> None:
    """Label with the simulated labeller, killing a process every second decision."""
    truth = ("--truth", str(digits / "labels.csv"), "--stop", "truth", "--target", str(target))
    # Trainings that are killed have a test of their own: on a busy machine one takes minutes.
    labelling = _command(system, "simulate", COLLECTION, *truth, "--without", "fine-tuning")
    for name in killed:
        goal = _made(system) + 2
        wait_for(
            lambda enough=goal: _made(system) >= enough or labelling.poll() is not None,  # type: ignore[misc]  # as above
            120,
            f"{goal} decisions",
        )
        system.kill(name)
    _finish(labelling, 300)


def assert_nothing_is_lost_or_doubled(system: System) -> None:
    """Every decision once, no image labelled twice, the fold equal to the events, all images accounted for."""
    wait_for(lambda: all(map(system.serving, EVERYTHING)), 60, "every service is back")
    events = _decisions(system)
    assert events
    assert max(Counter(each.request_id for each in events).values()) == 1
    labelled: Counter[int] = Counter()
    for event in events:
        for judgement in event.judgements:
            # A second look confirms a label; it gives none.
            if judgement.verdict is Verdict.IS and event.page.kind is not PageKind.REVIEW:
                labelled.update(judgement.rows.tolist())
    # The simulated labeller never corrects itself: an image labelled twice was in two leases.
    assert max(labelled.values()) == 1
    assert set(system.client.labels.labels(COLLECTION).rows.tolist()) == set(labelled)
    progress = system.client.labels.reconcile(COLLECTION)
    parts = (progress.labelled, progress.unsure, progress.leased, progress.ready, progress.pool)
    assert sum(parts) == progress.total


def _command(system: System, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hundredfold.cli", *arguments],
        env=system.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(process: subprocess.Popen[str], seconds: float) -> None:
    _, words = process.communicate(timeout=seconds)
    assert process.returncode == 0, words


def _at_work(system: System, name: str) -> bool:
    """Whether a service has, or had, a run of the collection."""
    if name == "selection":
        return True
    try:
        return bool(system.client.runs(name).recent(COLLECTION))
    except ServiceError:
        return False  # it is being started again


def _decisions(system: System) -> list[Event]:
    events = system.client.labels.decisions(COLLECTION)
    return [each for each in events if each.kind == "DECISION"]


def _made(system: System) -> int:
    try:
        return len(_decisions(system))
    except ServiceError:
        return 0  # labels is being started again
