"""RunsService on a real server: every RPC, and every error that its comments name."""

import io
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from hundredfold.api.runs.v1 import runs_pb2 as pb
from hundredfold.api.runs.v1.runs_pb2_grpc import RunsServiceStub
from hundredfold.chassis.engine import LocalEngine
from hundredfold.chassis.errors import (
    Conflict,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from hundredfold.chassis.runs import RunContext, Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import serving, wait_for

pytestmark = pytest.mark.timeout(60)


class Service:
    """A service with three kinds of runs, and a caller."""

    def __init__(self, store: ArtifactStore) -> None:
        self.leave = threading.Event()
        jobs = {"quick": self._quick, "endless": self._endless, "broken": self._broken}
        jobs["quoting"] = self._quoting
        jobs["writing"] = self._writing
        self.store = store
        self.runs = Runs(store, "test", jobs, engine=LocalEngine(workers=1))
        self.stub: RunsServiceStub

    def start(self, kind: str, collection: str = "birds", **parameters: Any) -> str:
        return self.runs.start(kind, collection, parameters, request_id="r").run_id

    def _quick(self, context: RunContext) -> Mapping[str, Any]:
        context.progress(3, 3, message="done with all")
        return {"made": 3}

    def _endless(self, context: RunContext) -> Mapping[str, Any]:
        done = 0
        while not self.leave.wait(0.005):
            context.check()
            done += 1
            context.progress(done)
        return {}

    def _broken(self, _: RunContext) -> Mapping[str, Any]:
        raise Conflict("there is no space")

    def wrote(self, path: str, *, below: str | None = "store") -> str:
        """The run whose result names a file; below the store unless told otherwise."""
        whole = f"{self.store.root}/{path}" if below else path
        run = self.runs.start("writing", "birds", {"path": whole}, request_id=f"w {path}")
        self.runs.wait(run.run_id, 10)
        return run.run_id

    def _writing(self, context: RunContext) -> Mapping[str, Any]:
        return {"destination": context.run.parameters["path"]}

    def _quoting(self, context: RunContext) -> Mapping[str, Any]:
        context.progress(1, message="at \udcff")
        raise Conflict("no column \udcff" + "x" * 10_000_000)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(ArtifactStore(str(tmp_path)))
    with serving(runs_mount(service.runs)) as channel:
        service.stub = RunsServiceStub(channel)
        yield service
        service.runs.close()


def watched(service: Service, run_id: str) -> list[pb.Run]:
    return [answer.run for answer in service.stub.WatchRun(pb.WatchRunRequest(run_id=run_id))]


def test_get_returns_the_run(service: Service) -> None:
    run_id = service.start("quick", n=2)
    service.runs.wait(run_id, 10)
    run = service.stub.GetRun(pb.GetRunRequest(run_id=run_id)).run
    assert (run.run_id, run.kind, run.collection) == (run_id, "quick", "birds")
    assert (run.state, run.done, run.total, run.unit) == (pb.STATE_SUCCEEDED, 3, 3, "images")
    assert (run.message, run.error) == ("done with all", "")
    assert json.loads(run.parameters_json) == {"n": 2}
    assert json.loads(run.result_json) == {"made": 3}
    assert 0 < run.created_at <= run.started_at <= run.finished_at


def test_a_run_that_failed_says_why_and_has_no_result(service: Service) -> None:
    run = watched(service, service.start("broken"))[-1]
    assert (run.state, run.error, run.result_json) == (pb.STATE_FAILED, "there is no space", "")


def test_an_unknown_run_is_not_found(service: Service) -> None:
    for call in (
        lambda: service.stub.GetRun(pb.GetRunRequest(run_id="nosuch")),
        lambda: service.stub.CancelRun(pb.CancelRunRequest(run_id="nosuch")),
        lambda: list(service.stub.WatchRun(pb.WatchRunRequest(run_id="nosuch"))),
        lambda: service.stub.GetRun(pb.GetRunRequest()),
    ):
        with pytest.raises(NotFound):
            call()


def test_list_goes_through_all_runs_newest_first(service: Service) -> None:
    made = [service.start("quick", f"c{number}") for number in range(7)]
    for run_id in made:
        service.runs.wait(run_id, 10)
    for size in (1, 3, 7, 0, 5_000):
        found = list(pages(service, size))
        assert [run_id for page in found for run_id in page] == made[::-1]
        assert max(map(len, found)) <= (size or 100)
        assert all(found)
    assert list(pages(service, 2, "c3")) == [[made[3]]]
    assert list(pages(service, 2, "c9")) == [[]]


@pytest.mark.parametrize("request_", [{"page_size": -1}, {"page_token": "junk"}])
def test_a_wrong_page_is_an_invalid_argument(service: Service, request_: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        service.stub.ListRuns(pb.ListRunsRequest(**request_))
    assert caught.value.field in request_


def test_cancel_ends_a_run_and_may_be_repeated(service: Service) -> None:
    run_id = service.start("endless")
    wait_for(lambda: service.runs.get(run_id).done or None)
    service.stub.CancelRun(pb.CancelRunRequest(run_id=run_id))
    assert watched(service, run_id)[-1].state == pb.STATE_CANCELLED
    again = service.stub.CancelRun(pb.CancelRunRequest(run_id=run_id)).run
    assert again.state == pb.STATE_CANCELLED


def test_watch_of_an_ended_run_is_one_answer(service: Service) -> None:
    run_id = service.start("quick")
    service.runs.wait(run_id, 10)
    assert [run.state for run in watched(service, run_id)] == [pb.STATE_SUCCEEDED]


def test_watch_sends_at_once_then_at_most_five_times_a_second_then_the_end(
    service: Service,
) -> None:
    run_id = service.start("endless")
    wait_for(lambda: service.runs.get(run_id).done or None)
    moments, done = [monotonic()], []
    for answer in service.stub.WatchRun(pb.WatchRunRequest(run_id=run_id)):
        moments.append(monotonic())
        done.append(answer.run.done)
        if len(done) == 5:
            service.leave.set()
    assert answer.run.state == pb.STATE_SUCCEEDED
    assert done == sorted(done)
    # The end may come sooner after what was before it, and a slow machine is no fault.
    assert moments[-2] - moments[0] > 0.15 * (len(done) - 2)


def test_watch_ends_as_unavailable_when_the_service_stops(service: Service) -> None:
    run_id = service.start("endless")
    answers = service.stub.WatchRun(pb.WatchRunRequest(run_id=run_id))
    next(answers)
    service.runs.close()
    with pytest.raises(Unavailable):
        list(answers)


def pages(service: Service, size: int, collection: str = "") -> Iterator[list[str]]:
    token, more = "", True
    while more:
        request = pb.ListRunsRequest(page_size=size, page_token=token, collection=collection)
        answer = service.stub.ListRuns(request)
        yield [run.run_id for run in answer.runs]
        token = answer.next_page_token
        more = bool(token)


def test_what_a_run_quotes_of_a_file_does_not_break_the_answers(service: Service) -> None:
    run_id = service.start("quoting")
    service.runs.wait(run_id, 10)
    run = service.stub.GetRun(pb.GetRunRequest(run_id=run_id)).run
    assert run.error.startswith("no column ?x")
    assert len(run.error) < 5000
    assert [each.run_id for each in service.stub.ListRuns(pb.ListRunsRequest()).runs] == [run_id]


def read(service: Service, run_id: str, **asked: bool) -> tuple[pb.ReadFileResponse, bytes]:
    first, *others = service.stub.ReadFile(pb.ReadFileRequest(run_id=run_id, **asked))
    return first, b"".join(each.data for each in others)


def test_a_file_that_a_run_has_written_is_sent_in_pieces(service: Service) -> None:
    content = bytes(range(256)) * 10_000
    service.store.write_bytes("exports/labels.csv", content)
    run_id = service.wrote("exports/labels.csv")
    first, data = read(service, run_id)
    assert (first.name, first.bytes, first.files) == ("birds-labels.csv", len(content), 1)
    assert data == content
    assert read(service, run_id, only_facts=True) == (first, b"")


def test_a_folder_that_a_run_has_written_is_sent_as_a_zip(service: Service) -> None:
    written = {"owl/1.jpg": b"o" * 3_000_000, "tit/2.jpg": b"t", "tit/3.jpg": b""}
    for name, data in written.items():
        service.store.write_bytes(f"exports/images/{name}", data)
    first, data = read(service, service.wrote("exports/images"))
    assert (first.name, first.bytes, first.files) == ("birds-images.zip", 3_000_001, 3)
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        assert packed.testzip() is None
        assert {name: packed.read(name) for name in packed.namelist()} == written


@pytest.mark.parametrize(
    ("destination", "reason"),
    [("", "NO_FILE"), ("/etc/passwd", "NOT_IN_STORE"), ("s3://bucket/labels.csv", "NOT_IN_STORE")],
)
def test_nothing_else_of_the_machine_is_sent(
    service: Service, destination: str, reason: str
) -> None:
    with pytest.raises(Conflict) as refused:
        read(service, service.wrote(destination, below="" if destination else None))
    assert refused.value.reason == reason


def test_no_path_leads_out_of_the_store(service: Service, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument):
        read(service, service.wrote(f"{tmp_path}/x/../../secret", below=""))


def send(service: Service, name: str, *pieces: bytes) -> pb.TakeFileResponse:
    first, *others = pieces
    requests = [pb.TakeFileRequest(name=name, data=first)]
    requests += [pb.TakeFileRequest(data=each) for each in others]
    return service.stub.TakeFile(iter(requests))


def test_a_file_is_kept_for_a_run_to_read(service: Service) -> None:
    kept = send(service, "labels.csv", b"key,label\n", b"1,owl\n")
    assert kept.bytes == 16
    assert Path(kept.uri).read_bytes() == b"key,label\n1,owl\n"
    assert kept.uri.startswith(f"{service.store.root}/uploads/test/")
    assert kept.uri.endswith("-labels.csv")
    assert send(service, "labels.csv", b"").uri != kept.uri


@pytest.mark.parametrize("name", ["", "../x.csv", ".hidden", "a/b", "a" * 101, "x\n.csv"])
def test_a_file_is_kept_under_a_plain_name_only(service: Service, name: str) -> None:
    with pytest.raises(InvalidArgument):
        send(service, name, b"x")
    assert not service.store.list("uploads/test")


def test_a_file_that_is_too_large_leaves_nothing(service: Service) -> None:
    piece = bytes(1 << 20)
    with pytest.raises(ResourceExhausted) as refused:
        send(service, "large.csv", *[piece] * 257)
    assert refused.value.reason == "TOO_LARGE"
    assert not service.store.list("uploads/test")


def test_files_of_yesterday_go_when_another_comes(service: Service) -> None:
    old = f"uploads/test/1000-{'0' * 32}-labels.csv"
    service.store.write_bytes(old, b"old")
    send(service, "labels.csv", b"new")
    assert not service.store.exists(old)


def test_a_file_of_a_run_at_work_or_of_none_is_not_sent(service: Service) -> None:
    with pytest.raises(NotFound):
        read(service, "nobody")
    with pytest.raises(NotFound, match="is gone"):
        read(service, service.wrote("exports/gone.csv"))
    run_id = service.start("endless")
    with pytest.raises(Conflict) as refused:
        read(service, run_id)
    assert refused.value.reason == "RUN_NOT_DONE"
    service.leave.set()
