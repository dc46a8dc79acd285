"""What `connect` does to calls, seen from a real server."""

import json
import time

import pytest

from hundredfold.api.labels.v1 import labels_pb2, labels_pb2_grpc
from hundredfold.chassis import context
from hundredfold.chassis.client import NOT_REPEATABLE, STREAMS, connect, peer
from hundredfold.chassis.config import ServerConfig
from hundredfold.chassis.errors import InvalidArgument, Unavailable
from hundredfold.chassis.server import Mount
from hundredfold.chassis.testing import running, serving
from tests.contract.chassis_mounts import get, run, runs, services, watch


def headers(call):
    return {each.key: each.value for each in call.invocation_metadata()}


def reporting(request, call):
    """Answers with what came, as JSON."""
    return run(message=json.dumps({**headers(call), "seconds": call.time_remaining()}))


def reported(channel, **options):
    return json.loads(get(channel, **options).message)


def test_a_call_has_a_deadline_and_a_request_id():
    with running(runs(get=reporting)) as server:
        with connect(server.address) as channel:
            first, second = reported(channel), reported(channel)
            assert 9 < first["seconds"] < 10.5
            assert len(first["x-request-id"]) == 32
            assert first["x-request-id"] != second["x-request-id"]
            assert "authorization" not in first
            assert 2 < reported(channel, timeout=3)["seconds"] < 3.5
        with connect(server.address, deadline_seconds=60, token="t") as channel:  # noqa: S106  # of this test
            assert 59 < reported(channel)["seconds"] < 63
            assert reported(channel)["authorization"] == "Bearer t"


def test_what_a_call_is_given_wins_over_the_defaults():
    given = [("x-request-id", "mine"), ("authorization", "Bearer mine")]
    with serving(runs(get=reporting), config=ServerConfig(token="t")) as channel:  # noqa: S106  # of this test
        assert reported(channel, metadata=given).items() >= dict(given).items()


def test_a_stream_has_no_deadline():
    def responses(request, call):
        yield run(done=int(call.time_remaining()))

    with serving(runs(watch=responses)) as channel:
        assert next(watch(channel)).run.done > 1e6


def test_a_call_made_by_a_handler_belongs_to_the_call_it_handles():
    with running(runs(get=reporting)) as inner, connect(inner.address) as onward:

        def handler(*_):
            here = {"id": context.request_id(), "trace": context.scope().trace.traceparent()}
            return run(message=json.dumps({**reported(onward), **here}))

        with serving(runs(get=handler)) as channel:
            trace = "4bf92f3577b34da6a3ce929d0e0e4736"
            sent = [("traceparent", f"00-{trace}-00f067aa0ba902b7-01"), ("x-request-id", "r-1")]
            seen = reported(channel, timeout=3, metadata=sent)
    assert seen["x-request-id"] == seen["id"] == "r-1"
    assert seen["traceparent"] == seen["trace"]
    assert seen["traceparent"].startswith(f"00-{trace}-")
    assert seen["traceparent"] != sent[0][1]
    assert seen["seconds"] <= 3.1


def test_a_peer_is_called_as_the_config_says():
    with running(runs(get=reporting)) as server:
        environ = {"HUNDREDFOLD_LABELS_ADDRESS": server.address}
        with peer(ServerConfig(token="t"), "labels", environ) as channel:  # noqa: S106  # of this test
            assert reported(channel)["authorization"] == "Bearer t"


def failing(times, error, answer):
    calls = []

    def handler(*_):
        calls.append(time.monotonic())
        if len(calls) <= times:
            raise error
        return answer

    return handler, calls


def test_an_unavailable_service_is_asked_again():
    handler, calls = failing(2, Unavailable("away"), run(run_id="x"))
    with serving(runs(get=handler)) as channel:
        assert get(channel).run_id == "x"
    assert len(calls) == 3


def test_it_is_asked_at_most_four_times():
    handler, calls = failing(100, Unavailable("away"), None)
    with serving(runs(get=handler)) as channel, pytest.raises(Unavailable):
        get(channel)
    assert len(calls) == 4


def test_other_errors_are_not_asked_again():
    handler, calls = failing(100, InvalidArgument("no"), None)
    with serving(runs(get=handler)) as channel, pytest.raises(InvalidArgument):
        get(channel)
    assert len(calls) == 1


def test_what_may_not_be_repeated_is_not_asked_again():
    handler, calls = failing(100, Unavailable("away"), None)

    class Labels(labels_pb2_grpc.LabelsServiceServicer):
        def LeasePages(self, request, context):
            return handler()

    mount = Mount(
        labels_pb2.DESCRIPTOR.services_by_name["LabelsService"],
        labels_pb2_grpc.add_LabelsServiceServicer_to_server,
        Labels(),
    )
    with serving(mount) as channel, pytest.raises(Unavailable):
        labels_pb2_grpc.LabelsServiceStub(channel).LeasePages(labels_pb2.LeasePagesRequest())
    assert len(calls) == 1


def test_every_exception_to_the_retries_is_a_method():
    methods = {f"{s.full_name}/{m.name}" for s in services() for m in s.methods}
    assert methods.issuperset(NOT_REPEATABLE)


def test_grpc_does_not_retry_any_call_with_a_stream():
    streams = {
        f"{service.full_name}/{method.name}"
        for service in services()
        for method in service.methods
        if method.server_streaming or method.client_streaming
    }
    assert streams == set(STREAMS)


def test_a_channel_without_exceptions_retries_all():
    handler, calls = failing(1, Unavailable("away"), run())
    with (
        running(runs(get=handler)) as server,
        connect(server.address, not_repeatable=()) as channel,
    ):
        get(channel)
    assert len(calls) == 2


def test_a_service_that_is_not_there_is_unavailable_within_seconds():
    with connect("127.0.0.1:1") as channel, pytest.raises(Unavailable):
        get(channel)
