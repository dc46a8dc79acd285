"""ONNX files as an operator may bring them: tiny, but whole."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx")

PIXELS, DIMENSIONS = 32, 6
MEAN, DEVIATION = [120.0, 110.0, 100.0], [60.0, 55.0, 50.0]
WORDS = ["[pad]", "[unk]", "red", "green", "blue"]
DESCRIPTION: dict[str, Any] = {
    "input_pixels": PIXELS,
    "preprocessing": {"mean": MEAN, "deviation": DEVIATION, "layout": "NCHW"},
    "source": "made for a test",
    "licence": "CC0-1.0",
}
TEXT = {"graph": "text.onnx", "tokenizer": "tokenizer.json", "length": 4, "pad": 0}


def weights(rows: int = 3, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(rows, DIMENSIONS)).astype(np.float32)


def image_model(
    *,
    layout: str = "NCHW",
    kind: int = onnx.TensorProto.FLOAT,
    matrix: NDArray[np.float32] | None = None,
    batch: Any = "n",
    name: str = "image",
) -> Any:
    """The mean of each channel times a matrix; its tensors have names that are ours too."""
    helper = onnx.helper
    sides = [3, PIXELS, PIXELS] if layout == "NCHW" else [PIXELS, PIXELS, 3]
    axes = [2, 3] if layout == "NCHW" else [1, 2]
    nodes = [
        helper.make_node("Cast", [name], ["tokens"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["tokens"], ["means"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["means", "matrix"], ["embedding"]),
    ]
    return _model(
        nodes,
        [helper.make_tensor_value_info(name, kind, [batch, *sides])],
        {"matrix": weights() if matrix is None else matrix},
    )


def text_model(matrix: NDArray[np.float32], *, mask: bool = False) -> Any:
    """The mean of a vector for each token; those that pad count nothing if there is a mask."""
    helper, kind = onnx.helper, onnx.TensorProto.INT64
    nodes = [helper.make_node("Gather", ["matrix", "input_ids"], ["each"], axis=0)]
    inputs = [helper.make_tensor_value_info("input_ids", kind, ["n", "length"])]
    last = "each"
    if mask:
        inputs.append(helper.make_tensor_value_info("attention_mask", kind, ["n", "length"]))
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["counts"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["counts", "behind"], ["column"]),
            helper.make_node("Mul", ["each", "column"], ["counted"]),
        ]
        last = "counted"
    nodes.append(helper.make_node("ReduceMean", [last], ["vector"], axes=[1], keepdims=0))
    arrays = {"matrix": matrix, "behind": np.array([2], np.int64)}
    return _model(nodes, inputs, arrays, output="vector")


def _model(
    nodes: list[Any], inputs: list[Any], arrays: Mapping[str, Any], output: str = "embedding"
) -> Any:
    helper = onnx.helper
    out = helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, ["n", DIMENSIONS])
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "brought", inputs, [out], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def tokenizer() -> str:
    """A file of the library `tokenizers`: a few words, split at spaces."""
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": {"type": "Lowercase"},
            "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": None,
            "decoder": None,
            "model": {
                "type": "WordLevel",
                "vocab": {word: number for number, word in enumerate(WORDS)},
                "unk_token": "[unk]",
            },
        }
    )


def bring(folder: Path, model: Any, **fields: Any) -> Path:
    """Write a model and its `model.json` into a folder; the model's file."""
    folder.mkdir(exist_ok=True)
    file = folder / "tiny.onnx"
    onnx.save(model, file)
    (folder / "model.json").write_text(json.dumps(DESCRIPTION | fields), "utf-8")
    return file


def bring_dual(folder: Path, *, mask: bool = False) -> Path:
    """A dual encoder: the words for colours have the vectors of images of that colour."""
    toward = (255 * np.eye(3) - np.array(MEAN)) / np.array(DEVIATION)
    matrix = weights()
    words = np.concatenate([weights(2, seed=1), toward @ matrix]).astype(np.float32)
    file = bring(folder, image_model(matrix=matrix), text=TEXT)
    onnx.save(text_model(words, mask=mask), folder / "text.onnx")
    (folder / "tokenizer.json").write_text(tokenizer(), "utf-8")
    return file
