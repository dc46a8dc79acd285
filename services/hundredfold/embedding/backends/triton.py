"""A Triton inference server over gRPC, which serves the same model repository."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from hundredfold.chassis.backbones.cards import EMBEDDING, INPUT, ModelCard
from hundredfold.chassis.errors import Conflict, Unavailable
from hundredfold.chassis.storage.layout import name_and_version

_READY_SECONDS = 2.0
_LOAD_SECONDS = 60.0

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # An address that stands for several servers: each gets its share.
    ("grpc.lb_policy_name", "round_robin"),
    # A server that was started again is found within seconds, not minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.enable_http_proxy", 0),
]


class TritonBackend:
    """Sends pixels to a Triton server and gets vectors back.

    Pixels go as uint8, which is a quarter of float32's bytes, in batches of 16: larger messages were
    slower. Four calls at once keep the server at work while others are on the wire.

    Args:
        url: host and port of the server's gRPC.
        deadline_seconds: how long one call may take.
    """

    batch = 16
    in_flight = 4

    def __init__(self, url: str, deadline_seconds: float = 10.0) -> None:
        self._url = url
        self._deadline = deadline_seconds
        self._client = triton.InferenceServerClient(url, channel_args=_OPTIONS)

    def embed(
        self, card: ModelCard, images: NDArray[np.uint8], *, seconds: float
    ) -> NDArray[np.float32]:
        """See `Backend.embed`; a model that the server knows but has not loaded is loaded first."""
        limit = max(0.001, min(seconds, self._deadline))
        try:
            return self._infer(card, images, limit)
        except InferenceServerException as error:
            if not self._load(card, error, min(seconds, _LOAD_SECONDS)):
                raise self._told(card, error) from error
        try:
            return self._infer(card, images, limit)
        except InferenceServerException as error:
            raise self._told(card, error) from error

    def ready(self, cards: Sequence[ModelCard]) -> set[str]:
        """See `Backend.ready`."""
        try:
            index = self._client.get_model_repository_index(client_timeout=_READY_SECONDS)
        except InferenceServerException:
            return set()
        served = {f"{each.name}@{each.version}" for each in index.models if each.state == "READY"}
        return served & {card.model for card in cards}

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _infer(
        self, card: ModelCard, images: NDArray[np.uint8], seconds: float
    ) -> NDArray[np.float32]:
        name, version = name_and_version(card.model)
        tensor = triton.InferInput(INPUT, list(images.shape), "UINT8")
        tensor.set_data_from_numpy(np.ascontiguousarray(images))
        answer = self._client.infer(
            name,
            [tensor],
            model_version=str(version),
            outputs=[triton.InferRequestedOutput(EMBEDDING)],
            client_timeout=seconds,
        )
        return np.asarray(answer.as_numpy(EMBEDDING), np.float32)

    def _load(self, card: ModelCard, error: InferenceServerException, seconds: float) -> bool:
        """Ask a server in explicit mode for a model that it does not serve; False when in vain."""
        if not _unknown(error):
            return False
        try:
            name, _ = name_and_version(card.model)
            self._client.load_model(name, client_timeout=seconds)
        except InferenceServerException:
            return False
        return True

    def _told(self, card: ModelCard, error: InferenceServerException) -> Unavailable | Conflict:
        if _code(error) == "INVALID_ARGUMENT":
            return Conflict(f"Triton's {card.model} is not of the repository: {error.message()}")
        return Unavailable(
            f"the Triton server at {self._url} gave no vectors of {card.model}: {error.message()}",
            reason="INFERENCE_SERVER_AWAY",
        )


def _code(error: InferenceServerException) -> str:
    return str(error.status() or "").removeprefix("StatusCode.")


def _unknown(error: InferenceServerException) -> bool:
    """Whether the server answered that it has no such model, or not that version, at hand."""
    return _code(error) in ("NOT_FOUND", "UNAVAILABLE") and "model" in str(error.message())
