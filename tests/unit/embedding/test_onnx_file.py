"""No tensor of an ONNX file is so hidden that its weights could come from outside its folder."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

from hundredfold.embedding.export import onnx_file  # noqa: E402  after the check for onnx

HERE = ("", 17)
ELSEWHERE = ("elsewhere", 1)
"""The domain of operators that no checker knows, which may have attributes of every type."""

NUMBERS = itertools.count()

PLACES: dict[str, Callable[[Any, Any], None]] = {}
"""By name how a tensor (int64 [2]: 0, 1) is put there in a model."""


def place(put: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    PLACES[put.__name__] = put
    return put


def graph(nodes: Any = (), tensors: Any = ()) -> Any:
    """One that gives a constant, under a name of its own, whatever else is in it."""
    name = f"out-{next(NUMBERS)}"
    constant = onnx.helper.make_node("Constant", [], [name], value_float=1.0)
    out = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [])
    return onnx.helper.make_graph([constant, *nodes], "graph", [], [out], list(tensors))


def node(value: Any) -> Any:
    """One that has it as an attribute."""
    name = f"kept-{next(NUMBERS)}"
    return onnx.helper.make_node("Keep", [], [name], domain=ELSEWHERE[0], value=value)


def sparse(values: Any, indices: Any) -> Any:
    return onnx.helper.make_sparse_tensor(values, indices, [4])


def floats(name: str = "values") -> Any:
    return onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, [2], [1.0, 2.0])


def function(nodes: Any) -> Any:
    opsets = [onnx.helper.make_opsetid(*each) for each in (HERE, ELSEWHERE)]
    return onnx.helper.make_function("own", "Doing", [], [nodes[0].output[0]], nodes, opsets)


@place
def initializer(model, tensor):
    model.graph.initializer.append(tensor)


@place
def indices_of_a_sparse_initializer(model, tensor):
    model.graph.sparse_initializer.append(sparse(floats(), tensor))


@place
def values_of_a_sparse_initializer(model, tensor):
    indices = onnx.numpy_helper.from_array(np.array([0, 1], np.int64))
    model.graph.sparse_initializer.append(sparse(tensor, indices))


@place
def attribute(model, tensor):
    model.graph.node.append(node(tensor))


@place
def attribute_of_several(model, tensor):
    model.graph.node.append(node([floats(), tensor]))


@place
def sparse_attribute(model, tensor):
    model.graph.node.append(node(sparse(floats(), tensor)))


@place
def sparse_attribute_of_several(model, tensor):
    model.graph.node.append(node([sparse(floats(), tensor)]))


@place
def initializer_of_a_subgraph(model, tensor):
    model.graph.node.append(node(graph(tensors=[tensor])))


@place
def initializer_of_one_of_several_subgraphs(model, tensor):
    model.graph.node.append(node([graph(), graph(tensors=[tensor])]))


@place
def attribute_in_a_subgraph_of_a_subgraph(model, tensor):
    model.graph.node.append(node(graph([node(graph([node(tensor)]))])))


@place
def attribute_in_a_function(model, tensor):
    model.functions.append(function([node(tensor)]))


@place
def default_of_an_attribute_of_a_function(model, tensor):
    made = function([node(1)])
    made.attribute_proto.append(onnx.helper.make_attribute("value", tensor))
    model.functions.append(made)


@place
def initializer_of_a_subgraph_in_a_function(model, tensor):
    model.functions.append(function([node(graph(tensors=[tensor]))]))


@place
def initializer_for_training(model, tensor):
    model.training_info.add().algorithm.CopyFrom(graph(tensors=[tensor]))


def written(folder: Path, put: Callable[[Any, Any], None], location: str) -> Path:
    """A model whose tensor in that place is said to be in another file."""
    tensor = onnx.TensorProto(
        name="hidden",
        data_type=onnx.TensorProto.INT64,
        dims=[2],
        data_location=onnx.TensorProto.EXTERNAL,
    )
    tensor.external_data.add(key="location", value=location)
    opsets = [onnx.helper.make_opsetid(*each) for each in (HERE, ELSEWHERE, ("own", 1))]
    model = onnx.helper.make_model(graph(), opset_imports=opsets, ir_version=9)
    put(model, tensor)
    file = folder / "model.onnx"
    file.write_bytes(model.SerializeToString())
    return file


@pytest.mark.parametrize("name", PLACES)
def test_a_tensor_from_outside_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(np.arange(2, dtype=np.int64).tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    file = written(folder, PLACES[name], "../weights.bin")
    with pytest.raises(RuntimeError, match="not in the model's folder"):
        onnx_file.read(file)


@pytest.mark.parametrize("name", PLACES)
def test_a_tensor_from_a_file_beside_it_is_taken_along(name: str, tmp_path: Path) -> None:
    data = np.arange(2, dtype=np.int64).tobytes()
    (tmp_path / "weights.bin").write_bytes(data)
    model = onnx_file.read(written(tmp_path, PLACES[name], "weights.bin"))
    whole = onnx.TensorProto(
        name="hidden", data_type=onnx.TensorProto.INT64, dims=[2], raw_data=data
    )
    assert whole.SerializeToString() in model.SerializeToString()
    assert b"weights.bin" not in model.SerializeToString()


def test_weights_that_are_together_too_large_are_refused_before_they_are_read(
    tmp_path: Path,
) -> None:
    def two_files(model: Any, tensor: Any) -> None:
        model.graph.initializer.append(tensor)
        tensor.external_data[0].value = "more.bin"
        model.graph.node.append(node(tensor))

    for name in ("weights.bin", "more.bin"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(onnx_file.MOST_BYTES * 2 // 3)  # a hole: it takes no room
    with pytest.raises(RuntimeError, match="can be served"):
        onnx_file.read(written(tmp_path, two_files, "weights.bin"))
