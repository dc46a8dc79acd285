"""OpenVINO in this process: the same model files, faster on processors, in float32 or in bf16.

Several requests are in flight, each on one thread: the more so as a request that is spread over all cores makes
its threads wait for one another after each layer. A request brings few images, so that what a layer gives is in
the processor's cache when the next one takes it. Vectors do not depend on how images are put into requests.
"""

import queue
import threading
from collections.abc import Sequence

import numpy as np
import openvino
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import EMBEDDING, INPUT, ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import Conflict
from hundredfold.embedding.backends.base import Check, unchecked
from hundredfold.embedding.backends.onnx import cores
from hundredfold.embedding.domain.pacing import Setting

_DEVICE = "CPU"
_HINTS = {"float32": "f32", "bf16": "bf16"}

# The first call fills a table within OpenVINO, and two threads that do so at once lock up (2026.4). Every request asks it.
openvino.Type.u8.to_dtype()


def has_bf16() -> bool:
    """Whether this processor multiplies bf16 itself; elsewhere it is no faster than float32."""
    return "BF16" in openvino.Core().get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")


class OpenVinoBackend:
    """Runs the repository's ONNX files; each is compiled once, when it is asked for.

    Args:
        repository: where the models are.
        threads: calls at once; 0 = one a core.
        precision: `float32` or `bf16`, of all that is calculated within the network.
    """

    def __init__(
        self, repository: ModelRepository, threads: int = 0, precision: str = "float32"
    ) -> None:
        calls = threads or cores()
        # Four images and what a layer makes of them fit into the processor's cache.
        self.pace = Setting(images=4, calls=calls)
        self._repository = repository
        self._core = openvino.Core()
        self._properties = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "NUM_STREAMS": calls,
            "INFERENCE_NUM_THREADS": calls,
            "ENABLE_CPU_PINNING": False,  # the threads that decode must find a core too
        }
        self._networks: dict[tuple[str, int], _Network] = {}
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
        # A network is compiled for one number of images, which is faster; the end of a run comes one by one.
        size = self.pace.images if len(images) == self.pace.images else 1
        network = self._network(card, size)
        parts = [network(images[begin : begin + size]) for begin in range(0, len(images), size)]
        return np.concatenate(parts)

    def ready(self, cards: Sequence[ModelCard]) -> set[str]:
        """See `Backend.ready`."""
        return {card.model for card in cards if self._repository.has(card.model)}

    def close(self) -> None:
        """Let the networks go."""
        with self._lock:
            self._networks.clear()

    def _network(self, card: ModelCard, size: int) -> "_Network":
        with self._lock:
            if (card.model, size) not in self._networks:
                self._networks[card.model, size] = self._load(card, size)
            return self._networks[card.model, size]

    def _load(self, card: ModelCard, size: int) -> "_Network":
        file = self._repository.file(card.model)
        try:
            graph = self._core.read_model(file)
            graph.reshape({INPUT: [size, card.input_pixels, card.input_pixels, 3]})
            # Without the logits, which would be calculated for nobody.
            graph = openvino.Model([graph.output(EMBEDDING)], graph.get_parameters())
            compiled = self._core.compile_model(graph, _DEVICE, self._properties)
            return _Network(compiled, self.pace.calls)
        except RuntimeError as error:
            raise Conflict(
                f"{card.model} is no model that runs here: {str(error)[-300:]}"
            ) from error


class _Network:
    """A network for one number of images, with a request for each call that may be at work."""

    def __init__(self, compiled: openvino.CompiledModel, requests: int) -> None:
        self._free: queue.SimpleQueue[openvino.InferRequest] = queue.SimpleQueue()
        for _ in range(requests):
            self._free.put(compiled.create_infer_request())

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        request = self._free.get()
        try:
            # On the threads of the streams: `infer` would calculate on those of the callers, of which there are more.
            request.start_async([images], share_inputs=True)
            request.wait()
            # A copy: the request's own memory is used again.
            return np.array(request.get_output_tensor().data, np.float32)
        finally:
            self._free.put(request)
