"""From encoded images to checked vectors: decoding in threads, the backend kept busy, nothing piled up."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.decoding import decode
from hundredfold.chassis.errors import ResourceExhausted, ServiceError
from hundredfold.chassis.imaging import ImageError
from hundredfold.embedding.backends.base import (
    BATCH_TOO_LARGE,
    LOOK_SECONDS,
    Backend,
    Check,
    unchecked,
)
from hundredfold.embedding.domain.vectors import unit_vectors
from hundredfold.embedding.gate import Gate

T = TypeVar("T")
R = TypeVar("R")

_TASK_IMAGES = 32

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
    """Decodes and embeds, at the pace of the backend.

    A batch is decoded and embedded by one thread. There are as many at work as may decode plus as many
    as may be in the backend at once: while some are in the backend the others decode, and no
    thread has more than its own batch in memory.

    Args:
        backend: runs the models.
        decoders: how many threads read and decode while the backend is busy.
    """

    def __init__(self, backend: Backend, decoders: int) -> None:
        self.backend = backend
        self._decoders = decoders
        self._places = Gate(lambda: backend.pace.calls)
        threads = decoders + backend.pace.most_calls
        # Callers who wait must not stand behind the batches of a run.
        self._calls = ThreadPoolExecutor(threads, "embed-call")
        self._runs = ThreadPoolExecutor(threads, "embed-run")

    @property
    def task_images(self) -> int:
        """How many images a task of a run should bring: some whole batches, whatever the pace is."""
        return max(_TASK_IMAGES, self.backend.pace.most_images)

    def embed(self, card: ModelCard, images: Sequence[Encoded], ends_at: float) -> Embedded:
        """Embed some images, several batches at once.

        Args:
            card: the model.
            images: encoded images.
            ends_at: when the caller has given up, in `time.time()` seconds.

        Raises:
            ServiceError: see `Backend.embed`; a bad image is no error but a failure.
        """
        size = self.backend.pace.images
        batches = (images[begin : begin + size] for begin in range(0, len(images), size))
        done = self._in_order(
            self._calls, lambda batch: self.embed_batch(card, batch, ends_at), batches, unchecked
        )
        return joined(card, list(done))

    def embed_batch(
        self,
        card: ModelCard,
        images: Iterable[Encoded],
        ends_at: float = math.inf,
        check: Check = unchecked,
    ) -> Embedded:
        """Embed images, a batch after the other, on the calling thread.

        Args:
            card: the model.
            images: encoded images; taken one by one, as they are decoded.
            ends_at: when the caller has given up, in `time.time()` seconds.
            check: asked before each batch and while the backend is waited for; what it raises is passed on.

        Raises:
            ServiceError: as `embed`.
        """
        failures: dict[int, Failure] = {}
        parts: list[NDArray[np.float32]] = []
        begin = 0
        for batch in self._decoded(card, images):
            check()
            vectors, failed = self._vectors(card, batch, ends_at, check)
            failures |= {begin + place: failure for place, failure in failed.items()}
            parts.append(vectors)
            begin += len(batch)
        return Embedded(np.concatenate([_no_vectors(card), *parts]), failures)

    def in_order(
        self, function: Callable[[T], R], tasks: Iterable[T], check: Check = unchecked
    ) -> Iterator[R]:
        """The results of tasks, in order, some tasks at work ahead.

        Whoever leaves early, also by what `check` raises while a result is waited for, waits for the
        tasks at work; those that did not begin are dropped.
        """
        return self._in_order(self._runs, function, tasks, check)

    def close(self) -> None:
        """End the threads and let go of the backend."""
        self._calls.shutdown(cancel_futures=True)
        self._runs.shutdown(cancel_futures=True)
        self.backend.close()

    def _in_order(
        self,
        pool: ThreadPoolExecutor,
        function: Callable[[T], R],
        tasks: Iterable[T],
        check: Check,
    ) -> Iterator[R]:
        left, ahead = iter(tasks), deque[Future[R]]()
        try:
            while True:
                at_work = [future for future in ahead if not future.done()]
                # A slow task holds up what comes behind it, so some results may lie there meanwhile.
                free = min(self._workers - len(at_work), 2 * self._workers - len(ahead))
                begun = [pool.submit(function, task) for task in islice(left, max(0, free))]
                ahead.extend(begun)
                if not ahead:
                    return
                if ahead[0].done():
                    yield ahead.popleft().result()
                elif not wait([*at_work, *begun], LOOK_SECONDS, FIRST_COMPLETED).done:
                    check()
        finally:
            wait([future for future in ahead if not future.cancel()])

    @property
    def _workers(self) -> int:
        return self._decoders + self.backend.pace.calls

    def _decoded(
        self, card: ModelCard, images: Iterable[Encoded]
    ) -> Iterator[list[NDArray[np.uint8] | Failure]]:
        """Decode images into batches, each of as many good ones as a call should bring."""
        batch: list[NDArray[np.uint8] | Failure] = []
        good = 0
        for image in images:
            batch.append(_decoded(image, card.input_pixels))
            good += not isinstance(batch[-1], Failure)
            if good >= self.backend.pace.images:
                yield batch
                batch, good = [], 0
        if batch:
            yield batch

    def _vectors(
        self,
        card: ModelCard,
        decoded: Sequence[NDArray[np.uint8] | Failure],
        ends_at: float,
        check: Check,
    ) -> tuple[NDArray[np.float32], dict[int, Failure]]:
        """Vectors float32 [n, d] of a batch, zeros where there is none, and why."""
        failures = {i: each for i, each in enumerate(decoded) if isinstance(each, Failure)}
        pixels = {i: each for i, each in enumerate(decoded) if not isinstance(each, Failure)}
        vectors = np.zeros((len(decoded), card.dimensions), np.float32)
        if pixels:
            places = list(pixels)
            found = self._infer(card, np.stack(list(pixels.values())), ends_at, check)
            vectors[places], good = unit_vectors(found)
            failures |= {places[i]: _NO_VECTOR for i in np.flatnonzero(~good)}
        return vectors, failures

    def _infer(
        self, card: ModelCard, batch: NDArray[np.uint8], ends_at: float, check: Check
    ) -> NDArray[np.float32]:
        try:
            with self._places.place(check):
                return self.backend.embed(card, batch, seconds=ends_at - time.time(), check=check)
        except ResourceExhausted as error:
            if error.reason != BATCH_TOO_LARGE or len(batch) == 1:
                raise
        half = len(batch) // 2
        parts = (self._infer(card, each, ends_at, check) for each in (batch[:half], batch[half:]))
        return np.concatenate(list(parts))


def _no_vectors(card: ModelCard) -> NDArray[np.float32]:
    return np.empty((0, card.dimensions), np.float32)


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
    vectors = np.concatenate([_no_vectors(card), *(part.vectors for part in parts)])
    return Embedded(vectors, failures)
