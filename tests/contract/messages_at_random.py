"""Requests of any RPC: with sound values, or with what careless and hostile callers send."""

import math
import random
from typing import Any

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from hundredfold.api.common.v1 import tensor_pb2
from hundredfold.chassis.tensors import pack

_INTS = (0, 1, 2, 7, 100, -1, 2**31 - 1, -(2**31))
_LONGS = (*_INTS, 2**62, 2**63 - 1, -(2**63))
_FLOATS = (0.0, 1.0, -1.0, 1e30, math.nan, math.inf, -math.inf)
_TEXTS = ("", "nowhere", "../../etc/passwd", "x" * 300, "a\0b", "é\n", "toy@1", "W10", "WyJhIl0")
_SHAPES = ([-1], [2**40, 2**40], [0, 2**62], [1] * 40, [], [2, 0])
_DTYPES = {
    tensor_pb2.DATA_TYPE_UINT8: "u1",
    tensor_pb2.DATA_TYPE_INT32: "<i4",
    tensor_pb2.DATA_TYPE_INT64: "<i8",
    tensor_pb2.DATA_TYPE_UINT64: "<u8",
    tensor_pb2.DATA_TYPE_FLOAT16: "<f2",
    tensor_pb2.DATA_TYPE_FLOAT32: "<f4",
}
_NUMBERS = {
    FieldDescriptor.TYPE_INT32: _INTS,
    FieldDescriptor.TYPE_INT64: _LONGS,
    FieldDescriptor.TYPE_FLOAT: _FLOATS,
    FieldDescriptor.TYPE_DOUBLE: _FLOATS,
    FieldDescriptor.TYPE_BOOL: (False, True),
    FieldDescriptor.TYPE_BYTES: (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"),
}


def sound(method: MethodDescriptor, known: dict[str, Any]) -> Message:
    """A request with the fields that are in `known`, by their names; tensors too."""
    request: Any = GetMessageClass(method.input_type)()
    for field in method.input_type.fields:
        if field.name in known:
            value = known[field.name]
            if isinstance(value, np.ndarray):
                getattr(request, field.name).CopyFrom(pack(value))
            elif field.is_repeated:
                getattr(request, field.name).extend(value)
            else:
                setattr(request, field.name, value)
    return request


def spoilt(method: MethodDescriptor, known: dict[str, Any], dice: random.Random) -> bytes:
    """A sound request of which some fields are not, or bytes that mean nothing."""
    if dice.random() < 0.1:
        return dice.randbytes(dice.choice([1, 5, 50, 300]))
    request = sound(method, known)
    fields = [each for each in method.input_type.fields if each.name != "collection"]
    share = dice.choice([0.2, 0.5, 1.0])
    for field in fields:
        if dice.random() < share:
            _spoil(request, field, dice)
    return request.SerializeToString()


def _spoil(message: Any, field: FieldDescriptor, dice: random.Random) -> None:
    message.ClearField(field.name)
    if field.message_type:
        if field.message_type.GetOptions().map_entry:
            return
        within = getattr(message, field.name)
        for _ in range(dice.choice([1, 2]) if field.is_repeated else 1):
            _fill(within.add() if field.is_repeated else within, field.message_type, dice)
    elif field.is_repeated:
        getattr(message, field.name).extend(_value(field, dice) for _ in range(dice.choice([1, 3])))
    else:
        setattr(message, field.name, _value(field, dice))


def _fill(message: Any, kind: Descriptor, dice: random.Random) -> None:
    if kind.name == "Tensor":
        message.CopyFrom(_tensor(dice))
        return
    for field in kind.fields:
        if dice.random() < 0.8:
            _spoil(message, field, dice)


def _value(field: FieldDescriptor, dice: random.Random) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return dice.choice(_TEXTS)
    if field.enum_type:
        return dice.choice([*(each.number for each in field.enum_type.values), 99, -1])
    return dice.choice(_NUMBERS[field.type])


def _tensor(dice: random.Random) -> tensor_pb2.Tensor:
    kind = dice.choice(list(_DTYPES))
    dtype = np.dtype(_DTYPES[kind])
    count = dice.choice([0, 1, 3, 16])
    data = dice.choice(
        [
            np.arange(count).astype(dtype).tobytes(),
            b"\xff" * (count * dtype.itemsize),  # negative, NaN or the largest
            dice.randbytes(count * dtype.itemsize),
            dice.randbytes(count * dtype.itemsize + 1),
        ]
    )
    shape = dice.choice([[count], [count], [1, count], *_SHAPES])
    return tensor_pb2.Tensor(data=data, data_type=dice.choice([kind, kind, 0, 99]), shape=shape)
