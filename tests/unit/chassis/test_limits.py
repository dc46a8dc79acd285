import pytest
from google.protobuf import struct_pb2

from hundredfold.api.hashing.v1 import hashing_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis import limits
from hundredfold.chassis.errors import InvalidArgument


def test_a_message_within_the_limits_is_parsed():
    sent = hashing_pb2.HashImagesRequest(images=[b"x"] * limits.MOST_ELEMENTS)
    parse = limits.parser(hashing_pb2.HashImagesRequest.FromString)
    assert parse(sent.SerializeToString()) == sent


def test_one_element_too_many_names_the_field():
    sent = hashing_pb2.HashImagesRequest(images=[b""] * (limits.MOST_ELEMENTS + 1))
    with pytest.raises(InvalidArgument) as caught:
        limits.parser(hashing_pb2.HashImagesRequest.FromString)(sent.SerializeToString())
    assert caught.value.field == "images"


def test_elements_count_together_at_any_depth():
    group = hashing_pb2.DuplicateGroup()
    group.copies.shape.extend([1] * 1000)
    sent = hashing_pb2.ListDuplicatesResponse(groups=[group] * 100)
    with pytest.raises(InvalidArgument) as caught:
        limits.parser(hashing_pb2.ListDuplicatesResponse.FromString)(sent.SerializeToString())
    assert caught.value.field == "groups.copies.shape"


def test_many_bytes_are_not_many_elements():
    sent = hashing_pb2.HashImagesRequest(images=[bytes(limits.MIB)] * 3)
    parse = limits.parser(hashing_pb2.HashImagesRequest.FromString)
    assert parse(sent.SerializeToString()) == sent


def test_entries_of_maps_count():
    inner = {"list": [0.0] * 60_000}
    sent = struct_pb2.Struct()
    sent.update({"a": inner})
    parse = limits.parser(struct_pb2.Struct.FromString)
    assert parse(sent.SerializeToString()) == sent
    sent.update({"b": inner})
    with pytest.raises(InvalidArgument):
        parse(sent.SerializeToString())


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05a", b"\x0a\x01\xff"])
def test_a_malformed_message_is_an_invalid_argument(data):
    with pytest.raises(InvalidArgument) as caught:
        limits.parser(labels_pb2.LeasePagesRequest.FromString)(data)
    assert caught.value.reason == "MALFORMED_MESSAGE"
