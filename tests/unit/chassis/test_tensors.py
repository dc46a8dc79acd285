import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hundredfold.api.common.v1 import tensor_pb2
from hundredfold.chassis import tensors
from hundredfold.chassis.errors import InvalidArgument

DTYPES = ["uint8", "int32", "int64", "uint64", "float16", "float32"]


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_what_was_packed_is_unpacked(dtype, data):
    array = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0)))
    back = tensors.unpack(tensors.pack(array), dtype=dtype, ndim=array.ndim, field="x")
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_big_endian_and_strided_arrays_travel_as_values():
    array = np.arange(12, dtype=">i8").reshape(3, 4)[:, ::2]
    np.testing.assert_array_equal(
        tensors.unpack(tensors.pack(array), dtype="int64", field="x"), array
    )


def test_a_scalar_becomes_one_element():
    assert tensors.pack(np.int32(7)).shape == [1]


def test_a_dtype_without_a_wire_type_is_refused():
    with pytest.raises(TypeError, match="float64"):
        tensors.pack(np.zeros(3))


def test_an_empty_shape_means_one_axis():
    tensor = tensor_pb2.Tensor(data=bytes(8), data_type=tensor_pb2.DATA_TYPE_INT32)
    assert tensors.unpack(tensor, dtype=np.int32, ndim=1, field="x").shape == (2,)


def test_an_unpacked_array_is_read_only():
    array = tensors.unpack(tensors.pack(np.arange(3)), dtype=np.int64, field="x")
    assert not array.flags.writeable


def tensor(data=b"", kind=tensor_pb2.DATA_TYPE_INT64, shape=()):
    return tensor_pb2.Tensor(data=data, data_type=kind, shape=shape)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(tensor_pb2.Tensor(), id="unset"),
        pytest.param(tensor(bytes(8), tensor_pb2.DATA_TYPE_UINT64, [1]), id="another type"),
        pytest.param(tensor(bytes(8), 99, [1]), id="unknown type"),
        pytest.param(tensor(bytes(9)), id="half an element"),
        pytest.param(tensor(bytes(8), shape=[2]), id="too short"),
        pytest.param(tensor(bytes(24), shape=[2]), id="too long"),
        pytest.param(tensor(bytes(16), shape=[-2]), id="negative axis"),
        pytest.param(tensor(bytes(16), shape=[-1, -2]), id="two negative axes"),
        pytest.param(tensor(shape=[2**62, 2**62]), id="overflow"),
        pytest.param(tensor(shape=[0, 2**62, 2**62]), id="huge axes beside none"),
        pytest.param(tensor(bytes(8), shape=[1] * 100), id="too many axes"),
        pytest.param(tensor(bytes(88), shape=[11]), id="more than the limit"),
    ],
)
def test_a_bad_tensor_names_its_field(bad):
    with pytest.raises(InvalidArgument) as caught:
        tensors.unpack(bad, dtype=np.int64, field="page.rows", limit=10)
    assert caught.value.field == "page.rows"


def test_another_number_of_axes_is_refused():
    with pytest.raises(InvalidArgument, match="2 axes"):
        tensors.unpack(tensors.pack(np.arange(3)), dtype=np.int64, ndim=2, field="x")
