import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hundredfold.catalog.guarded import Casualty, GuardedPool
from hundredfold.chassis.errors import Unavailable
from hundredfold.chassis.testing import wait_for

WORK = "tests.unit.catalog.work_that_may_kill:perform"


def outcomes(folder: Path, texts: Sequence[str], **options: float) -> list[bytes | Casualty]:
    settings = {"workers": 2, "batch": 4, **options}
    with GuardedPool[str](WORK, [str(folder)], **settings) as pool:  # type: ignore[arg-type]
        return [outcome for _, outcome in pool.map(texts, str)]


def test_results_come_in_the_order_of_the_items(tmp_path: Path) -> None:
    texts = [f"say {number}" for number in range(100)]
    assert outcomes(tmp_path, texts) == [text.encode() for text in texts]


def test_no_items_give_no_results(tmp_path: Path) -> None:
    assert outcomes(tmp_path, []) == []


def test_results_larger_than_a_pipe_holds_arrive(tmp_path: Path) -> None:
    assert outcomes(tmp_path, ["big 5000000", "say a"]) == [bytes(5_000_000), b"say a"]


def test_only_the_item_that_kills_its_worker_suffers(tmp_path: Path) -> None:
    texts = ["say 0", "die", "say 2", "say 3", "die", "say 5", "say 6"]
    assert outcomes(tmp_path, texts) == [
        Casualty.WORKER_DIED if text == "die" else text.encode() for text in texts
    ]


def test_an_item_whose_worker_died_once_gets_a_second_chance(tmp_path: Path) -> None:
    assert outcomes(tmp_path, ["say 0", "die-once x", "say 2"]) == [
        b"say 0", b"die-once x", b"say 2",
    ]  # fmt: skip


def test_an_item_that_hangs_is_given_up_and_its_neighbours_are_done(tmp_path: Path) -> None:
    texts = ["say 0", "hang", "say 2", "say 3"]
    assert outcomes(tmp_path, texts, seconds=0.5) == [
        b"say 0",
        Casualty.TIMEOUT,
        b"say 2",
        b"say 3",
    ]


def test_memory_beyond_the_limit_is_not_to_be_had(tmp_path: Path) -> None:
    texts = [f"eat {20 << 20}", f"eat {500 << 20}", "say 2"]
    assert outcomes(tmp_path, texts, memory=200 << 20) == [b"\0", Casualty.WORKER_DIED, b"say 2"]


def test_a_slow_consumer_is_not_the_fault_of_the_workers(tmp_path: Path) -> None:
    texts = [f"say {number}" for number in range(40)]
    never = threading.Event()
    found: list[bytes | Casualty] = []
    with GuardedPool[str](WORK, [str(tmp_path)], workers=2, batch=4, seconds=0.3) as pool:
        for _, outcome in pool.map(texts, str):
            if len(found) in (3, 20):
                never.wait(0.6)
            found.append(outcome)
    assert found == [text.encode() for text in texts]


def test_items_are_read_only_as_they_are_needed(tmp_path: Path) -> None:
    read: list[int] = []

    def endless() -> Iterator[str]:
        while True:
            read.append(1)
            yield "say x"

    with GuardedPool[str](WORK, [str(tmp_path)], workers=2, batch=4) as pool:
        results = pool.map(endless(), str)
        for _ in range(10):
            next(results)
    assert len(read) <= 10 + 4 * 4 * 2


def test_workers_that_do_not_start_end_the_work() -> None:
    work = "tests.unit.catalog.work_that_may_kill:refuse"
    with (
        GuardedPool[str](work, workers=1) as pool,
        pytest.raises(Unavailable, match="do not start"),
    ):
        list(pool.map(["say 0"], str))


def test_the_check_ends_the_work_while_an_item_hangs(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    begun = time.monotonic()

    def check() -> None:
        if time.monotonic() - begun > 1:
            raise Enough

    with (
        GuardedPool[str](WORK, [str(tmp_path)], workers=1, check=check) as pool,
        pytest.raises(Enough),
    ):
        list(pool.map(["hang"], str))


PARENT = """
import sys
from hundredfold.catalog.guarded import GuardedPool
with GuardedPool({work!r}, [{folder!r}], workers=2, seconds=0.5) as pool:
    pool._seconds = 1000  # a parent that does not watch
    list(pool.map(["hang"] * 64, str))
"""


def test_workers_end_when_their_parent_was_killed(tmp_path: Path) -> None:
    code = PARENT.format(work=WORK, folder=str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as parent:
        workers = wait_for(lambda: len(found := list(tmp_path.iterdir())) == 2 and found, 30)
        os.kill(parent.pid, signal.SIGKILL)
    wait_for(lambda: not any(is_at_work(int(worker.name)) for worker in workers), 10)


def is_at_work(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"
