"""From a network in PyTorch to an ONNX graph that takes pixels, and the proof that both agree."""

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hundredfold.chassis.backbones.cards import EMBEDDING, INPUT, LOGITS
from hundredfold.chassis.backbones.examples import check_agreement, check_vectors, examples
from hundredfold.chassis.backbones.recipe import Network, Recipe
from hundredfold.chassis.backbones.rounding import round_weights

_OPSET = 17
_LEAST_ROUNDED = 0.9
"""Of each example the cosine to the original once weights are rounded. Of photographs it is 0.999 on average; these
made-up images are farther off, and less than this can only be a broken file."""


class Graph(nn.Module):
    """The whole backbone: uint8 [n, p, p, 3] to embedding float32 [n, d], and logits [n, classes] if any."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: Network, recipe: Recipe) -> None:
        super().__init__()
        self.features = network.features
        self.classifier = network.classifier
        self.register_buffer("mean", torch.tensor(recipe.mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(recipe.deviation).view(1, 3, 1, 1))

    @property
    def outputs(self) -> list[str]:
        """The names of what it gives."""
        return [EMBEDDING] if self.classifier is None else [EMBEDDING, LOGITS]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Normalise, run, scale the pooled features to length 1."""
        pixels = image.permute(0, 3, 1, 2).to(torch.float32)
        pooled = self.features((pixels - self.mean) / self.deviation)
        embedding = nn.functional.normalize(pooled, dim=1)
        return (embedding,) if self.classifier is None else (embedding, self.classifier(pooled))


def export(graph: Graph, pixels: int, path: Path) -> tuple[int, int]:
    """Write the graph, with a free batch axis and weights that bf16 can hold, and compare it with its network.

    Returns:
        The length of its vectors and of its logits, 0 where it has none.

    Raises:
        RuntimeError: they don't agree, or it gives no vectors; the file is worthless.
    """
    images = examples(pixels)
    with torch.inference_mode():
        expected = [output.numpy() for output in graph(torch.from_numpy(images))]
    _write(graph, pixels, path)
    got = _run(graph, path, images)
    check_vectors(got[0], len(images))
    check_agreement(expected[0], got[0])
    if graph.classifier and not (expected[1].argmax(axis=1) == got[1].argmax(axis=1)).all():
        raise RuntimeError("the ONNX file and PyTorch disagree on the likeliest class")
    round_weights(path)
    check_agreement(expected[0], _run(graph, path, images)[0], _LEAST_ROUNDED)
    return got[0].shape[1], got[1].shape[1] if graph.classifier else 0


def _run(graph: Graph, path: Path, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return list(session.run(graph.outputs, {INPUT: images}))


def _write(graph: Graph, pixels: int, path: Path) -> None:
    with warnings.catch_warnings():
        # It warns that it is the older exporter, and of constants that it does not fold.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (torch.zeros(2, pixels, pixels, 3, dtype=torch.uint8),),
            str(path),
            dynamo=False,  # the exporter whose result was verified for these networks
            opset_version=_OPSET,
            input_names=[INPUT],
            output_names=graph.outputs,
            dynamic_axes={name: {0: "n"} for name in (INPUT, *graph.outputs)},
        )
