"""Limits on what one caller may send, and the options of gRPC that enforce some of them."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError, Message

from hundredfold.chassis.errors import InvalidArgument

MIB = 1 << 20
RECEIVE_BYTES = 4 * MIB
SEND_BYTES = 16 * MIB
METADATA_BYTES = 16 << 10
RPCS = 500
"""Calls at once, running and waiting; more get RESOURCE_EXHAUSTED."""
STREAMS = 128
"""Calls at once with a stream in either direction, each of which keeps a thread."""
LONGEST_DEADLINE = 600.0
"""Seconds a unary call may ask for; longer work is a run."""
MOST_ELEMENTS = 100_000
"""Elements of all repeated fields of a message together; arrays travel as Tensor instead."""

SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", RECEIVE_BYTES),
    ("grpc.max_send_message_length", SEND_BYTES),
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    ("grpc.max_concurrent_streams", 100),
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.max_connection_idle_ms", 5 * 60_000),
    # Callers look up the address again now and then; long streams must be resumable.
    ("grpc.max_connection_age_ms", 30 * 60_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 2),
    # A port that somebody else listens on is an error, not a share of the calls.
    ("grpc.so_reuseport", 0),
)

CLIENT_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", SEND_BYTES),
    ("grpc.max_send_message_length", RECEIVE_BYTES),
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A service that was started again is found within seconds, not minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Services talk to one another directly; a proxy for the outside world is not meant for them.
    ("grpc.enable_http_proxy", 0),
)


def parser(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """A deserializer that refuses what is malformed or too large in memory with InvalidArgument."""

    def parse(data: bytes) -> Any:
        try:
            message = deserialize(data)
        except DecodeError:
            raise InvalidArgument(
                "the request is not a valid message of its type", reason="MALFORMED_MESSAGE"
            ) from None
        # An element takes at least one byte, so most requests need no walk.
        if len(data) > MOST_ELEMENTS:
            _count(message, "", MOST_ELEMENTS)
        return message

    return parse


def _count(message: Message, path: str, left: int) -> int:
    """Elements that may still come after this message; raises InvalidArgument when below zero."""
    for field, value in message.ListFields():
        name = f"{path}{field.name}"
        if field.is_repeated:
            left = _count_repeated(field, value, name, left)
        elif field.message_type:
            left = _count(value, f"{name}.", left)
    return left


def _count_repeated(field: Any, value: Any, name: str, left: int) -> int:
    left -= len(value)
    if left < 0:
        raise InvalidArgument(
            f"{name} brings the message above {MOST_ELEMENTS} elements",
            field=name,
            reason="TOO_MANY_ELEMENTS",
        )
    if field.message_type is None:
        return left
    is_map = field.message_type.GetOptions().map_entry
    for item in value.values() if is_map else value:
        if not isinstance(item, Message):
            break
        left = _count(item, f"{name}.", left)
    return left
