"""The life of a server: health, reflection, drain."""

import json
import signal
import subprocess
import sys
import threading

import grpc
import pytest
from google.protobuf.internal import api_implementation
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from hundredfold.chassis.client import connect
from hundredfold.chassis.config import ServerConfig
from hundredfold.chassis.errors import NotFound, ServiceError
from hundredfold.chassis.server import build_server
from hundredfold.chassis.testing import running, serving, wait_for
from tests.contract.chassis_mounts import GET_RUN, RUNS, get, run, runs, until_stopped, watch

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def health_of(channel, service):
    stub = health_pb2_grpc.HealthStub(channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status


def test_protobuf_runs_on_its_c_implementation():
    assert api_implementation.Type() == "upb"


def test_a_server_on_pure_python_protobuf_does_not_start():
    code = (
        "from hundredfold.chassis import server, config;"
        "server.build_server(config.ServerConfig(), 'x', [])"
    )
    environ = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python", "PYTHONPATH": "services"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )
    assert "protobuf must run on upb" in done.stderr


# --- health and reflection ----------------------------------------------------------------------


def test_health_answers_for_the_process_and_for_each_service():
    with serving(runs()) as channel:
        assert health_of(channel, "") == SERVING
        assert health_of(channel, RUNS.full_name) == SERVING
        with pytest.raises(NotFound):
            health_of(channel, "nothing")


def test_health_needs_no_deadline():
    with running(runs()) as server, grpc.insecure_channel(server.address) as channel:
        assert health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())


def test_a_service_whose_dependency_is_away_lives_but_does_not_serve():
    away = threading.Event()

    def ready():
        if away.is_set():
            raise ConnectionError

    with running(runs(), ready=ready) as server, connect(server.address) as channel:
        assert health_of(channel, RUNS.full_name) == SERVING
        away.set()
        wait_for(lambda: health_of(channel, RUNS.full_name) == NOT_SERVING)
        assert health_of(channel, "") == SERVING
        away.clear()
        wait_for(lambda: health_of(channel, RUNS.full_name) == SERVING)


def reflected(channel):
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="*")
    answer = next(stub.ServerReflectionInfo(iter([request])))
    return {service.name for service in answer.list_services_response.service}


def test_reflection_tells_the_services():
    with serving(runs()) as channel:
        assert reflected(channel) >= {RUNS.full_name, "grpc.health.v1.Health"}


def test_reflection_can_be_switched_off():
    config = ServerConfig(reflection=False)
    with serving(runs(), config=config) as channel, pytest.raises(ServiceError) as caught:
        reflected(channel)
    assert caught.value.reason == "UNIMPLEMENTED"


# --- the end ------------------------------------------------------------------------------------


def test_a_drain_ends_streams_and_lets_running_calls_end():
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_):
        begun.set()
        assert go_on.wait(30)
        return run(run_id="done")

    server = build_server(ServerConfig(), "test", [runs(get=slow, watch=until_stopped)])
    server.start()
    with connect(server.address) as channel:
        states = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(states).status == SERVING
        stream = watch(channel)
        assert next(stream).run.message == "begin"
        running_call = channel.unary_unary(GET_RUN).future(b"")
        begun.wait(5)
        stopper = threading.Thread(target=server.stop, kwargs={"grace": 20})
        stopper.start()
        assert next(states).status == NOT_SERVING
        assert [answer.run.message for answer in stream] == ["end"]
        with pytest.raises(ServiceError):
            get(channel, timeout=5)
        go_on.set()
        assert running_call.result() == run(run_id="done").SerializeToString()
        states.cancel()
        stopper.join(10)
        assert not stopper.is_alive()


def test_what_outlives_the_grace_is_cancelled():
    def endless(request, call):
        ended = threading.Event()
        call.add_callback(ended.set)
        yield run()
        ended.wait(30)

    with running(runs(watch=endless)) as server, connect(server.address) as channel:
        stream = watch(channel)
        next(stream)
        server.stop(grace=0.05)
        with pytest.raises(ServiceError):
            next(stream)


def test_a_server_may_be_stopped_twice():
    with running(runs()) as server:
        server.stop(grace=0)


PROGRAM = """
import sys
from hundredfold.chassis import config, server
from tests.contract.chassis_mounts import runs, until_stopped
made = server.build_server(config.ServerConfig(drain_seconds=10), "example", [runs(watch=until_stopped)])
print(made.address, flush=True)
sys.exit(server.serve(made, on_stop=lambda: print("stopped", flush=True)))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_process(number):
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env={"PYTHONPATH": "services:."},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = process.stdout.readline().strip()
        with connect(address) as channel:
            stream = watch(channel, wait_for_ready=True)
            assert next(stream).run.message == "begin"
            process.send_signal(number)
            assert [answer.run.message for answer in stream] == ["end"]
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, "stopped\n")
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["message"] for line in lines] == [
        f"example serves on {address}",
        "example drains",
        "rpc",
    ]
    assert lines[-1]["code"] == "OK"


# Also what interrupts no wait of the main thread has to end it.
SIGNALLED_ELSEWHERE = """
import signal, sys, threading
from hundredfold.chassis import config, server
from tests.contract.chassis_mounts import runs
made = server.build_server(config.ServerConfig(), "example", [runs()])
def end():
    sys.stdin.readline()
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    sys.stdin.readline()
threading.Thread(target=end, daemon=True).start()
sys.exit(server.serve(made))
"""


def test_a_signal_that_another_thread_takes_drains_the_process():
    process = subprocess.Popen(
        [sys.executable, "-c", SIGNALLED_ELSEWHERE],
        env={"PYTHONPATH": "services:."},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "serves on" in process.stderr.readline()
        process.stdin.write("end\n")
        process.stdin.flush()
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.communicate()
