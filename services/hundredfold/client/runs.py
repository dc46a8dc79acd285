"""Runs of any service: read, list, cancel, follow to the end."""

import time
from collections.abc import Callable, Iterator

import grpc

from hundredfold.api.runs.v1 import runs_pb2, runs_pb2_grpc
from hundredfold.chassis.errors import Conflict, DeadlineExceeded, Unavailable
from hundredfold.chassis.run_book import State
from hundredfold.client import wire
from hundredfold.client.types import Run

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


def _succeeded(run: Run) -> Run:
    if run.state is not State.SUCCEEDED:
        why = run.error or run.message or "no reason given"
        raise Conflict(
            f"{run.service} {run.kind} of {run.collection} {run.state.lower()}: {why}",
            reason=f"RUN_{run.state}",
            metadata={"run_id": run.run_id},
        )
    return run
