"""A Triton inference server over gRPC, which serves the same model repository."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from hundredfold.chassis.backbones.cards import LARGEST_BATCH, ModelCard
from hundredfold.chassis.errors import Conflict, ResourceExhausted, ServiceError, Unavailable
from hundredfold.chassis.storage.layout import name_and_version
from hundredfold.embedding.backends.base import (
    BATCH_TOO_LARGE,
    LOOK_SECONDS,
    Backend,
    Check,
    unchecked,
)
from hundredfold.embedding.backends.breaker import Breaker, Circuit
from hundredfold.embedding.backends.calls import (
    Calls,
    code,
    is_away,
    is_busy,
    is_too_large,
    is_unknown,
)
from hundredfold.embedding.backends.golden import check_golden, golden_images, golden_vectors
from hundredfold.embedding.backends.regions import FOLDER, is_local
from hundredfold.embedding.backends.transport import Transport
from hundredfold.embedding.domain.pacing import Outcome, Pacing, Setting
from hundredfold.embedding.gate import Gate

_log = logging.getLogger(__name__)

ONLY_SERVED = "ONLY_SERVED"
"""Why a reference has no vectors: the repository knows the model, but a server elsewhere has its file."""

_START, _MOST = Setting(images=16, calls=4), Setting(images=LARGEST_BATCH, calls=16)
_CALLS_IN_A_DEADLINE = 4
"""A call is to take no more than this part of what it may take: others may come between."""

_READY_SECONDS = 2.0
_LOAD_SECONDS = 60.0
_MOST_ANSWER = 16 << 20

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_send_message_length", -1),
    # Vectors are small: a larger answer is refused, not read into memory.
    ("grpc.max_receive_message_length", _MOST_ANSWER),
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

    Pixels go as uint8, which is a quarter of float32's bytes. How many a call brings and how many calls are
    under way is found out (`Pacing`), from what is best with a server on the processors of this machine on.
    To such a server they go through shared memory.

    Args:
        url: host and port of the server's gRPC.
        deadline_seconds: how long one call may take.
        patience_seconds: how long a run waits for a server that is away.
        shared_memory: use it where it can be used.
        reference: gives the golden vectors that a model is compared with before it is used, and again
            after the server was away; None = models are not compared.
        breaker: when to stop asking; None = the default one.
        pace: None = the default one.

    Attributes:
        pace: how many images a call should bring, and how many calls should be under way.
    """

    def __init__(
        self,
        url: str,
        deadline_seconds: float = 10.0,
        patience_seconds: float = 120.0,
        *,
        shared_memory: bool = True,
        reference: Backend | None = None,
        breaker: Breaker | None = None,
        pace: Pacing | None = None,
    ) -> None:
        self._url = url
        self._client = triton.InferenceServerClient(url, channel_args=_OPTIONS)
        self.pace = pace or Pacing(_START, _MOST, deadline_seconds / _CALLS_IN_A_DEADLINE)
        # Of calls that were admitted under a faster pace and are tried again, no more than now.
        self._attempts = Gate(lambda: self.pace.calls)
        self._calls = Calls(deadline_seconds, patience_seconds, breaker)
        shared = shared_memory and is_local(url)
        self._transport = Transport(self._client, FOLDER if shared else None)
        self._reference = reference
        self._golden: dict[str, NDArray[np.float32]] = {}
        self._checked: set[str] = set()
        self._checking = threading.Lock()

    def embed(
        self,
        card: ModelCard,
        images: NDArray[np.uint8],
        *,
        seconds: float,
        check: Check = unchecked,
    ) -> NDArray[np.float32]:
        """See `Backend.embed`; a model that the server knows but has not loaded is loaded first.

        Raises:
            Conflict: WRONG_ANSWER or GOLDEN_VECTORS_DIFFER: what the server gives is not of this model.
            Unavailable: also, with `circuit` in its metadata, while nobody may call.
        """

        def act(limit: float) -> NDArray[np.float32]:
            self._check(card, limit, check)
            return self._paced(card, images, limit, check)

        try:
            return self._calls.make(act, seconds, check)
        except InferenceServerException as error:
            raise self._told(card, error) from error

    def check(self, card: ModelCard) -> float:
        """Load a model if need be and compare it with its golden vectors, whatever was found before.

        Returns:
            The least cosine; 1 where there is nothing to compare with.

        Raises:
            ServiceError: as `embed`.
        """
        try:
            return self._calls.make(lambda limit: self._compare(card, limit), _LOAD_SECONDS)
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

    def collect(self) -> Iterator[Metric]:
        """Metrics, for a Prometheus registry."""
        circuit, pace = self._calls.breaker.state, self.pace
        states = {state.value: state == circuit for state in Circuit}
        yield StateSetMetricFamily(
            "hundredfold_triton_circuit", "Whether the Triton server is called.", states
        )
        yield GaugeMetricFamily(
            "hundredfold_triton_shared_memory",
            "1 while pixels go through shared memory.",
            value=float(self._transport.shared),
        )
        calls = CounterMetricFamily(
            "hundredfold_triton_calls", "Attempts at calls of the Triton server.", labels=["code"]
        )
        for name, ended in self._calls.ended().items():
            calls.add_metric([name], ended)
        yield calls
        for name, meaning, value in (
            ("batch_images", "Images a call brings, as far as is found out.", pace.settled.images),
            ("calls_at_once", "Calls under way at most, likewise.", pace.settled.calls),
            ("calls_under_way", "Calls under way now.", pace.in_flight),
        ):
            yield GaugeMetricFamily(f"hundredfold_triton_{name}", meaning, value=value)

    def close(self) -> None:
        """Let go of shared memory and close the connection; who waits for the server is told."""
        self._calls.close()
        self._transport.close()
        self._client.close()

    def _check(self, card: ModelCard, limit: float, check: Check) -> None:
        if self._reference is None or card.model in self._checked:
            return
        while not self._checking.acquire(timeout=LOOK_SECONDS):
            check()
        try:
            if card.model not in self._checked:
                check()
                self._compare(card, limit, check)
                self._checked.add(card.model)
        finally:
            self._checking.release()

    def _compare(self, card: ModelCard, limit: float, check: Check = unchecked) -> float:
        got = self._infer(card, golden_images(card.input_pixels), limit, check)
        expected = self._expected(card)
        return 1.0 if expected is None else check_golden(card, expected, got)

    def _expected(self, card: ModelCard) -> NDArray[np.float32] | None:
        """The golden vectors; None where there is nothing to make them with."""
        if self._reference is None:
            return None
        if card.model not in self._golden:
            try:
                self._golden[card.model] = golden_vectors(self._reference, card)
            except Conflict as error:
                if error.reason != ONLY_SERVED:
                    raise
                _log.warning("%s has no model file to compare its vectors with", card.model)
                return None
            finally:
                self._reference.close()  # its session is not needed again
        return self._golden[card.model]

    def _paced(
        self, card: ModelCard, images: NDArray[np.uint8], limit: float, check: Check
    ) -> NDArray[np.float32]:
        """One attempt, of which the pace learns."""
        with self._attempts.place(check):
            begun, begun_at, outcome = self.pace.begin(), time.monotonic(), Outcome.FAILED
            try:
                found = self._infer(card, images, limit, check)
            except InferenceServerException as error:
                outcome = _outcome(error)
                raise
            else:
                outcome = Outcome.ANSWERED
                return found
            finally:
                self.pace.ended(begun, len(images), time.monotonic() - begun_at, outcome)

    def _infer(
        self, card: ModelCard, images: NDArray[np.uint8], limit: float, check: Check
    ) -> NDArray[np.float32]:
        try:
            try:
                return self._transport.infer(card, images, limit, check)
            except InferenceServerException as error:
                if not (is_unknown(error) and self._load(card)):
                    raise
            return self._transport.infer(card, images, limit, check)
        except InferenceServerException as error:
            if is_away(error):
                # Whatever comes back may serve something else.
                self._checked.clear()
            raise

    def _load(self, card: ModelCard) -> bool:
        """Ask a server in explicit mode for a model that it does not serve; False when in vain."""
        name, _ = name_and_version(card.model)
        try:
            self._client.load_model(name, client_timeout=_LOAD_SECONDS)
        except InferenceServerException as error:
            if is_away(error) and "not allowed" not in str(error.message()):
                raise
            return False
        return True

    def _told(self, card: ModelCard, error: InferenceServerException) -> ServiceError:
        if is_too_large(error):
            return ResourceExhausted(
                f"Triton's {card.model} takes no such batch: {error.message()}",
                reason=BATCH_TOO_LARGE,
            )
        if code(error) == "INVALID_ARGUMENT":
            return Conflict(f"Triton's {card.model} is not of the repository: {error.message()}")
        return Unavailable(
            f"the Triton server at {self._url} gave no vectors of {card.model}: {error.message()}",
            reason="INFERENCE_SERVER_AWAY",
            metadata={"circuit": self._calls.breaker.state.value},
        )


def _outcome(error: InferenceServerException) -> Outcome:
    if is_too_large(error):
        return Outcome.TOO_LARGE
    return Outcome.BUSY if is_busy(error) else Outcome.FAILED
