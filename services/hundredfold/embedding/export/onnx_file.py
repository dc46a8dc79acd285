"""Reads an ONNX file that somebody brings: no larger than what can be served, nothing from outside its folder."""

from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, Message
from onnx import TensorProto, external_data_helper

MOST_BYTES = (1 << 31) - (1 << 20)
"""Of the graph with all its weights: what one ONNX file can hold."""


def read(file: Path) -> onnx.ModelProto:
    """The graph with its weights, those of files beside it included.

    Raises:
        RuntimeError: no ONNX file, too large, or its weights are not in its folder.
        OSError: it can't be read.
    """
    _check_size(file.name, file.stat().st_size)
    try:
        model = onnx.load_model(file, load_external_data=False)
        _take_in_weights(model, file.parent)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise RuntimeError(f"{file.name} is no valid ONNX file: {str(error)[:300]}") from error
    return model


def _take_in_weights(model: onnx.ModelProto, folder: Path) -> None:
    """Read the tensors that are in other files, once all of these are known to be in the folder."""
    outside = [each for each in _tensors(model) if each.data_location == TensorProto.EXTERNAL]
    total = 0
    for file in sorted({_file_of(each, folder) for each in outside}):
        total += file.stat().st_size
        _check_size("its weights", total)
    for tensor in outside:
        external_data_helper.load_external_data_for_tensor(tensor, str(folder))
        # Not every version of onnx says so by itself.
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Every tensor of a model, wherever the format has a place for one.

    Initializers, dense and sparse; attributes of nodes, their defaults in functions; all of that in subgraphs,
    functions and what is there for training. The walk of onnx itself leaves some of these out.
    """
    waiting: list[Message] = [model]
    while waiting:
        message = waiting.pop()
        if isinstance(message, TensorProto):
            yield message
            continue
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting.extend([value] if isinstance(value, Message) else value)


def _file_of(tensor: TensorProto, folder: Path) -> Path:
    return _inside(folder, external_data_helper.ExternalDataInfo(tensor).location)


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not name or Path(name).is_absolute() or path.is_symlink():
        raise RuntimeError(f"weights in {name!r} are not in the model's folder")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RuntimeError(f"weights in {name!r} are not in the model's folder")
    if not path.is_file():
        raise RuntimeError(f"the weights {name} are not in the model's folder")
    return path


def _check_size(what: str, size: int) -> None:
    if size > MOST_BYTES:
        raise RuntimeError(f"{what} has {size:,} bytes; at most {MOST_BYTES:,} can be served")
