"""Weights are rounded as a processor that multiplies bf16 rounds them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from hundredfold.chassis.backbones.rounding import round_weights, to_bf16  # noqa: E402

NUMBERS = st.floats(-(2.0**120), 2.0**120, width=32, allow_subnormal=False)


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_the_nearest_number_of_bf16_is_taken(values: list[float]) -> None:
    exact = np.array(values, np.float32)
    rounded = to_bf16(exact)
    assert (rounded.view(np.uint32) & 0xFFFF == 0).all()
    below = (exact.view(np.uint32) >> 16 << 16).view(np.float32)  # towards zero
    above = ((exact.view(np.uint32) >> 16) + 1 << 16).view(np.float32)  # away from it
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = np.minimum(np.abs(exact - below), np.abs(above.astype(np.float64) - exact))
    assert (np.abs(rounded.astype(np.float64) - exact) <= nearest).all()


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_rounding_again_changes_nothing(values: list[float]) -> None:
    once = to_bf16(np.array(values, np.float32).reshape(1, -1))
    np.testing.assert_array_equal(to_bf16(once), once)


def test_a_tie_goes_to_the_even_one() -> None:
    ties = np.array([1 + 2**-8, 1 + 3 * 2**-8], np.float32)
    np.testing.assert_array_equal(to_bf16(ties), np.array([1, 1 + 2**-6], np.float32))


def test_kernels_are_rounded_and_all_else_stays(tmp_path) -> None:
    random = np.random.default_rng(0)
    tensors = {
        "mean": random.normal(size=(1, 3, 1, 1)),
        "kernel": random.normal(size=(4, 3, 3, 3)),
        "bias": random.normal(size=4),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Sub", ["image", "mean"], ["centred"]),
            helper.make_node("Conv", ["centred", "kernel", "bias"], ["out"]),
        ],
        "some",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(each.astype(np.float32), name) for name, each in tensors.items()],
    )
    file = tmp_path / "model.onnx"
    onnx.save_model(helper.make_model(graph), file)
    round_weights(file)
    kept = {
        each.name: numpy_helper.to_array(each) for each in onnx.load_model(file).graph.initializer
    }
    np.testing.assert_array_equal(kept["kernel"], to_bf16(tensors["kernel"].astype(np.float32)))
    assert (kept["kernel"] != tensors["kernel"].astype(np.float32)).any()
    for name in ("mean", "bias"):
        np.testing.assert_array_equal(kept[name], tensors[name].astype(np.float32))
