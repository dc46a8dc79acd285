"""What a Triton server is asked and what it must answer, over the wire or through shared memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient import grpc as triton

from hundredfold.chassis.backbones.cards import EMBEDDING, INPUT, ModelCard
from hundredfold.chassis.errors import Conflict
from hundredfold.embedding.backends.regions import Region

_NUMBER = np.dtype(np.float32)


def asked(images: NDArray[np.uint8], region: Region | None) -> tuple[Any, Any]:
    """The tensors of a request for the vectors of images uint8 [n, p, p, 3]: input and output."""
    pixels = triton.InferInput(INPUT, list(images.shape), "UINT8")
    vectors = triton.InferRequestedOutput(EMBEDDING)
    if region is None:
        pixels.set_data_from_numpy(np.ascontiguousarray(images))
    else:
        room = np.frombuffer(region.memory, np.uint8)
        room[: images.nbytes].reshape(images.shape)[:] = images
        # What the server leaves out must not be taken from an earlier answer: all ones is a NaN.
        room[images.nbytes :] = 0xFF
        pixels.set_shared_memory(region.name, images.nbytes)
        vectors.set_shared_memory(region.name, len(room) - images.nbytes, images.nbytes)
    return pixels, vectors


def room(card: ModelCard, images: NDArray[np.uint8]) -> int:
    """Bytes that images and their vectors take in shared memory."""
    return images.nbytes + len(images) * card.dimensions * _NUMBER.itemsize


def vectors(
    answer: triton.InferResult, card: ModelCard, images: NDArray[np.uint8], region: Region | None
) -> NDArray[np.float32]:
    """The vectors of an answer, float32 [n, d], owned by the caller.

    Raises:
        Conflict: WRONG_ANSWER, they are not one vector of the model for each image.
    """
    response = answer.get_response()
    tensor = answer.get_output(EMBEDDING)
    wanted = [len(images), card.dimensions]
    size = len(images) * card.dimensions * _NUMBER.itemsize
    if tensor is None:
        raise _wrong(card, f"no {EMBEDDING}")
    if tensor.datatype != "FP32" or list(tensor.shape) != wanted:
        raise _wrong(card, f"{tensor.datatype} {list(tensor.shape)}, not FP32 {wanted}")
    if region is not None:
        return (
            np.frombuffer(region.memory, _NUMBER, len(images) * card.dimensions, images.nbytes)
            .reshape(wanted)
            .copy()
        )
    raw = b"".join(response.raw_output_contents)
    if len(raw) != size:
        raise _wrong(card, f"{len(raw)} bytes for {wanted}, which take {size}")
    return np.frombuffer(raw, _NUMBER).reshape(wanted)


def _wrong(card: ModelCard, got: str) -> Conflict:
    return Conflict(f"Triton's answer for {card.model} is {got}", reason="WRONG_ANSWER")
