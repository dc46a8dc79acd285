"""Weights that bf16 can hold.

A processor that multiplies bf16 rounds the weights first. Where they are rounded already, vectors in bf16 and in
float32 differ only by what is rounded on the way from layer to layer, which is the smaller part.
"""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

_WEIGHTED = frozenset({"Conv", "Gemm", "MatMul"})
_DROPPED_BITS = 16


def to_bf16(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The nearest numbers that bf16 has, ties to even, as float32 of the same shape; finite numbers only."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    odd = bits >> _DROPPED_BITS & 1
    rounded = bits + (np.uint32((1 << _DROPPED_BITS - 1) - 1) + odd)
    kept = rounded >> _DROPPED_BITS << _DROPPED_BITS
    return kept.view(np.float32).reshape(values.shape)


def round_weights(file: Path) -> None:
    """Round the kernels and matrices of an ONNX file in place; biases stay, since runtimes add them in float32."""
    model = onnx.load_model(file)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    names = {node.input[1] for node in model.graph.node if node.op_type in _WEIGHTED}
    for tensor in (tensors[name] for name in sorted(names & set(tensors))):
        rounded = to_bf16(numpy_helper.to_array(tensor))
        tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    onnx.save_model(model, file)
