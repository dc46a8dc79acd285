"""From a network in PyTorch to an ONNX graph that takes pixels, and the proof that both agree."""

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hundredfold.chassis.backbones.cards import EMBEDDING, INPUT, LOGITS
from hundredfold.chassis.backbones.recipe import Network, Recipe

_OPSET = 17
_LEAST_COSINE = 0.9999


class Graph(nn.Module):
    """The whole backbone: uint8 [n, p, p, 3] to embedding float32 [n, d] and logits [n, classes]."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: Network, recipe: Recipe) -> None:
        super().__init__()
        self.features = network.features
        self.classifier = network.classifier
        self.register_buffer("mean", torch.tensor(recipe.mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(recipe.deviation).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise, run, scale the pooled features to length 1."""
        pixels = image.permute(0, 3, 1, 2).to(torch.float32)
        pooled = self.features((pixels - self.mean) / self.deviation)
        return nn.functional.normalize(pooled, dim=1), self.classifier(pooled)


def write_onnx(graph: Graph, pixels: int, path: Path) -> None:
    """Write the graph, with a free batch axis."""
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
            output_names=[EMBEDDING, LOGITS],
            dynamic_axes={name: {0: "n"} for name in (INPUT, EMBEDDING, LOGITS)},
        )


def examples(pixels: int) -> NDArray[np.uint8]:
    """A few images, uint8 [n, p, p, 3], the same each time: noise, a ramp, stripes and a disc."""
    noise = np.random.default_rng(0).integers(0, 256, (pixels, pixels, 3))
    y, x = np.mgrid[:pixels, :pixels]
    ramp = np.stack([x, y, x + y], axis=-1) * 255 // (2 * pixels)
    stripes = np.stack([(x // 16 % 2), (y // 8 % 2), (x // 32 % 2)], axis=-1) * 255
    inside = (x - pixels / 2) ** 2 + (y - pixels / 2) ** 2 < (pixels / 3) ** 2
    disc = np.where(inside[..., None], (220, 60, 30), (90, 140, 220))
    return np.stack([noise, ramp, stripes, disc]).astype(np.uint8)


def check(graph: Graph, pixels: int, path: Path) -> tuple[int, int]:
    """Compare the file with the network it was made of.

    Returns:
        The length of its vectors and of its logits.

    Raises:
        RuntimeError: they don't agree; the file is worthless.
    """
    images = examples(pixels)
    with torch.inference_mode():
        expected, logits = (output.numpy() for output in graph(torch.from_numpy(images)))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    got, got_logits = session.run([EMBEDDING, LOGITS], {INPUT: images})
    cosine = float((expected * got).sum(axis=1).min())
    if not cosine >= _LEAST_COSINE:  # so that a NaN is refused too
        raise RuntimeError(f"the ONNX file's vectors are off: cosine {cosine:.6f} to PyTorch")
    if not (logits.argmax(axis=1) == got_logits.argmax(axis=1)).all():
        raise RuntimeError("the ONNX file and PyTorch disagree on the likeliest class")
    return got.shape[1], got_logits.shape[1]
