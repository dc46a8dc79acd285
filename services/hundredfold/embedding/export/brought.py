"""From an ONNX file that an operator brings to a version in the model repository."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import EMBEDDING, INPUT, TOKENS, ModelCard
from hundredfold.chassis.backbones.examples import check_agreement, check_vectors, examples
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.storage import layout
from hundredfold.embedding.export import onnx_file, wrapping
from hundredfold.embedding.export.description import Description, TextFiles
from hundredfold.embedding.export.spec import Spec
from hundredfold.embedding.texts import Tokenizer

_TEXTS = ("a photograph of a cat", "two red cars in the street", "x", "")


def bring(repository: ModelRepository, spec: Spec, model: str, *, licence: str = "") -> ModelCard:
    """Check, wrap, check again and publish a graph, and its text half if it has one.

    Args:
        repository: where it is published.
        spec: of the file, beside which is a `model.json`.
        model: `name@version` in the repository.
        licence: "" = that of the `model.json`.

    Raises:
        InvalidArgument: the `model.json` is not right.
        RuntimeError: the graph is not what it says, or gives no vectors.
        OSError: a file can't be read.
    """
    file = Path(spec.name)
    described = Description.read(file.with_name(layout.MODEL_CARD))
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / layout.MODEL_FILE
        dimensions = _wrap_images(file, described, ours)
        text = described.text
        files = _wrap_texts(file.parent, text, dimensions, Path(folder)) if text else None
        card = ModelCard(
            model=model,
            dimensions=dimensions,
            input_pixels=described.input_pixels,
            classes=0,
            source=f"{described.source}; {spec.origin()}",
            licence=licence or described.licence,
            preprocessing=described.preprocessing,
            text=text.half if text else None,
        )
        repository.publish(card, ours, text=files)
    return card


def _wrap_images(file: Path, described: Description, out: Path) -> int:
    """Write the half for images and compare it with the file that came; the length of its vectors."""
    model = onnx_file.read(file)
    given = wrapping.image_input(model.graph, described)
    name = wrapping.vector_output(model.graph, described.output).name
    images = examples(described.input_pixels)
    kind = given.type.tensor_type.elem_type
    expected = _run(file, name, {given.name: wrapping.expected_input(images, described, kind)})
    check_vectors(expected, len(images))
    onnx.save(wrapping.wrap_images(model, described, expected.shape[1]), out)
    check_agreement(expected, _run(out, EMBEDDING, {INPUT: images}))
    # Alone as in company: a graph may have its batch of the day it was made baked in.
    check_agreement(expected[:1], _run(out, EMBEDDING, {INPUT: images[:1]}))
    return int(expected.shape[1])


def _wrap_texts(folder: Path, text: TextFiles, dimensions: int, out: Path) -> tuple[Path, Path]:
    """Write the half for texts and try it on a few; its graph and its tokenizer."""
    tokenizer = Tokenizer(folder / text.tokenizer, text.half)
    model = onnx_file.read(folder / text.graph)
    graph = out / layout.MODEL_TEXT
    onnx.save(wrapping.wrap_texts(model, text.half.length, text.half.pad, dimensions), graph)
    vectors = _run(graph, EMBEDDING, {TOKENS: tokenizer.tokens(_TEXTS)})
    check_vectors(vectors, len(_TEXTS))
    if vectors.shape[1] != dimensions:
        raise RuntimeError(
            f"texts get {vectors.shape[1]} dimensions and images {dimensions}: these are no two halves"
        )
    return graph, folder / text.tokenizer


def _run(file: Path, output: str, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
    try:
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        (vectors,) = session.run([output], inputs)
    except Exception as error:  # the runtime's own errors have no common base
        raise RuntimeError(f"{file.name} does not run: {str(error)[:300]}") from error
    return np.asarray(vectors)
