"""Models for a real Triton server: versions of the tiny backbone, and one that misbehaves."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.storage.store import ArtifactStore
from tests.contract.embedding_fixtures import COLOUR

COLOUR_2 = replace(COLOUR, model="colour@2")
COLOUR_3 = replace(COLOUR, model="colour@3")


def publish_tinted(store: ArtifactStore, folder: Path, card: ModelCard, red: float) -> Path:
    """Publish a backbone like `publish_colour`'s that sees more red: other vectors, the same shape."""
    file = folder / f"{card.model}.onnx"
    write_tinted(file, red)
    ModelRepository(store).publish(card, file)
    return file


def write_tinted(file: Path, red: float) -> None:
    """The graph of `publish_tinted`."""
    onnx = pytest.importorskip("onnx")
    make, node = onnx.helper.make_tensor_value_info, onnx.helper.make_node
    tint = onnx.helper.make_tensor("tint", onnx.TensorProto.FLOAT, [3], [red, 0, 0])
    nodes = [
        node("Cast", ["image"], ["pixels"], to=onnx.TensorProto.FLOAT),
        node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2], keepdims=0),
        node("Add", ["mean", "tint"], ["logits"]),
        node("ReduceL2", ["logits"], ["length"], axes=[1], keepdims=1),
        node("Div", ["logits", "length"], ["embedding"]),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "tinted",
        [make("image", onnx.TensorProto.UINT8, ["n", 32, 32, 3])],
        [make(name, onnx.TensorProto.FLOAT, ["n", 3]) for name in ("embedding", "logits")],
        [tint],
    )
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9), file)


def copy_version(store: ArtifactStore, card: ModelCard, served: Path) -> Path:
    """Copy a version from the store to the repository of a server elsewhere; its folder there."""
    name, version = card.model.split("@")
    source = Path(store.root) / "models" / name
    shutil.copytree(source / version, served / name / version)
    shutil.copy(source / "config.pbtxt", served / name)
    return served / name / version


MISBEHAVIOUR = {
    "good": "mean",
    "short": "mean[:-1]",
    "long": "np.concatenate([mean, mean[:1]])",
    "wide": "np.concatenate([mean, mean], axis=1)",
    "flat": "mean.reshape(-1)",
    "nan": "np.full_like(mean, np.nan)",
    "constant": "np.ones_like(mean)",
    "double": "mean.astype(np.float64)",
    "raising": "1 / 0",
    "late": "(threading.Event().wait(1.5), np.full_like(mean, 7))[1]",
    "slow": "(threading.Event().wait(0.2), mean)[1]",
}
"""Of how a model answers, the expression that makes its answer."""

_MODEL = """
import threading
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

ANSWERS = {answers}


class TritonPythonModel:
    def initialize(self, args):
        self.how = Path(args["model_repository"]) / "how"

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        images = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
        mean = images.astype(np.float32).mean(axis=(1, 2))
        vectors = eval(ANSWERS[self.how.read_text()])
        return pb_utils.InferenceResponse([pb_utils.Tensor("embedding", np.ascontiguousarray(vectors))])
"""


def write_misbehaving(
    served: Path, card: ModelCard, how: str, *, batch: int = 64, queue: int = 64
) -> Path:
    """Serve, under the name of a backbone, a model that answers so; what to write another way to.

    Args:
        served: the repository.
        card: of the backbone.
        how: one of MISBEHAVIOUR.
        batch: images that a call may bring.
        queue: calls that may wait.
    """
    name, version = card.model.split("@")
    folder = served / name
    (folder / version).mkdir(parents=True)
    (folder / version / "model.py").write_text(_MODEL.replace("{answers}", repr(MISBEHAVIOUR)))
    kind = "FP64" if how == "double" else "FP32"
    (folder / "config.pbtxt").write_text(
        f"""\
name: "{name}"
backend: "python"
max_batch_size: {batch}
dynamic_batching {{ default_queue_policy {{ max_queue_size: {queue} }} }}
input [ {{ name: "image" data_type: TYPE_UINT8 dims: [ 32, 32, 3 ] }} ]
output [ {{ name: "embedding" data_type: TYPE_{kind} dims: [ -1 ] }} ]
version_policy {{ all {{ }} }}
"""
    )
    (folder / "how").write_text(how)
    return folder / "how"
