"""What a server tells about its calls: metrics, logs, traces."""

import io
import json
import logging
import socket
import threading
import urllib.error
import urllib.request
from concurrent import futures

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from hundredfold.chassis import context
from hundredfold.chassis.client import connect
from hundredfold.chassis.config import ServerConfig
from hundredfold.chassis.errors import NotFound, ServiceError, Unauthenticated
from hundredfold.chassis.logging import JsonFormatter
from hundredfold.chassis.testing import running, serving, wait_for
from tests.contract.chassis_mounts import GET_RUN, get, run, runs, until_stopped, watch


def fetch(port, path, **options):
    # The address is this test's own server.
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", **options)  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        return answer.read().decode()


def missing(*_):
    raise NotFound("no")


def test_the_metrics_port_serves_metrics_and_nothing_else():
    with running(runs(get=missing), config=ServerConfig(metrics_port=-1)) as server:
        with connect(server.address) as channel, pytest.raises(NotFound):
            get(channel)
        text = fetch(server.metrics_port, "/metrics")
        for path in ("/", "/favicon.ico", "/metrics/x", "/../etc/passwd"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                fetch(server.metrics_port, path)
        with pytest.raises(urllib.error.HTTPError, match="501"):
            fetch(server.metrics_port, "/metrics", data=b"x", method="POST")
    labels = f'code="NOT_FOUND",method="{GET_RUN}"'
    assert f"hundredfold_rpc_handled_total{{{labels}}} 1.0" in text
    assert f'hundredfold_rpc_started_total{{method="{GET_RUN}"}} 1.0' in text
    assert f'hundredfold_rpc_seconds_count{{method="{GET_RUN}"}} 1.0' in text


def test_a_server_on_ipv6_has_its_metrics_there_too():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    config = ServerConfig(bind="[::1]:0", metrics_port=-1)
    with running(runs(get=lambda *_: run()), config=config) as server:
        with connect(server.address) as channel:
            get(channel)
        with socket.create_connection(("::1", server.metrics_port), timeout=5):
            pass


def test_two_servers_count_apart():
    with running(runs(get=missing)) as one, running(runs(get=missing)) as other:
        with connect(one.address) as channel, pytest.raises(NotFound):
            get(channel)
        sample = ("hundredfold_rpc_started_total", {"method": GET_RUN})
        assert one.metrics.registry.get_sample_value(*sample) == 1
        assert other.metrics.registry.get_sample_value(*sample) is None


@pytest.fixture
def logged():
    """What is logged as JSON while the test runs, one object a line."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("test"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


def of_method(logged, path=GET_RUN):
    return wait_for(lambda: [line for line in logged() if line.get("method") == path])


def test_a_call_is_one_line_of_the_log(logged):
    with serving(runs(get=missing)) as channel, pytest.raises(NotFound):
        get(channel, metadata=[("x-request-id", "abc-1")])
    (line,) = of_method(logged)
    assert line["duration_ms"] > 0
    assert (
        line.items()
        >= {
            "level": "INFO",
            "logger": "hundredfold.rpc",
            "service": "test",
            "message": "rpc",
            "code": "NOT_FOUND",
            "reason": "NOT_FOUND",
            "request_id": "abc-1",
        }.items()
    )
    assert {"time", "trace_id"} <= set(line)


def test_a_handler_logs_with_the_ids_of_its_call(logged):
    def handler(*_):
        logging.getLogger("here").warning("look")
        return run()

    with serving(runs(get=handler)) as channel:
        get(channel, metadata=[("x-request-id", "abc-1")])
    (line,) = [line for line in logged() if line["logger"] == "here"]
    assert line["request_id"] == "abc-1"


def test_logs_hold_no_token_and_no_payload(logged, tmp_path):
    path = tmp_path / "tokens.json"
    path.write_text("[]")

    def broken(*_):
        raise ValueError

    canary = "canary-4711"
    for config in (ServerConfig(tokens=str(path), token=canary), ServerConfig(token=canary)):
        with serving(runs(get=broken, watch=until_stopped), config=config) as channel:
            for options in ({}, {"metadata": [("authorization", f"Basic {canary}")]}):
                with pytest.raises((ServiceError, Unauthenticated)):
                    get(channel, canary, **options)
            channel.unary_unary(GET_RUN).future(canary.encode()).exception()
    lines = of_method(logged)
    assert {line["code"] for line in lines} == {"UNAUTHENTICATED", "INTERNAL", "INVALID_ARGUMENT"}
    assert canary not in json.dumps(logged())


def test_a_caller_that_leaves_is_cancelled_in_the_log(logged):
    def responses(request, call):
        gone = threading.Event()
        call.add_callback(gone.set)
        yield run()
        gone.wait(10)
        yield run()

    with serving(runs(watch=responses)) as channel:
        stream = watch(channel)
        next(stream)
        stream.cancel()
        (line,) = of_method(logged, GET_RUN.replace("GetRun", "WatchRun"))
    assert line["code"] == "CANCELLED"


def test_a_request_id_that_could_forge_a_log_is_replaced(logged):
    with serving(runs(get=lambda *_: run(run_id=context.request_id()))) as channel:
        for bad in ("a b", "x" * 200, '"}'):
            assert get(channel, metadata=[("x-request-id", bad)]).run_id not in ("", bad)


@pytest.mark.parametrize("answer", [lambda *_: run(), missing])
def test_the_request_id_comes_back(answer):
    with running(runs(get=answer)) as server, grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary(GET_RUN).future(
            b"", timeout=5, metadata=[("x-request-id", "abc-1")]
        )
        call.exception()
        assert dict(call.trailing_metadata())["x-request-id"] == "abc-1"


def test_spans_reach_the_collector_when_one_is_set(monkeypatch):
    exported = []

    class Collector(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request, context):
            exported.extend(request.resource_spans)
            return trace_service_pb2.ExportTraceServiceResponse()

    collector = grpc.server(futures.ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Collector(), collector)
    port = collector.add_insecure_port("127.0.0.1:0")
    collector.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    trace_id, span_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with serving(runs(get=missing)) as channel, pytest.raises(NotFound):
        get(channel, metadata=[("traceparent", f"00-{trace_id}-{span_id}-01")])
    (resource,) = exported
    (span,) = resource.scope_spans[0].spans
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (trace_id, span_id)
    assert span.name == GET_RUN.lstrip("/")
    collector.stop(0).wait()
