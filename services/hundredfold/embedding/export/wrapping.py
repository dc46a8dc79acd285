"""Puts what a backbone of ours has before and behind a graph that somebody brings.

image uint8 [n, p, p, 3] -> float, channels turned, normalised, layout turned -> the graph -> embedding
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from hundredfold.chassis.backbones.cards import EMBEDDING, INPUT, TOKENS
from hundredfold.embedding.export.description import Description

MASK = "attention_mask"
_PREFIX = "brought/"
"""Before every name of the graph that was brought, so that none is one of ours."""

_CHANNELS_FIRST = [0, 3, 1, 2]
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)
_INTEGERS = (TensorProto.INT64, TensorProto.INT32)


def image_input(graph: onnx.GraphProto, described: Description) -> onnx.ValueInfoProto:
    """The one input of a graph, once it is an image of the described shape with a free batch axis.

    Raises:
        RuntimeError: there are other inputs, or its type or shape is another; tells both.
    """
    inputs = _inputs(graph)
    if len(inputs) != 1:
        names = ", ".join(each.name for each in inputs)
        raise RuntimeError(f"it has {len(inputs)} inputs ({names}), not one")
    (given,) = inputs
    pixels, kind = described.input_pixels, given.type.tensor_type.elem_type
    if kind not in (TensorProto.UINT8, TensorProto.FLOAT):
        raise RuntimeError(f"its input {given.name} is of {_type(kind)}, not uint8 or float32")
    seen = described.preprocessing
    if kind == TensorProto.UINT8 and (*seen.mean, *seen.deviation) != (0, 0, 0, 1, 1, 1):
        raise RuntimeError(
            f"its input {given.name} is uint8, so it normalises itself: give no mean"
        )
    wanted = [3, pixels, pixels] if described.layout == "NCHW" else [pixels, pixels, 3]
    axes = shape(given)
    fits = len(axes) == 4 and all(
        axis in (0, size) for axis, size in zip(axes[1:], wanted, strict=True)
    )
    if not fits:
        raise RuntimeError(
            f"its input {given.name} has shape {axes}, model.json says {[0, *wanted]} (0 = free)"
        )
    if axes[0]:
        raise RuntimeError(f"its input {given.name} takes {axes[0]} images at once: free that axis")
    return given


def vector_output(graph: onnx.GraphProto, name: str) -> onnx.ValueInfoProto:
    """The output of that name, "" = the only one; RuntimeError when it is not there or no vector."""
    names = [each.name for each in graph.output]
    if not name and len(names) > 1:
        raise RuntimeError(f"it has the outputs {', '.join(names)}: name one as `output`")
    if name and name not in names:
        raise RuntimeError(f"it has no output {name!r}; it has {', '.join(names)}")
    output = next(each for each in graph.output if each.name == (name or names[0]))
    if output.type.tensor_type.elem_type not in _FLOATS:
        raise RuntimeError(
            f"its output {output.name} is of {_type(output.type.tensor_type.elem_type)}"
        )
    if output.type.tensor_type.HasField("shape") and len(shape(output)) != 2:
        raise RuntimeError(f"its output {output.name} has shape {shape(output)}, not [n, d]")
    return output


def shape(value: onnx.ValueInfoProto) -> list[int]:
    """The axes of an input or output; 0 where one is free."""
    return [axis.dim_value for axis in value.type.tensor_type.shape.dim]


def expected_input(images: NDArray[np.uint8], described: Description, kind: int) -> NDArray[Any]:
    """What the graph that was brought expects of images: the same as the wrapped one makes, written in numpy.

    Args:
        images: uint8 [n, p, p, 3].
        described: what it expects.
        kind: the type of its input, as ONNX numbers them.
    """
    seen = described.preprocessing
    pixels: NDArray[Any] = images[..., ::-1] if seen.channels == "BGR" else images
    if kind == TensorProto.FLOAT:
        pixels = (pixels - np.array(seen.mean, np.float32)) / np.array(seen.deviation, np.float32)
    turned = pixels.transpose(_CHANNELS_FIRST) if described.layout == "NCHW" else pixels
    return np.ascontiguousarray(turned)


def wrap_images(model: onnx.ModelProto, described: Description, dimensions: int) -> onnx.ModelProto:
    """The graph as a backbone of the model repository.

    Args:
        model: the graph that was brought, already checked by `image_input` and `vector_output`.
        described: what it expects.
        dimensions: length of its vectors.
    """
    pixels = described.input_pixels
    given, output = (
        image_input(model.graph, described),
        vector_output(model.graph, described.output),
    )
    model = compose.add_prefix(model, _PREFIX)
    steps = _Steps(INPUT)
    if described.preprocessing.channels == "BGR":
        steps.add("Gather", steps.constant(np.array([2, 1, 0], np.int64)), axis=3)
    if given.type.tensor_type.elem_type == TensorProto.FLOAT:
        steps.add("Cast", to=TensorProto.FLOAT)
        steps.add("Sub", steps.constant(np.array(described.preprocessing.mean, np.float32)))
        steps.add("Div", steps.constant(np.array(described.preprocessing.deviation, np.float32)))
    if described.layout == "NCHW":
        steps.add("Transpose", perm=_CHANNELS_FIRST)
    steps.end(_PREFIX + given.name)
    image = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", pixels, pixels, 3])
    return _joined(model, steps, image, _PREFIX + output.name, dimensions)


def text_inputs(graph: onnx.GraphProto, length: int) -> tuple[onnx.ValueInfoProto, bool]:
    """The input for the tokens of a text half, and whether it has another for the mask of those that count.

    Raises:
        RuntimeError: there are other inputs, or their type or shape is another.
    """
    inputs = _inputs(graph)
    masks = [each for each in inputs if each.name == MASK]
    tokens = [each for each in inputs if each.name != MASK]
    if len(tokens) != 1:
        names = ", ".join(each.name for each in inputs)
        raise RuntimeError(f"its inputs are {names}, not the tokens and perhaps {MASK}")
    for each in (*tokens, *masks):
        kind, axes = each.type.tensor_type.elem_type, shape(each)
        if kind not in _INTEGERS:
            raise RuntimeError(f"its input {each.name} is of {_type(kind)}, not int64 or int32")
        if len(axes) != 2 or axes[0] or axes[1] not in (0, length):
            raise RuntimeError(f"its input {each.name} has shape {axes}, not [n, {length}]")
    return tokens[0], bool(masks)


def wrap_texts(model: onnx.ModelProto, length: int, pad: int, dimensions: int) -> onnx.ModelProto:
    """The graph as a text half of the model repository; arguments as of `wrap_images`."""
    given, has_mask = text_inputs(model.graph, length)
    kinds = {each.name: each.type.tensor_type.elem_type for each in model.graph.input}
    output = vector_output(model.graph, "")
    model = compose.add_prefix(model, _PREFIX)
    steps = _Steps(TOKENS)
    if has_mask:
        aside = _Steps(TOKENS, "mask")
        aside.add("Equal", aside.constant(np.array(pad, np.int64)))
        aside.add("Not")
        aside.add("Cast", to=kinds[MASK])
        aside.end(_PREFIX + MASK)
        steps.include(aside)
    steps.add("Cast", to=kinds[given.name])
    steps.end(_PREFIX + given.name)
    tokens = helper.make_tensor_value_info(TOKENS, TensorProto.INT64, ["n", length])
    return _joined(model, steps, tokens, _PREFIX + output.name, dimensions)


class _Steps:
    """Nodes one after the other, each of which takes what the one before gives."""

    def __init__(self, begin: str, name: str = "step") -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._name = name
        self._last = begin

    def constant(self, value: NDArray[Any]) -> str:
        name = f"hundredfold/{self._name}-constant-{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, operator: str, *others: str, **attributes: Any) -> None:
        name = f"hundredfold/{self._name}-{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, [self._last, *others], [name], **attributes))
        self._last = name

    def include(self, others: "_Steps") -> None:
        self.nodes += others.nodes
        self.constants += others.constants

    def end(self, name: str) -> None:
        self.nodes.append(helper.make_node("Identity", [self._last], [name]))


def _joined(
    model: onnx.ModelProto, before: _Steps, given: onnx.ValueInfoProto, output: str, dimensions: int
) -> onnx.ModelProto:
    graph = model.graph
    nodes = [*before.nodes, *graph.node, helper.make_node("Cast", [output], [EMBEDDING], to=1)]
    vectors = helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, ["n", dimensions])
    graph.initializer.extend(before.constants)
    for field, values in ((graph.node, nodes), (graph.input, [given]), (graph.output, [vectors])):
        copies = [*values]
        del field[:]
        field.extend(copies)
    onnx.checker.check_model(model)
    return model


def _inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    weights = {each.name for each in graph.initializer}
    return [each for each in graph.input if each.name not in weights]


def _type(kind: int) -> str:
    return str(TensorProto.DataType.Name(kind)).lower()
