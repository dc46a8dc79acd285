"""Packed arrays on the wire: numpy <-> `hundredfold.api.common.v1.Tensor`."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hundredfold.api.common.v1 import tensor_pb2
from hundredfold.chassis.errors import InvalidArgument

_DTYPES: dict[int, np.dtype[Any]] = {
    tensor_pb2.DATA_TYPE_UINT8: np.dtype("u1"),
    tensor_pb2.DATA_TYPE_INT32: np.dtype("<i4"),
    tensor_pb2.DATA_TYPE_INT64: np.dtype("<i8"),
    tensor_pb2.DATA_TYPE_UINT64: np.dtype("<u8"),
    tensor_pb2.DATA_TYPE_FLOAT16: np.dtype("<f2"),
    tensor_pb2.DATA_TYPE_FLOAT32: np.dtype("<f4"),
}
_TYPES: dict[np.dtype[Any], Any] = {dtype: kind for kind, dtype in _DTYPES.items()}


def pack(array: npt.NDArray[Any]) -> tensor_pb2.Tensor:
    """Pack an array of any shape (a scalar becomes [1]).

    Raises:
        TypeError: the dtype has no `DataType`; cast first.
    """
    wire = np.atleast_1d(array)
    wire = np.ascontiguousarray(wire, dtype=wire.dtype.newbyteorder("<"))
    if wire.dtype not in _TYPES:
        raise TypeError(f"no DataType for {array.dtype}")
    return tensor_pb2.Tensor(data=wire.tobytes(), data_type=_TYPES[wire.dtype], shape=wire.shape)


def unpack(
    tensor: tensor_pb2.Tensor,
    *,
    dtype: npt.DTypeLike,
    ndim: int | None = None,
    field: str,
    limit: int | None = None,
) -> npt.NDArray[Any]:
    """Unpack an array without a copy; it is read-only.

    Args:
        tensor: what came.
        dtype: the only type that is accepted.
        ndim: the only number of axes that is accepted; None = any.
        field: the request field, for errors.
        limit: the most elements that are accepted; None = no limit.

    Raises:
        InvalidArgument: type, axes, length or size differ; names the field.
    """
    wanted = np.dtype(dtype).newbyteorder("<")
    if _DTYPES.get(tensor.data_type) != wanted:
        name = tensor_pb2.DataType.Name(_TYPES[wanted])
        raise InvalidArgument(f"{field} must be of type {name}", field=field)
    shape = tuple(tensor.shape) or (len(tensor.data) // wanted.itemsize,)
    if ndim is not None and len(shape) != ndim:
        raise InvalidArgument(f"{field} must have {ndim} axes, not {len(shape)}", field=field)
    if limit is not None and math.prod(shape) > limit:
        raise InvalidArgument(f"{field} has more than {limit} elements", field=field)
    return _reshaped(tensor.data, wanted, shape, field)


def _reshaped(
    data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], field: str
) -> npt.NDArray[Any]:
    if min(shape) < 0 or math.prod(shape) * dtype.itemsize != len(data):
        raise InvalidArgument(
            f"{field} has {len(data)} bytes, which is not shape {list(shape)[:8]} of {dtype.name}",
            field=field,
        )
    try:
        return np.frombuffer(data, dtype).reshape(shape)
    except ValueError:  # too many axes, or a huge axis beside one of 0
        raise InvalidArgument(f"{field} has an impossible shape", field=field) from None
