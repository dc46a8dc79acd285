"""Notes a model that an operator's Triton server has, so that its spaces can be made."""

from typing import Any

import numpy as np
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from hundredfold.chassis.backbones.cards import EMBEDDING, INPUT, ModelCard
from hundredfold.chassis.backbones.examples import check_vectors, examples
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.storage.layout import name_and_version

_SECONDS = 60.0
_FREE = -1


def register(repository: ModelRepository, model: str, url: str, *, licence: str = "") -> ModelCard:
    """Ask a server for the shape of a model, try it, and write its card.

    It must take "image", uint8 [n, p, p, 3], and give "embedding", float32 [n, d].

    Args:
        repository: where the card is written.
        model: `name@version`, as the server has it.
        url: host and port of its gRPC.
        licence: of the weights.

    Raises:
        RuntimeError: the server is away, has no such model, or it is of another shape; tells both.
        Conflict: another version in the repository has another shape.
    """
    name, version = name_and_version(model)
    client = triton.InferenceServerClient(url)
    try:
        told = client.get_model_metadata(name, str(version), client_timeout=_SECONDS)
        pixels = _pixels(told.inputs, model)
        _one(told.outputs, EMBEDDING, "FP32", model)
        vectors = _try(client, name, version, pixels)
    except InferenceServerException as error:
        raise RuntimeError(
            f"the Triton server at {url} says of {model}: {error.message()}"
        ) from error
    finally:
        client.close()
    check_vectors(vectors, len(examples(pixels)))
    card = ModelCard(
        model, vectors.shape[1], pixels, 0, f"served by Triton as {told.platform}", licence
    )
    repository.publish_served(card)
    return card


def _pixels(inputs: Any, model: str) -> int:
    given = _one(inputs, INPUT, "UINT8", model)
    shape = list(given.shape)
    if len(shape) != 4 or shape[0] != _FREE or shape[3] != 3 or not 0 < shape[1] == shape[2]:
        raise RuntimeError(f"{model} takes {shape} at the server, not [-1, p, p, 3]")
    return int(shape[1])


def _one(tensors: Any, name: str, kind: str, model: str) -> Any:
    for tensor in tensors:
        if (tensor.name, tensor.datatype) == (name, kind):
            return tensor
    there = ", ".join(f"{tensor.name} {tensor.datatype}" for tensor in tensors)
    raise RuntimeError(f"{model} has {there} at the server, not {name} {kind}")


def _try(client: Any, name: str, version: int, pixels: int) -> Any:
    images = examples(pixels)
    tensor = triton.InferInput(INPUT, list(images.shape), "UINT8")
    tensor.set_data_from_numpy(np.ascontiguousarray(images))
    answer = client.infer(name, [tensor], model_version=str(version), client_timeout=_SECONDS)
    return np.asarray(answer.as_numpy(EMBEDDING))
