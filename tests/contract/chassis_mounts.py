"""What the chassis tests serve: RunsService by functions, and every service of the API by echo."""

import importlib
import pkgutil

import grpc
from google.protobuf import message_factory

import hundredfold.api
from hundredfold.api.runs.v1 import runs_pb2, runs_pb2_grpc
from hundredfold.chassis import context
from hundredfold.chassis.server import Mount

RUNS = runs_pb2.DESCRIPTOR.services_by_name["RunsService"]
GET_RUN = "/hundredfold.api.runs.v1.RunsService/GetRun"


class Runs(runs_pb2_grpc.RunsServiceServicer):
    def __init__(self, get, watch):
        self._get = get
        self._watch = watch

    def GetRun(self, request, context):
        return self._get(request, context)

    def WatchRun(self, request, context):
        return self._watch(request, context)


def runs(get=None, watch=None):
    return Mount(RUNS, runs_pb2_grpc.add_RunsServiceServicer_to_server, Runs(get, watch))


def run(**fields):
    return runs_pb2.GetRunResponse(run=runs_pb2.Run(**fields))


def get(channel, run_id="", **options):
    stub = runs_pb2_grpc.RunsServiceStub(channel)
    return stub.GetRun(runs_pb2.GetRunRequest(run_id=run_id), **options).run


def watch(channel, **options):
    stub = runs_pb2_grpc.RunsServiceStub(channel)
    return stub.WatchRun(runs_pb2.WatchRunRequest(), **options)


def until_stopped(request, _):
    yield run(message="begin")
    context.stopping().wait(30)
    yield run(message="end")


def services():
    """Every service descriptor of `hundredfold.api`."""
    for module in pkgutil.walk_packages(hundredfold.api.__path__, "hundredfold.api."):
        if module.name.endswith("_pb2"):
            yield from importlib.import_module(module.name).DESCRIPTOR.services_by_name.values()


def echo(service):
    """A mount whose methods answer with empty messages."""
    return Mount(
        service, lambda _, server: server.add_generic_rpc_handlers((_echo(service),)), None
    )


def _echo(service):
    handlers = {method.name: _handler(method) for method in service.methods}
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


def _handler(method):
    request = message_factory.GetMessageClass(method.input_type)
    response = message_factory.GetMessageClass(method.output_type)
    make, answer = {
        (False, False): (grpc.unary_unary_rpc_method_handler, lambda *_: response()),
        (False, True): (grpc.unary_stream_rpc_method_handler, lambda *_: iter([response()])),
        (True, False): (grpc.stream_unary_rpc_method_handler, lambda *_: response()),
        (True, True): (
            grpc.stream_stream_rpc_method_handler,
            lambda messages, _: (response() for _ in messages),
        ),
    }[method.client_streaming, method.server_streaming]
    return make(answer, request.FromString, response.SerializeToString)


def call(channel, method, **options):
    """Call any method with an empty request and return its first response as bytes."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    if method.client_streaming and method.server_streaming:
        return next(channel.stream_stream(path)(iter([b""]), **options))
    if method.client_streaming:
        return channel.stream_unary(path)(iter([b""]), **options)
    if method.server_streaming:
        return next(channel.unary_stream(path)(b"", **options))
    return channel.unary_unary(path)(b"", **options)
