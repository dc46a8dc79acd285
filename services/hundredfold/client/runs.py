"""Runs of any service: read, list, cancel, follow to the end."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from hundredfold.api.runs.v1 import runs_pb2, runs_pb2_grpc
from hundredfold.chassis.errors import Conflict, DeadlineExceeded, Unavailable
from hundredfold.chassis.run_book import State
from hundredfold.client import wire
from hundredfold.client.types import Run, RunFile

_FACTS_SECONDS = 30
_READ_SECONDS = 6 * 3_600
_SEND_SECONDS = 600
_PIECE_BYTES = 1 << 20

OnProgress = Callable[[Run], None]


class RunsClient:
    """The runs of one service."""

    def __init__(self, service: str, channel: grpc.Channel) -> None:
        self.service = service
        self._stub = runs_pb2_grpc.RunsServiceStub(channel)

    def get(self, run_id: str) -> Run:
        """Read a run; NotFound."""
        answer = self._stub.GetRun(runs_pb2.GetRunRequest(run_id=run_id))
        return wire.run(self.service, answer.run)

    def recent(self, collection: str = "", *, limit: int = 100) -> list[Run]:
        """The newest runs first."""
        request = runs_pb2.ListRunsRequest(collection=collection, page_size=limit)
        return [wire.run(self.service, each) for each in self._stub.ListRuns(request).runs]

    def cancel(self, run_id: str) -> Run:
        """Ask a run to end."""
        answer = self._stub.CancelRun(runs_pb2.CancelRunRequest(run_id=run_id))
        return wire.run(self.service, answer.run)

    def follow(self, run_id: str) -> Iterator[Run]:
        """The run at each change, until it ends."""
        for answer in self._stub.WatchRun(runs_pb2.WatchRunRequest(run_id=run_id)):
            yield wire.run(self.service, answer.run)

    def file(self, run_id: str) -> RunFile:
        """What a run has written into the store; takes the role reviewer.

        Raises:
            NotFound: there is no such run, or its file is gone.
            Conflict: RUN_NOT_DONE, NO_FILE or NOT_IN_STORE.
        """
        request = runs_pb2.ReadFileRequest(run_id=run_id, only_facts=True)
        (answer,) = self._stub.ReadFile(request, timeout=_FACTS_SECONDS)
        return RunFile(answer.name, answer.bytes, answer.files)

    def read_file(self, run_id: str) -> tuple[RunFile, Iterator[bytes]]:
        """The same with its bytes, a folder as a zip; close the iterator to end before its end."""
        answers = self._stub.ReadFile(
            runs_pb2.ReadFileRequest(run_id=run_id), timeout=_READ_SECONDS
        )
        first = next(iter(answers))
        return RunFile(first.name, first.bytes, first.files), _pieces(answers)

    def take_file(self, name: str, data: bytes) -> str:
        """Keep a file for a run of this service to read, for a day; its URI. Takes the role admin.

        Raises:
            InvalidArgument: the name has other than letters, digits, `.`, `-` and `_`.
            ResourceExhausted: TOO_LARGE, more than 256 MiB.
        """
        begins = range(0, max(1, len(data)), _PIECE_BYTES)
        requests = (
            runs_pb2.TakeFileRequest(name="" if at else name, data=data[at : at + _PIECE_BYTES])
            for at in begins
        )
        return self._stub.TakeFile(requests, timeout=_SEND_SECONDS).uri

    def wait(
        self, run_id: str, on_progress: OnProgress = lambda _: None, *, patience: float = 300.0
    ) -> Run:
        """Follow a run to its end and return it.

        The service may go away meanwhile: a restarted service takes its runs up again. After
        `patience` seconds without an answer the error is raised.

        Raises:
            Conflict: the run failed or was cancelled.
            Unavailable: the service stayed away.
        """
        heard = time.monotonic()
        while True:
            try:
                for run in self.follow(run_id):
                    heard = time.monotonic()
                    on_progress(run)
                    if run.state.ended:
                        return _succeeded(run)
            except (Unavailable, DeadlineExceeded):
                if time.monotonic() - heard > patience:
                    raise
            time.sleep(0.5)


def _pieces(answers: Any) -> Iterator[bytes]:
    try:
        for answer in answers:
            yield answer.data
    finally:
        answers.cancel()


def _succeeded(run: Run) -> Run:
    if run.state is not State.SUCCEEDED:
        why = run.error or run.message or "no reason given"
        raise Conflict(
            f"{run.service} {run.kind} of {run.collection} {run.state.lower()}: {why}",
            reason=f"RUN_{run.state}",
            metadata={"run_id": run.run_id},
        )
    return run
