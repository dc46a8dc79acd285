import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hundredfold.chassis.engine import LocalEngine
from hundredfold.chassis.errors import (
    Aborted,
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from hundredfold.chassis.runs import MOST_BEGINS, Cancelled, Job, Run, RunContext, Runs, State
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import wait_for

pytestmark = pytest.mark.timeout(60)

FOLDER = "collections/birds/hashes/p"
Start = Callable[..., Runs]


class Gate:
    """A job that says when it has begun, and goes on until it is let through or asked to end."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, context: RunContext) -> Mapping[str, Any]:
        self.begun.release()
        while not self.open.wait(0.01):
            context.check()
        return {"passed": True}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store"))


@pytest.fixture
def start(store: ArtifactStore) -> Iterator[Start]:
    """Starts a service's runs; called again it is the service's next start."""
    made: list[Runs] = []

    def start(jobs: Mapping[str, Job], **options: Any) -> Runs:
        for runs in made:
            runs.close()
        runs = Runs(store, "hashing", jobs, engine=LocalEngine(workers=1), **options)
        made.append(runs)
        runs.resume()
        return runs

    yield start
    for runs in made:
        runs.close()


def ended(runs: Runs, run: Run) -> Run:
    run = runs.wait(run.run_id, 30)
    assert run.state.ended
    return run


def saved(store: ArtifactStore, run: Run) -> dict[str, Any]:
    document: dict[str, Any] = store.read_json(f"runs/hashing/{run.run_id}.json")
    return document


# --- one run ------------------------------------------------------------------------------------


def test_a_run_does_its_job_and_keeps_what_it_made(start: Start, store: ArtifactStore) -> None:
    runs = start({"hash": lambda context: {"hashed": context.run.parameters["n"]}})
    run = runs.start("hash", "birds", {"n": 7}, request_id="r1", unit="images")
    assert (run.state, run.kind, run.collection) == (State.PENDING, "hash", "birds")
    run = ended(runs, run)
    assert (run.state, dict(run.result), run.error) == (State.SUCCEEDED, {"hashed": 7}, "")
    assert run.created_at <= run.started_at <= run.finished_at
    wait_for(lambda: saved(store, run)["state"] == "SUCCEEDED" or None)


def test_a_run_that_was_accepted_is_in_the_store(start: Start, store: ArtifactStore) -> None:
    runs = start({"hash": Gate()})
    run = runs.start("hash", "birds", {"n": 7}, request_id="r1")
    assert saved(store, run)["parameters"] == {"n": 7}


def test_the_message_of_a_service_error_is_kept(start: Start) -> None:
    def job(_: RunContext) -> Mapping[str, Any]:
        raise Conflict("the space is not complete")

    runs = start({"hash": job})
    run = ended(runs, runs.start("hash", "birds", {}, request_id="r1"))
    assert (run.state, run.error) == (State.FAILED, "the space is not complete")


@pytest.mark.parametrize("error", [ValueError("/secret/path"), SystemExit(3), KeyboardInterrupt()])
def test_any_other_error_is_internal_and_logged(
    start: Start, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def job(_: RunContext) -> Mapping[str, Any]:
        raise error

    runs = start({"hash": job, "other": lambda _: {}}, at_once=1)
    run = ended(runs, runs.start("hash", "birds", {}, request_id="r1"))
    assert (run.state, run.error) == (State.FAILED, "internal error")
    assert any(record.exc_info and record.exc_info[1] is error for record in caplog.records)
    assert ended(runs, runs.start("other", "birds", {}, request_id="r1")).state is State.SUCCEEDED


def test_a_result_that_is_not_json_is_an_internal_error(start: Start) -> None:
    runs = start({"hash": lambda _: {"n": np.int64(3)}})
    run = ended(runs, runs.start("hash", "birds", {}, request_id="r1"))
    assert (run.state, run.error) == (State.FAILED, "internal error")


def test_progress_is_seen_at_once_and_written_about_once_a_second(
    start: Start, store: ArtifactStore
) -> None:
    writes = 0
    gate = Gate()

    def job(context: RunContext) -> Mapping[str, Any]:
        nonlocal writes
        path = store.local(f"runs/hashing/{context.run.run_id}.json")
        before = path.stat().st_ino
        for done in range(10_000):
            context.progress(done, 10_000, message="hashing")
            after = path.stat().st_ino
            writes, before = writes + (after != before), after
        return gate(context)

    runs = start({"hash": job})
    began = time.monotonic()
    run = runs.start("hash", "birds", {}, request_id="r1")
    gate.begun.acquire()
    run = runs.get(run.run_id)
    assert (run.done, run.total, run.message, run.state) == (
        9_999,
        10_000,
        "hashing",
        State.RUNNING,
    )
    assert writes <= 1 + (time.monotonic() - began)
    gate.open.set()
    ended(runs, run)
    wait_for(lambda: saved(store, run)["done"] == 9_999 or None)


def test_progress_keeps_what_is_not_told_again(start: Start) -> None:
    def job(context: RunContext) -> Mapping[str, Any]:
        context.progress(1, 10, message="reading")
        context.progress(2)
        return {}

    runs = start({"hash": job})
    run = ended(runs, runs.start("hash", "birds", {}, request_id="r1"))
    assert (run.done, run.total, run.message) == (2, 10, "reading")


def test_a_job_may_use_other_processes(start: Start) -> None:
    def job(context: RunContext) -> Mapping[str, Any]:
        return {"lengths": sorted(context.map(len, ["a", "bbb", "cc"]))}

    runs = start({"hash": job})
    run = ended(runs, runs.start("hash", "birds", {}, request_id="r1"))
    assert run.result == {"lengths": [1, 2, 3]}


# --- asking twice -------------------------------------------------------------------------------


def test_the_same_request_is_the_same_run_even_after_a_restart(start: Start) -> None:
    gate = Gate()
    gate.open.set()
    runs = start({"hash": gate})
    first = ended(runs, runs.start("hash", "birds", {"a": (1, 2)}, request_id="r1"))
    assert runs.start("hash", "birds", {"a": [1, 2]}, request_id="r1") == first
    assert start({"hash": gate}).start("hash", "birds", {"a": [1, 2]}, request_id="r1") == first


def test_a_request_id_cannot_be_used_for_something_else(start: Start) -> None:
    runs = start({"hash": lambda _: {}})
    runs.start("hash", "birds", {"n": 1}, request_id="r1")
    with pytest.raises(AlreadyExists):
        runs.start("hash", "birds", {"n": 2}, request_id="r1")


def test_the_same_request_id_for_another_collection_or_kind_is_another_run(start: Start) -> None:
    runs = start({"hash": lambda _: {}, "find": lambda _: {}})
    ids = {
        runs.start(kind, collection, {}, request_id="r1").run_id
        for kind in ("hash", "find")
        for collection in ("birds", "bees", "")
    }
    assert len(ids) == 6


def test_equal_work_is_not_done_twice_at_a_time(start: Start) -> None:
    gate = Gate()
    runs = start({"hash": gate})
    first = runs.start("hash", "birds", {"n": 1}, request_id="r1")
    assert runs.start("hash", "birds", {"n": 1}, request_id="r2").run_id == first.run_id
    with pytest.raises(Aborted) as caught:
        runs.start("hash", "birds", {"n": 2}, request_id="r3")
    assert caught.value.metadata == {"run_id": first.run_id}
    gate.open.set()
    ended(runs, first)
    assert runs.start("hash", "birds", {"n": 1}, request_id="r2").run_id != first.run_id


def test_a_run_that_is_being_cancelled_is_not_joined(start: Start) -> None:
    begun, leave = threading.Event(), threading.Event()

    def job(context: RunContext) -> Mapping[str, Any]:
        begun.set()
        leave.wait()
        context.check()
        return {}

    runs = start({"hash": job})
    run = runs.start("hash", "birds", {}, request_id="r1")
    begun.wait()
    runs.cancel(run.run_id)
    with pytest.raises(Aborted):
        runs.start("hash", "birds", {}, request_id="r2")
    leave.set()
    assert ended(runs, run).state is State.CANCELLED


def test_many_callers_at_once_begin_one_run(start: Start) -> None:
    gate = Gate()
    runs = start({"hash": gate})
    ids: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: ids.append(runs.start("hash", "birds", {}, request_id="r1").run_id)
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1
    gate.open.set()


@pytest.mark.parametrize(
    ("kind", "collection", "request_id", "field"),
    [
        ("nosuch", "birds", "r", "kind"),
        ("hash", "../birds", "r", "collection"),
        ("hash", "birds", "", "request_id"),
        ("hash", "birds", "x" * 201, "request_id"),
    ],
)
def test_a_wrong_argument_is_named(
    start: Start, kind: str, collection: str, request_id: str, field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        start({"hash": lambda _: {}}).start(kind, collection, {}, request_id=request_id)
    assert caught.value.field == field


# --- several ------------------------------------------------------------------------------------


def test_only_so_many_are_at_work_and_the_others_follow_in_order(start: Start) -> None:
    gate = Gate()
    runs = start({"hash": gate}, at_once=2)
    made = [runs.start("hash", f"c{i}", {}, request_id="r") for i in range(5)]
    for _ in range(2):
        assert gate.begun.acquire(timeout=10)
    assert not gate.begun.acquire(timeout=0.1)
    states = [runs.get(run.run_id).state for run in made]
    assert states == [State.RUNNING] * 2 + [State.PENDING] * 3
    gate.open.set()
    began = [ended(runs, run).started_at for run in made]
    assert began == sorted(began)


def test_runs_are_listed_newest_first(start: Start) -> None:
    runs = start({"hash": lambda _: {}})
    made = [runs.start("hash", f"c{i % 2}", {"i": i}, request_id=str(i)) for i in range(1)]
    for i in range(1, 6):
        ended(runs, made[-1])
        made.append(runs.start("hash", f"c{i % 2}", {"i": i}, request_id=str(i)))
    newest_first = [run.run_id for run in reversed(made)]
    assert [run.run_id for run in runs.list()] == newest_first
    assert [run.run_id for run in runs.list("c1")] == newest_first[::2]
    assert [run.run_id for run in runs.list(limit=2)] == newest_first[:2]
    assert [run.run_id for run in runs.list(after=newest_first[1])] == newest_first[2:]
    assert [run.run_id for run in runs.list("c1", after=newest_first[1])] == newest_first[2::2]
    with pytest.raises(InvalidArgument):
        runs.list(after="nosuch")


# --- cancelling ---------------------------------------------------------------------------------


def test_a_run_at_work_ends_at_its_next_check(start: Start, store: ArtifactStore) -> None:
    gate = Gate()
    runs = start({"hash": gate})
    run = runs.start("hash", "birds", {}, request_id="r1")
    gate.begun.acquire()
    runs.cancel(run.run_id)
    run = ended(runs, run)
    assert (run.state, run.error) == (State.CANCELLED, "")
    wait_for(lambda: saved(store, run)["state"] == "CANCELLED" or None)


def test_a_run_that_waits_is_cancelled_now_and_never_begins(start: Start) -> None:
    gate = Gate()
    runs = start({"hash": gate}, at_once=1)
    first = runs.start("hash", "c1", {}, request_id="r")
    second = runs.start("hash", "c2", {}, request_id="r")
    gate.begun.acquire()
    assert runs.cancel(second.run_id).state is State.CANCELLED
    gate.open.set()
    ended(runs, first)
    assert ended(runs, runs.start("hash", "c3", {}, request_id="r")).state is State.SUCCEEDED
    assert runs.get(second.run_id).started_at == 0


def test_cancelling_what_has_ended_changes_nothing(start: Start) -> None:
    runs = start({"hash": lambda _: {}})
    run = ended(runs, runs.start("hash", "birds", {}, request_id="r1"))
    assert runs.cancel(run.run_id) == run


def test_a_run_in_other_processes_is_cancelled(start: Start) -> None:
    def job(context: RunContext) -> Mapping[str, Any]:
        for _ in context.map(abs, iter(int, 1)):  # without end
            context.progress(1)
        return {}

    runs = start({"hash": job})
    run = runs.start("hash", "birds", {}, request_id="r1")
    wait_for(lambda: runs.get(run.run_id).done or None)
    runs.cancel(run.run_id)
    assert ended(runs, run).state is State.CANCELLED


def test_what_is_not_there_is_not_found(start: Start) -> None:
    runs = start({})
    for act in (
        runs.get,
        runs.cancel,
        lambda run_id: runs.wait(run_id, 1),
        lambda run_id: runs.changes(run_id, -1, 1),
    ):
        with pytest.raises(NotFound):
            act("nosuch")


# --- following ----------------------------------------------------------------------------------


def test_changes_come_as_they_happen(start: Start) -> None:
    step = threading.Semaphore(0)

    def job(context: RunContext) -> Mapping[str, Any]:
        for done in (1, 2):
            step.acquire()
            context.progress(done)
        step.acquire()
        return {}

    runs = start({"hash": job})
    run = runs.start("hash", "birds", {}, request_id="r1")
    version, run = runs.changes(run.run_id, -1, 10)
    seen = [run.done]
    while not run.state.ended:
        step.release()
        version, run = runs.changes(run.run_id, version, 10)
        seen.append(run.done)
    assert seen == sorted(seen)
    assert seen[-1] == 2


def test_without_a_change_the_same_version_comes_after_the_time(start: Start) -> None:
    gate = Gate()
    runs = start({"hash": gate})
    run = runs.start("hash", "birds", {}, request_id="r1")
    gate.begun.acquire()
    version, _ = runs.changes(run.run_id, -1, 10)
    assert runs.changes(run.run_id, version, 0.05)[0] == version
    assert runs.wait(run.run_id, 0.05).state is State.RUNNING


def test_who_follows_is_told_when_the_service_stops(start: Start) -> None:
    gate = Gate()
    runs = start({"hash": gate})
    run = runs.start("hash", "birds", {}, request_id="r1")
    gate.begun.acquire()
    version, _ = runs.changes(run.run_id, -1, 10)
    stopper = threading.Timer(0.1, runs.close)
    stopper.start()
    with pytest.raises(Unavailable):
        runs.changes(run.run_id, version, 30)
    stopper.join()


# --- stop, kill, start again --------------------------------------------------------------------


def test_a_stop_leaves_runs_to_the_next_start(start: Start, store: ArtifactStore) -> None:
    gate = Gate()
    runs = start({"hash": gate}, at_once=1)
    at_work = runs.start("hash", "c1", {}, request_id="r")
    waiting = runs.start("hash", "c2", {}, request_id="r")
    gate.begun.acquire()
    began = runs.get(at_work.run_id).started_at
    runs.close()
    assert [saved(store, run)["state"] for run in (at_work, waiting)] == ["RUNNING", "PENDING"]
    with pytest.raises(Unavailable):
        runs.start("hash", "c3", {}, request_id="r")
    gate.open.set()
    again = start({"hash": gate})
    assert [ended(again, run).state for run in (at_work, waiting)] == [State.SUCCEEDED] * 2
    assert again.get(at_work.run_id).started_at == began


def test_what_breaks_while_the_service_stops_is_no_failure(start: Start) -> None:
    begun = threading.Event()

    def job(context: RunContext) -> Mapping[str, Any]:
        begun.set()
        try:
            while True:
                context.check()
        except Cancelled:
            raise ConnectionError("a dependency stopped first") from None

    runs = start({"hash": job})
    run = runs.start("hash", "birds", {}, request_id="r1")
    begun.wait()
    runs.close()
    assert runs.get(run.run_id).state is State.RUNNING


_SERVICE = """
import sys
from pathlib import Path
import numpy as np
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.storage.store import ArtifactStore
from tests.unit.chassis.test_runs import hash_parts

store = ArtifactStore(sys.argv[1])
runs = Runs(store, "hashing", {"hash": lambda context: hash_parts(store, context, stop_at=3)})
runs.resume()
run = runs.start("hash", "birds", {"parts": 6}, request_id="r1")
runs.wait(run.run_id, 60)
"""


def hash_parts(
    store: ArtifactStore, context: RunContext, stop_at: int | None = None
) -> dict[str, Any]:
    """A job as a service has it: it skips the parts that the manifest lists."""
    made = []
    for part in range(context.run.parameters["parts"]):
        context.check()
        manifest = Manifest.load(store, FOLDER)
        name = f"part-{part:05d}.npy"
        if name not in manifest.entries:
            if part == stop_at:
                print("at", part, flush=True)  # noqa: T201  tells the test to kill
                threading.Event().wait()
            manifest.add(name, store.write_array(f"{FOLDER}/{name}", np.full(10, part)), rows=10)
            manifest.save()
            made.append(part)
        context.progress(part + 1, context.run.parameters["parts"])
    return {"made": made}


def killed_service(store: ArtifactStore) -> None:
    """A service that is killed while it makes part 3."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVICE, store.root],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == b"at 3\n"
        service.send_signal(signal.SIGKILL)


def test_a_killed_service_goes_on_at_the_first_missing_part(
    start: Start, store: ArtifactStore
) -> None:
    killed_service(store)
    (name,) = store.list("runs/hashing")
    assert store.read_json(f"runs/hashing/{name}")["state"] == "RUNNING"
    runs = start({"hash": lambda context: hash_parts(store, context)})
    run = runs.start("hash", "birds", {"parts": 6}, request_id="r1")
    assert f"{run.run_id}.json" == name
    run = ended(runs, run)
    assert (run.state, run.result) == (State.SUCCEEDED, {"made": [3, 4, 5]})
    assert (run.done, run.total) == (6, 6)
    manifest = Manifest.load(store, FOLDER)
    assert (len(manifest.entries), manifest.verify(store)) == (6, [])


def test_a_run_that_was_being_cancelled_is_not_taken_up(start: Start, store: ArtifactStore) -> None:
    killed_service(store)
    (name,) = store.list("runs/hashing")
    document = store.read_json(f"runs/hashing/{name}")
    store.write_json(f"runs/hashing/{name}", document | {"cancelling": True})
    runs = start({"hash": lambda context: hash_parts(store, context)})
    assert ended(runs, runs.list()[0]).state is State.CANCELLED


def test_a_run_that_kills_its_service_again_and_again_is_given_up(
    start: Start, store: ArtifactStore
) -> None:
    for _ in range(MOST_BEGINS):
        killed_service(store)
        # What was made is lost too, so that it never gets beyond where it was.
        store.delete(FOLDER)
    runs = start({"hash": lambda context: hash_parts(store, context)})
    run = ended(runs, runs.list()[0])
    assert run.state is State.FAILED
    assert "again and again" in run.error


def test_a_kind_that_a_new_version_does_not_have_fails(start: Start) -> None:
    gate = Gate()
    runs = start({"hash": gate})
    run = runs.start("hash", "birds", {}, request_id="r1")
    gate.begun.acquire()
    assert ended(start({"other": gate}), run).state is State.FAILED


def test_a_damaged_record_does_not_keep_the_service_from_starting(
    start: Start, store: ArtifactStore
) -> None:
    runs = start({"hash": lambda _: {}})
    good = ended(runs, runs.start("hash", "birds", {}, request_id="r1"))
    wait_for(lambda: saved(store, good)["state"] == "SUCCEEDED" or None)
    for number, data in enumerate((b"", b"[]", b"null", b'{"run_id": "x"}', b'{"state": "?"}')):
        store.write_bytes(f"runs/hashing/bad-{number}.json", data)
    newer = saved(store, good) | {"run_id": "newer", "a_field_of_a_later_version": 1}
    store.write_bytes("runs/hashing/newer.json", json.dumps(newer).encode())
    again = start({"hash": lambda _: {}})
    assert sorted(run.run_id for run in again.list()) == sorted([good.run_id, "newer"])


def test_a_store_that_cannot_be_written_refuses_new_runs_but_ends_old_ones(
    start: Start, tmp_path: Path, store: ArtifactStore
) -> None:
    gate = Gate()
    runs = start({"hash": gate})
    run = runs.start("hash", "birds", {}, request_id="r1")
    gate.begun.acquire()
    # A file where the folder was: no write can succeed, whoever the tests run as.
    folder = tmp_path / "store" / "runs" / "hashing"
    folder.rename(tmp_path / "kept")
    folder.write_bytes(b"")
    with pytest.raises(OSError, match=r"exists|Not a directory"):
        runs.start("hash", "bees", {}, request_id="r1")
    gate.open.set()
    assert ended(runs, run).state is State.SUCCEEDED
    assert [run.collection for run in runs.list()] == ["birds"]
