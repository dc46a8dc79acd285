"""ONNX Runtime in this process: the embedded default, on the processor or a CUDA device.

Each call runs on the thread of its caller alone, and as many calls as there are cores run at once. On
a busy machine that is half again as fast as one call spread over all cores, whose threads
wait for one another after each layer, and it leaves no spinning threads in the way of decoding.
"""

import os
import threading
from collections.abc import Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import EMBEDDING, INPUT, ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import Conflict
from hundredfold.embedding.backends.base import Check, unchecked
from hundredfold.embedding.domain.pacing import Setting

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def has_cuda() -> bool:
    """Whether ONNX Runtime was installed with CUDA."""
    return _CUDA in onnxruntime.get_available_providers()


class OnnxBackend:
    """Runs the repository's ONNX files; a session is kept for each model that was asked for.

    Args:
        repository: where the models are.
        threads: calls at once; 0 = one a core.
    """

    def __init__(self, repository: ModelRepository, threads: int = 0) -> None:
        available = onnxruntime.get_available_providers()
        self._providers = [provider for provider in (_CUDA, _CPU) if provider in available]
        # On processors larger batches take more memory and no less time.
        self.pace = Setting(images=32 if _CUDA in available else 8, calls=threads or cores())
        self._repository = repository
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}
        self._lock = threading.Lock()

    def embed(
        self,
        card: ModelCard,
        images: NDArray[np.uint8],
        *,
        seconds: float,  # noqa: ARG002  nothing is waited for here
        check: Check = unchecked,  # noqa: ARG002  nothing is waited for here
    ) -> NDArray[np.float32]:
        """See `Backend.embed`."""
        (embeddings,) = self._session(card.model).run([EMBEDDING], {INPUT: images})
        return np.asarray(embeddings, np.float32)

    def ready(self, cards: Sequence[ModelCard]) -> set[str]:
        """See `Backend.ready`."""
        return {card.model for card in cards if self._repository.has(card.model)}

    def close(self) -> None:
        """Let the sessions go."""
        with self._lock:
            self._sessions.clear()

    def _session(self, model: str) -> onnxruntime.InferenceSession:
        with self._lock:
            if model not in self._sessions:
                self._sessions[model] = self._load(model)
            return self._sessions[model]

    def _load(self, model: str) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        file = self._repository.file(model)
        try:
            return onnxruntime.InferenceSession(file, options, providers=self._providers)
        except Exception as error:  # the runtime's own errors have no common base
            raise Conflict(f"{model} is no model that runs here: {str(error)[:300]}") from error
