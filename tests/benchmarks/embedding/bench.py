"""One collection of photographs and what embeds it: the whole run, and its two stages bare."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, cycle, islice
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import DEFAULT_MODEL
from hundredfold.chassis.backbones.decoding import decode
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.engine import Engine
from hundredfold.chassis.runs import Runs, State
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.base import Backend
from hundredfold.embedding.elsewhere import Elsewhere
from hundredfold.embedding.embedder import Embedder
from hundredfold.embedding.precision import Precisions
from hundredfold.embedding.provision import Models
from hundredfold.embedding.space_job import KIND, EmbedCollection
from tests.contract.embedding_fixtures import put_collection

T = TypeVar("T")

_COLLECTION = "bench"
_NUMBERS = count()


class Photographs:
    """Photographs as a collection in a store, with the default backbone.

    Args:
        root: for the store.
        paths: the photographs.
        images: rows of the collection; the photographs are taken again and again.
        threads: as many decode, and as many calls of the model are at work at once.
    """

    def __init__(self, root: Path, paths: Sequence[Path], images: int, threads: int) -> None:
        self.images = images
        self.threads = threads
        self.store = ArtifactStore(str(root))
        self.repository = ModelRepository(self.store)
        self.models = Models(self.repository, self.store.root, DEFAULT_MODEL)
        self.models.provide()
        self.card = self.repository.card(DEFAULT_MODEL)
        self.paths = [path.absolute() for path in paths]
        uris = [str(path) for path in islice(cycle(self.paths), images)]
        put_collection(self.store, _COLLECTION, uris)
        self._pool = ThreadPoolExecutor(threads)

    def embed(self, backend: Backend, engine: Engine | None = None) -> NDArray[np.float16]:
        """EmbedCollection from cold files to stored vectors; returns them.

        Args:
            backend: of the threads of this process.
            engine: whose workers embed instead, with OpenVINO; it is left open.
        """
        for path in self.paths:
            _forget(path)
        self.store.delete(layout.vectors(_COLLECTION, DEFAULT_MODEL))
        precisions = Precisions(Embedder(backend, self.threads))
        sources = Sources(tuple({str(path.parent) for path in self.paths}))
        elsewhere = Elsewhere(self.store, sources, "openvino", least=0) if engine else None
        job = EmbedCollection(self.store, self.models, sources, precisions, elsewhere=elsewhere)
        runs = Runs(self.store, "embedding", {KIND: job}, engine=engine and _LeftOpen(engine))
        run = runs.start(
            KIND,
            _COLLECTION,
            {"model": DEFAULT_MODEL, "duplicates": ""},
            request_id=f"{next(_NUMBERS)}",
        )
        run = runs.wait(run.run_id, 3600)
        runs.close()
        if run.state != State.SUCCEEDED or run.result["vectors"] != self.images:
            raise RuntimeError(f"{run.state}: {run.error or run.result}")
        folder = layout.vectors(_COLLECTION, DEFAULT_MODEL)
        return self.store.read_array(f"{folder}/{layout.vectors_part(0)}")

    def tensors(self) -> NDArray[np.uint8]:
        """The photographs as the model takes them: uint8 [photographs, p, p, 3]."""
        decoded = self._pool.map(lambda path: decode(path.read_bytes(), self._pixels), self.paths)
        return np.stack(list(decoded))

    def infer(self, backend: Backend, tensors: NDArray[np.uint8]) -> None:
        """The bare loop of a backend over ready tensors."""
        size = backend.pace.images
        begins = [i % (len(tensors) - size + 1) for i in range(0, self.images, size)]
        self._all(lambda i: backend.embed(self.card, tensors[i : i + size], seconds=60), begins)

    def decode(self, encoded: Sequence[bytes]) -> None:
        """The bare loop of decoding over bytes in memory."""
        self._all(lambda data: decode(data, self._pixels), islice(cycle(encoded), self.images))

    @property
    def _pixels(self) -> int:
        return self.card.input_pixels

    def _all(self, act: Callable[[T], object], tasks: Iterable[T]) -> None:
        deque(self._pool.map(act, tasks), maxlen=0)


class _LeftOpen:
    """An engine that outlives the runs on it."""

    def __init__(self, engine: Engine) -> None:
        self.map = engine.map
        self.map_with = engine.map_with

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """It goes on."""

    def close(self) -> None:
        """It goes on."""


def _forget(path: Path) -> None:
    """Drop a file from the page cache."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
