"""From encoded images to checked vectors: decoding in threads, the backend kept busy, nothing piled up."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.decoding import decode
from hundredfold.chassis.errors import ServiceError
from hundredfold.chassis.imaging import ImageError
from hundredfold.embedding.backends.base import Backend
from hundredfold.embedding.domain.vectors import unit_vectors

T = TypeVar("T")
R = TypeVar("R")

Encoded = bytes | ServiceError
"""The bytes of an image, or why there are none."""


@dataclass(frozen=True)
class Failure:
    """Why an image has no vector: a reason in UPPER_SNAKE and a sentence."""

    reason: str
    message: str


@dataclass(frozen=True)
class Embedded:
    """What became of some images.

    Attributes:
        vectors: float32 [n, d], length 1; zeros for the images in `failures`.
        failures: by position.
    """

    vectors: NDArray[np.float32]
    failures: Mapping[int, Failure] = field(default_factory=dict)


class Embedder:
    """Decodes and embeds.

    A batch is read, decoded and embedded by one thread. There are as many threads as may decode plus
    as many as may be in the backend at once: while some are in the backend the others decode,
    and no thread has more than its own batch in memory.

    Args:
        backend: runs the models.
        decoders: how many threads read and decode while the backend is busy.
    """

    def __init__(self, backend: Backend, decoders: int) -> None:
        self.backend = backend
        self._workers = decoders + backend.in_flight
        self._slots = threading.BoundedSemaphore(backend.in_flight)
        # Callers who wait must not stand behind the batches of a run.
        self._calls = ThreadPoolExecutor(self._workers, "embed-call")
        self._runs = ThreadPoolExecutor(self._workers, "embed-run")

    def embed(self, card: ModelCard, images: Sequence[Encoded], ends_at: float) -> Embedded:
        """Embed some images, several batches at once.

        Args:
            card: the model.
            images: encoded images.
            ends_at: when the caller has given up, in `time.time()` seconds.

        Raises:
            ServiceError: see `Backend.embed`; a bad image is no error but a failure.
        """
        size = self.backend.batch
        batches = [images[begin : begin + size] for begin in range(0, len(images), size)]
        done = self._calls.map(lambda batch: self.embed_batch(card, batch, ends_at), batches)
        return joined(card, list(done))

    def embed_batch(
        self, card: ModelCard, images: Iterable[Encoded], ends_at: float = math.inf
    ) -> Embedded:
        """Embed images one after the other on the calling thread; arguments and errors as in `embed`."""
        decoded = [_decoded(image, card.input_pixels) for image in images]
        failures = {i: each for i, each in enumerate(decoded) if isinstance(each, Failure)}
        pixels = {i: each for i, each in enumerate(decoded) if not isinstance(each, Failure)}
        places = list(pixels)
        vectors = np.zeros((len(decoded), card.dimensions), np.float32)
        for begin in range(0, len(places), self.backend.batch):
            some = places[begin : begin + self.backend.batch]
            batch = np.stack([pixels[i] for i in some])
            vectors[some], good = self._infer(card, batch, ends_at)
            failures |= {some[i]: _NO_VECTOR for i in np.flatnonzero(~good)}
        return Embedded(vectors, failures)

    def in_order(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """The results of tasks, in order, some tasks at work ahead.

        Whoever leaves early waits for the tasks at work; those that did not begin are dropped.
        """
        waiting: deque[Future[R]] = deque()
        try:
            for task in tasks:
                waiting.append(self._runs.submit(function, task))
                if len(waiting) > 2 * self._workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            wait([future for future in waiting if not future.cancel()])

    def close(self) -> None:
        """End the threads and let go of the backend."""
        self._calls.shutdown(cancel_futures=True)
        self._runs.shutdown(cancel_futures=True)
        self.backend.close()

    def _infer(
        self, card: ModelCard, batch: NDArray[np.uint8], ends_at: float
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        with self._slots:
            return unit_vectors(self.backend.embed(card, batch, seconds=ends_at - time.time()))


_NO_VECTOR = Failure(
    "NO_VECTOR", "the model gave this image a vector that is not finite or has no length"
)


def _decoded(image: Encoded, pixels: int) -> NDArray[np.uint8] | Failure:
    try:
        if isinstance(image, ServiceError):
            return Failure(image.reason, image.message)
        return decode(image, pixels)
    except ImageError as error:
        return Failure(error.reason, error.message)


def joined(card: ModelCard, parts: Sequence[Embedded]) -> Embedded:
    """What became of the images of several calls, in order."""
    failures: dict[int, Failure] = {}
    begin = 0
    for part in parts:
        failures |= {begin + place: failure for place, failure in part.failures.items()}
        begin += len(part.vectors)
    empty = np.empty((0, card.dimensions), np.float32)
    return Embedded(np.concatenate([empty, *(part.vectors for part in parts)]), failures)
