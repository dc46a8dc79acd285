"""What a caller gets when something is wrong, over a real server."""

import threading

import grpc
import pytest

from hundredfold.api.hashing.v1 import hashing_pb2, hashing_pb2_grpc
from hundredfold.chassis import limits
from hundredfold.chassis.errors import (
    ERRORS,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    ServiceError,
)
from hundredfold.chassis.server import Mount
from hundredfold.chassis.testing import running, serving
from tests.contract.chassis_mounts import GET_RUN, get, run, runs, watch


def raiser(error):
    def handler(*_):
        raise error

    return handler


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_arrives_as_it_was_raised(kind):
    error = kind("so, ä\nwhat?", reason="SOME_REASON", field="run_id", metadata={"state": "é"})
    with serving(runs(get=raiser(error))) as channel, pytest.raises(kind) as caught:
        get(channel)
    assert vars(caught.value) == vars(error)
    assert caught.value.__cause__.code().name == kind.code


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_in_the_middle_of_a_stream_arrives_too(kind):
    def responses(request, _):
        yield run()
        raise kind("no", field="run_id")

    with serving(runs(watch=responses)) as channel:
        answers = watch(channel)
        next(answers)
        with pytest.raises(kind) as caught:
            next(answers)
    assert caught.value.field == "run_id"
    assert caught.value.reason == kind.default_reason


@pytest.mark.parametrize("kind", ERRORS)
def test_a_future_raises_the_error(kind):
    with serving(runs(get=raiser(kind("no")))) as channel:
        future = channel.unary_unary(GET_RUN).future(b"")
        assert type(future.exception()) is kind
        with pytest.raises(kind):
            future.result()


def test_an_unknown_exception_tells_nothing(caplog):
    with serving(runs(get=raiser(ValueError("secret")))) as channel:
        with pytest.raises(ServiceError) as caught:
            get(channel)
        with pytest.raises(ServiceError):
            next(watch(channel))  # None is no iterator
    assert (type(caught.value), caught.value.message) == (ServiceError, "internal error")
    assert "secret" not in str(caught.value.__cause__)
    assert caplog.records[0].method == GET_RUN
    assert caplog.records[0].exc_info[1].args == ("secret",)


def test_an_endless_message_is_cut_not_lost():
    error = NotFound("ä" * 100_000, metadata={"small": "x", "large": "y" * 100_000})
    with serving(runs(get=raiser(error))) as channel, pytest.raises(NotFound) as caught:
        get(channel)
    assert caught.value.message == "ä" * 500
    assert caught.value.metadata == {"small": "x"}


def test_a_method_that_is_not_there_is_a_plain_error():
    with serving(runs()) as channel, pytest.raises(ServiceError) as caught:
        channel.unary_unary("/hundredfold.api.runs.v1.RunsService/Fly")(b"")
    assert caught.value.reason == "UNIMPLEMENTED"


# --- requests that never reach the handler ------------------------------------------------------


@pytest.fixture
def plain():
    """A channel without the defaults of `connect`."""
    with (
        running(runs(get=lambda *_: run(), watch=lambda *_: iter([run()])), hashing()) as server,
        grpc.insecure_channel(
            server.address, [("grpc.max_send_message_length", 64 * limits.MIB)]
        ) as channel,
    ):
        yield channel


def hashing():
    class Hashing(hashing_pb2_grpc.HashingServiceServicer):
        def HashImages(self, request_iterator, context):
            for _ in request_iterator:
                yield hashing_pb2.HashImagesResponse()

        def LookUp(self, request, context):
            return hashing_pb2.LookUpResponse()

    return Mount(
        hashing_pb2.DESCRIPTOR.services_by_name["HashingService"],
        hashing_pb2_grpc.add_HashingServiceServicer_to_server,
        Hashing(),
    )


def code_of(function, *arguments, **options):
    with pytest.raises(grpc.RpcError) as caught:
        function(*arguments, **options)
    return caught.value.code()


def test_a_malformed_message_is_an_invalid_argument(plain):
    call = plain.unary_unary(GET_RUN)
    assert code_of(call, b"\xff", timeout=5) is grpc.StatusCode.INVALID_ARGUMENT


def test_a_malformed_message_in_a_stream_is_an_invalid_argument(plain):
    call = plain.stream_stream("/hundredfold.api.hashing.v1.HashingService/HashImages")
    answers = call(iter([b"", b"\xff"]))
    assert next(answers) == b""
    assert code_of(next, answers) is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("timeout", [None, 640, 1e9])
def test_a_unary_call_without_a_sensible_deadline_is_refused(plain, timeout):
    call = plain.unary_unary(GET_RUN)
    assert code_of(call, b"", timeout=timeout) is grpc.StatusCode.INVALID_ARGUMENT
    assert call(b"", timeout=600)


def test_a_stream_needs_no_deadline(plain):
    assert next(plain.unary_stream("/hundredfold.api.runs.v1.RunsService/WatchRun")(b""))


def test_an_oversized_message_is_refused(plain):
    call = plain.unary_unary(GET_RUN)
    too_much = bytes(limits.RECEIVE_BYTES + 1)
    assert code_of(call, too_much, timeout=5) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_oversized_metadata_is_refused(plain):
    call = plain.unary_unary(GET_RUN)
    metadata = [("x-much", "x" * 60_000)]
    assert code_of(call, b"", timeout=5, metadata=metadata) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_too_many_elements_name_the_field():
    request = hashing_pb2.LookUpRequest(images=[b""] * (limits.MOST_ELEMENTS + 1))
    with serving(hashing()) as channel, pytest.raises(InvalidArgument) as caught:
        hashing_pb2_grpc.HashingServiceStub(channel).LookUp(request)
    assert caught.value.field == "images"


def test_more_streams_than_allowed_are_refused_and_unary_calls_still_answered():
    ending = threading.Event()

    def responses(request, _):
        yield run()
        ending.wait()

    with running(runs(get=lambda *_: run(run_id="x"), watch=responses)) as server:
        # One connection may have 100 streams, so a second one makes up the rest.
        alone = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.insecure_channel(server.address, alone) for _ in range(2)]
        opened = [watch(channels[number % 2]) for number in range(limits.STREAMS)]
        for stream in opened:
            next(stream)
        assert code_of(next, watch(channels[0])) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert get(channels[0], timeout=5).run_id == "x"
        ending.set()
        for channel in channels:
            channel.close()


def test_a_handler_that_takes_too_long_is_a_deadline_exceeded():
    ending = threading.Event()

    def slow(request, _):
        ending.wait(10)
        return run()

    with serving(runs(get=slow)) as channel:
        with pytest.raises(DeadlineExceeded):
            get(channel, timeout=0.05)
        ending.set()


def test_a_message_the_client_may_not_send_is_resource_exhausted():
    with serving(hashing()) as channel, pytest.raises(ResourceExhausted):
        hashing_pb2_grpc.HashingServiceStub(channel).LookUp(
            hashing_pb2.LookUpRequest(images=[bytes(limits.RECEIVE_BYTES)])
        )
