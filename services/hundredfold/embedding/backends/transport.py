"""How one call gets to a Triton server: through shared memory as long as that works, else over the connection."""

import logging
import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.errors import ServiceError
from hundredfold.chassis.storage.layout import name_and_version
from hundredfold.embedding.backends.answers import asked, room, vectors
from hundredfold.embedding.backends.base import LOOK_SECONDS, Check, unchecked
from hundredfold.embedding.backends.calls import code
from hundredfold.embedding.backends.regions import NoSharedMemory, Region, Regions

_log = logging.getLogger(__name__)

_UNANSWERED = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN")


class Transport:
    """Calls of models. Safe for threads.

    Args:
        client: of the server.
        folder: where shared memory is; None = do without.

    Attributes:
        shared: whether images go through shared memory, as far as is known.
    """

    def __init__(self, client: triton.InferenceServerClient, folder: Path | None) -> None:
        self.shared = folder is not None
        self._folder = folder
        self._client = client
        self._regions: Regions | None = None
        self._lock = threading.Lock()
        self._sending = threading.Lock()

    def infer(
        self,
        card: ModelCard,
        images: NDArray[np.uint8],
        limit: float,
        check: Check = unchecked,
    ) -> NDArray[np.float32]:
        """The vectors, float32 [n, d], of images uint8 [n, p, p, 3].

        Raises:
            Conflict: WRONG_ANSWER.
            InferenceServerException: there is no answer within `limit` seconds, or an error.
            BaseException: what `check` raised while the answer was waited for, which is given up.
        """
        call = _Call(card, images, limit, check)
        try:
            return self._through(self._open(), call)
        except NoSharedMemory as why:
            if self.shared:
                self.shared = False
                _log.info("images go to the Triton server over its connection: %s", why)
            return self._call(call, None)

    def close(self) -> None:
        """Remove what is shared."""
        with self._lock:
            if self._regions:
                self._regions.close()
                self._regions = None

    def _open(self) -> Regions:
        if not self.shared or self._folder is None:
            raise NoSharedMemory("the server is elsewhere, or shared memory is switched off")
        with self._lock:
            self._regions = self._regions or Regions(self._client, self._folder)
            return self._regions

    def _through(self, regions: Regions, call: "_Call") -> NDArray[np.float32]:
        size = room(call.card, call.images)
        try:
            return self._lent(regions, regions.take(size), call)
        except _Lost:
            regions.forget()
        try:
            return self._lent(regions, regions.take(size), call)
        except _Lost as lost:
            raise NoSharedMemory(f"what was registered is not known: {lost}") from lost

    def _lent(self, regions: Regions, region: Region, call: "_Call") -> NDArray[np.float32]:
        answered = False
        try:
            found = self._call(call, region)
        except ServiceError:
            answered = True
            raise
        except InferenceServerException as error:
            answered = code(error) not in _UNANSWERED and region.name not in str(error.message())
            if region.name in str(error.message()):
                raise _Lost(str(error.message())) from error
            raise
        else:
            answered = True
            return found
        finally:
            (regions.give_back if answered else regions.retire)(region)

    def _call(self, call: "_Call", region: Region | None) -> NDArray[np.float32]:
        answer = self._answer(call, *asked(call.images, region))
        return vectors(answer, call.card, call.images, region)

    def _answer(self, call: "_Call", pixels: Any, wanted: Any) -> triton.InferResult:
        name, version = name_and_version(call.card.model)
        done: Future[triton.InferResult] = Future()
        # The client keeps the call in a field before it sets the callback: two at once would take each other's.
        with self._sending:
            under_way = self._client.async_infer(
                name,
                [pixels],
                partial(_settle, done),
                model_version=str(version),
                outputs=[wanted],
                client_timeout=call.limit,
            )
        while not wait([done], LOOK_SECONDS).done:
            try:
                call.check()
            except BaseException:
                under_way.cancel()
                raise
        return done.result()


@dataclass(frozen=True)
class _Call:
    card: ModelCard
    images: NDArray[np.uint8]
    limit: float
    check: Check


def _settle(
    done: Future[triton.InferResult],
    result: triton.InferResult | None,
    error: InferenceServerException | None,
) -> None:
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)


class _Lost(Exception):
    """The server does not know the region any more: it was started again."""
