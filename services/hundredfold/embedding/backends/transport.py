"""How one call gets to a Triton server: through shared memory as long as that works, else over the connection."""

import logging
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.storage.layout import name_and_version
from hundredfold.embedding.backends.answers import asked, room, vectors
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

    def infer(
        self, card: ModelCard, images: NDArray[np.uint8], limit: float
    ) -> NDArray[np.float32]:
        """The vectors, float32 [n, d], of images uint8 [n, p, p, 3].

        Raises:
            Conflict: WRONG_ANSWER.
            InferenceServerException: there is no answer within `limit` seconds, or an error.
        """
        try:
            return self._through(self._open(), card, images, limit)
        except NoSharedMemory as why:
            if self.shared:
                self.shared = False
                _log.info("images go to the Triton server over its connection: %s", why)
            return self._call(card, images, limit, None)

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

    def _through(
        self, regions: Regions, card: ModelCard, images: NDArray[np.uint8], limit: float
    ) -> NDArray[np.float32]:
        size = room(card, images)
        try:
            return self._lent(regions, regions.take(size), card, images, limit)
        except _Lost:
            regions.forget()
        try:
            return self._lent(regions, regions.take(size), card, images, limit)
        except _Lost as lost:
            raise NoSharedMemory(f"what was registered is not known: {lost}") from lost

    def _lent(
        self,
        regions: Regions,
        region: Region,
        card: ModelCard,
        images: NDArray[np.uint8],
        limit: float,
    ) -> NDArray[np.float32]:
        answered = True
        try:
            return self._call(card, images, limit, region)
        except InferenceServerException as error:
            answered = code(error) not in _UNANSWERED and region.name not in str(error.message())
            if region.name in str(error.message()):
                raise _Lost(str(error.message())) from error
            raise
        finally:
            (regions.give_back if answered else regions.retire)(region)

    def _call(
        self, card: ModelCard, images: NDArray[np.uint8], limit: float, region: Region | None
    ) -> NDArray[np.float32]:
        name, version = name_and_version(card.model)
        pixels, wanted = asked(images, region)
        answer = self._client.infer(
            name,
            [pixels],
            model_version=str(version),
            outputs=[wanted],
            client_timeout=limit,
        )
        return vectors(answer, card, images, region)


class _Lost(Exception):
    """The server does not know the region any more: it was started again."""
