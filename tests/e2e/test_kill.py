"""Any service, and Redis, is killed at work: the work goes on, nothing is lost or doubled."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from hundredfold.client import SERVICES
from hundredfold.client.types import Event, Verdict
from tests.e2e.system import System, running, wait_for

pytestmark = pytest.mark.e2e
KILLED = (*SERVICES, "redis")


def command(system: System, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hundredfold.cli", *arguments],
        env=system.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], seconds: float) -> None:
    _, words = process.communicate(timeout=seconds)
    assert process.returncode == 0, words


def decisions(system: System) -> list[Event]:
    return [each for each in system.client.labels.decisions("killed") if each.kind == "DECISION"]


def test_every_process_may_be_killed_during_bootstrap_and_labelling(digits: Path) -> None:
    with running(digits.parent / "killed-store", "--no-ui") as system:
        boot = command(system, "bootstrap", str(digits), "--collection", "killed")
        for name in ("catalog", "hashing", "embedding", "index", "selection"):
            # Kill each while it is at work; what is done too quickly to be caught is killed idle.
            wait_for(lambda n=name: at_work(system, n) or boot.poll() is not None, 60, name)  # type: ignore[misc]  # mypy can't infer a lambda with a default
            system.kill(name)
        finish(boot, 240)

        labelling = command(
            system,
            *("simulate", "killed", "--truth", str(digits / "labels.csv"), "--target", "0.97"),
        )
        for number, name in enumerate(KILLED):
            goal = 2 * number + 2
            wait_for(
                lambda g=goal: made(system) >= g or labelling.poll() is not None,  # type: ignore[misc]  # as above
                90,
                f"{goal} decisions",
            )
            system.kill(name)
        finish(labelling, 300)
        nothing_is_lost_or_doubled(system)


def at_work(system: System, name: str) -> bool:
    """Whether a service has a run in progress, or had one."""
    if name == "selection":
        return True
    try:
        return bool(system.client.runs(name).recent("killed"))
    except Exception:  # noqa: BLE001 - being restarted: ask again
        return False


def made(system: System) -> int:
    try:
        return len(decisions(system))
    except Exception:  # noqa: BLE001 - being restarted: ask again
        return 0


def nothing_is_lost_or_doubled(system: System) -> None:
    events = decisions(system)
    assert max(Counter(each.request_id for each in events).values()) == 1
    labelled: Counter[int] = Counter()
    for event in events:
        for judgement in event.judgements:
            if judgement.verdict is Verdict.IS:
                labelled.update(judgement.rows.tolist())
    # A simulated labeller never labels an image twice: twice would mean two leases.
    assert max(labelled.values()) == 1
    labels = system.client.labels.labels("killed")
    assert set(labels.rows.tolist()) == set(labelled)
    progress = system.client.labels.reconcile("killed")
    assert progress.total == (
        progress.labelled + progress.unsure + progress.leased + progress.ready + progress.pool
    )
