"""Reads an ONNX file that somebody brings: no larger than what can be served, nothing from outside its folder."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
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
        _check_external(model, file.parent)
        external_data_helper.load_external_data_for_model(model, str(file.parent))
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise RuntimeError(f"{file.name} is no valid ONNX file: {str(error)[:300]}") from error
    return model


def _check_external(model: onnx.ModelProto, folder: Path) -> None:
    total = 0
    for file in sorted(_external_files(model, folder)):
        total += file.stat().st_size
        _check_size("its weights", total)


def _external_files(model: onnx.ModelProto, folder: Path) -> set[Path]:
    """The files of weights that a graph names, each of which is in its folder."""
    found = set()
    # Private, but the one walk over the tensors of initializers, attributes and subgraphs alike.
    for tensor in external_data_helper._get_all_tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            found.add(_inside(folder, external_data_helper.ExternalDataInfo(tensor).location))
    return found


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
