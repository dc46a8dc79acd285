"""RunsService: the runs of a service for its callers, the same in every service that has any."""

import json
from collections.abc import Iterator
from itertools import chain

import grpc

from hundredfold.api.runs.v1 import runs_pb2, runs_pb2_grpc
from hundredfold.chassis.context import stopping
from hundredfold.chassis.errors import Unavailable
from hundredfold.chassis.paging import decode_token, encode_token, page_size
from hundredfold.chassis.run_files import pieces
from hundredfold.chassis.runs import Run, Runs
from hundredfold.chassis.server import Mount

_WATCH_SECONDS = 1.0
_PAUSE_SECONDS = 0.2
_MOST_CHARACTERS = 4000


def runs_mount(runs: Runs) -> Mount:
    """What to mount so that the service has a RunsService."""
    return Mount(
        runs_pb2.DESCRIPTOR.services_by_name["RunsService"],
        runs_pb2_grpc.add_RunsServiceServicer_to_server,
        RunsServicer(runs),
    )


def run_message(run: Run) -> runs_pb2.Run:
    """The run as a message."""
    return runs_pb2.Run(
        run_id=run.run_id,
        kind=run.kind,
        collection=run.collection,
        state=runs_pb2.State.Value(f"STATE_{run.state}"),
        done=run.done,
        total=run.total,
        unit=run.unit,
        message=_sendable(run.message),
        error=_sendable(run.error),
        parameters_json=json.dumps(run.parameters),
        result_json=json.dumps(run.result) if run.result else "",
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
    )


def _sendable(text: str) -> str:
    """What is said about a run may quote bytes of files: not always text, and not always short."""
    return text[:_MOST_CHARACTERS].encode("utf-8", "replace").decode()


class RunsServicer(runs_pb2_grpc.RunsServiceServicer):
    """Translates between the messages and Runs."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def GetRun(
        self, request: runs_pb2.GetRunRequest, context: grpc.ServicerContext
    ) -> runs_pb2.GetRunResponse:
        """See runs.proto."""
        return runs_pb2.GetRunResponse(run=run_message(self._runs.get(request.run_id)))

    def ListRuns(
        self, request: runs_pb2.ListRunsRequest, context: grpc.ServicerContext
    ) -> runs_pb2.ListRunsResponse:
        """See runs.proto."""
        size = page_size(request.page_size)
        (after,) = decode_token(request.page_token, str) or ("",)
        # One more than asked for tells whether there is a next page.
        found = self._runs.list(request.collection, after=after, limit=size + 1)
        token = encode_token(found[size - 1].run_id) if len(found) > size else ""
        runs = [run_message(run) for run in found[:size]]
        return runs_pb2.ListRunsResponse(runs=runs, next_page_token=token)

    def CancelRun(
        self, request: runs_pb2.CancelRunRequest, context: grpc.ServicerContext
    ) -> runs_pb2.CancelRunResponse:
        """See runs.proto."""
        return runs_pb2.CancelRunResponse(run=run_message(self._runs.cancel(request.run_id)))

    def WatchRun(
        self, request: runs_pb2.WatchRunRequest, context: grpc.ServicerContext
    ) -> Iterator[runs_pb2.WatchRunResponse]:
        """See runs.proto."""
        seen = -1
        while context.is_active():
            if stopping().is_set():
                raise Unavailable("the service is stopping; watch again", reason="STOPPING")
            version, run = self._runs.changes(request.run_id, seen, _WATCH_SECONDS)
            if version != seen:
                yield runs_pb2.WatchRunResponse(run=run_message(run))
            if run.state.ended:
                return
            seen = version
            self._runs.wait(request.run_id, _PAUSE_SECONDS)  # ends sooner with the run

    def ReadFile(
        self, request: runs_pb2.ReadFileRequest, context: grpc.ServicerContext
    ) -> Iterator[runs_pb2.ReadFileResponse]:
        """See runs.proto."""
        file, store = self._runs.file(request.run_id)
        yield runs_pb2.ReadFileResponse(name=file.name, bytes=file.size, files=file.files)
        if not request.only_facts:
            for piece in pieces(file, store):
                yield runs_pb2.ReadFileResponse(data=piece)

    def TakeFile(
        self, request_iterator: Iterator[runs_pb2.TakeFileRequest], context: grpc.ServicerContext
    ) -> runs_pb2.TakeFileResponse:
        """See runs.proto."""
        first = next(request_iterator, runs_pb2.TakeFileRequest())
        pieces = (each.data for each in chain([first], request_iterator))
        kept = self._runs.take_file(first.name, pieces)
        return runs_pb2.TakeFileResponse(uri=kept.uri, bytes=kept.size)
