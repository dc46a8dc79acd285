"""The backends that run in this process: which of them, and what they can do here."""

from importlib import import_module

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.embedding.backends.base import Backend
from hundredfold.embedding.backends.onnx import OnnxBackend, has_cuda
from hundredfold.embedding.precision import BF16, FLOAT32


def backend_within(
    name: str, repository: ModelRepository, threads: int, precision: str = FLOAT32
) -> Backend:
    """The backend of that name.

    Args:
        name: `auto`, `onnx` or `openvino`, see `EmbeddingConfig`.
        repository: where the models are.
        threads: calls at once; 0 = one a core.
        precision: `float32` or `bf16`.

    Raises:
        InvalidArgument: there is none of that name, or it has not that precision here.
    """
    if precision == BF16 and not has_bf16(name):
        raise InvalidArgument(
            "precision bf16 needs the backend openvino and a processor that has it",
            field="precision",
        )
    if name not in {"auto", "onnx", "openvino"}:
        raise InvalidArgument(
            f"backend {name!r} is not auto, onnx, openvino or triton", field="backend"
        )
    if not _is_openvino(name):
        return OnnxBackend(repository, threads)
    # Not above: OpenVINO is an extra, and takes a second to load.
    from hundredfold.embedding.backends.openvino import OpenVinoBackend  # noqa: PLC0415

    return OpenVinoBackend(repository, threads, precision)


def has_bf16(name: str) -> bool:
    """Whether the backend of that name calculates in bf16 on this processor."""
    if not _is_openvino(name):
        return False
    from hundredfold.embedding.backends import openvino  # noqa: PLC0415

    return openvino.has_bf16()


def _is_openvino(name: str) -> bool:
    """Whether it is named, or is the best of what is installed: no CUDA device waits for ONNX Runtime."""
    return name == "openvino" or (name == "auto" and not has_cuda() and _has_openvino())


def _has_openvino() -> bool:
    try:
        import_module("openvino")
    except ImportError:
        return False
    return True
