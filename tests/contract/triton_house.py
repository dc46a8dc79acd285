"""A store with a collection, and the job that embeds it with a backend that the test brings."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.runs import Run, Runs
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.base import Backend
from hundredfold.embedding.embedder import Embedder
from hundredfold.embedding.precision import Precisions
from hundredfold.embedding.provision import Models
from hundredfold.embedding.space_job import KIND, EmbedCollection
from tests.contract.embedding_fixtures import plain, put_collection, write_images


class House:
    """Embeds the collection `birds` of the store `root/store`."""

    def __init__(self, root: Path, backend: Backend, card: ModelCard) -> None:
        root.mkdir(exist_ok=True)
        self.root = root
        self.card = card
        self.store = ArtifactStore(str(root / "store"))
        repository = ModelRepository(self.store)
        if not repository.has(card.model):
            (root / "graph").write_bytes(b"not run here")
            repository.publish(card, root / "graph")
        self.embedder = Embedder(backend, decoders=1)
        models = Models(repository, self.store.root, card.model)
        job = EmbedCollection(self.store, models, Sources((str(root),)), Precisions(self.embedder))
        self.runs = Runs(self.store, "embedding", {KIND: job})
        self._requests = 0

    def collection(self, images: int) -> None:
        """Put images there, each of a colour of its own."""
        files = {f"{row}.png": plain(*colour_of(row)) for row in range(images)}
        put_collection(self.store, "birds", write_images(self.root, files))

    def start(self, model: str = "") -> str:
        """Begin a run."""
        self._requests += 1
        parameters = {"model": model or self.card.model, "duplicates": ""}
        return self.runs.start(KIND, "birds", parameters, request_id=str(self._requests)).run_id

    def run(self, model: str = "") -> Run:
        """A run, ended."""
        return self.runs.wait(self.start(model), 60)

    def file(self, name: Callable[[int], str], model: str = "") -> str:
        """The path of a file of the first part."""
        return f"{layout.vectors('birds', model or self.card.model)}/{name(0)}"

    def rows(self) -> list[int]:
        """The rows that have a vector."""
        path = self.file(layout.vectors_rows)
        return self.store.read_array(path).tolist() if self.store.exists(path) else []

    def vectors(self, model: str = "") -> NDArray[np.float16]:
        """The vectors."""
        return self.store.read_array(self.file(layout.vectors_part, model))

    def bytes(self, model: str = "") -> bytes:
        """Their file."""
        return self.store.read_bytes(self.file(layout.vectors_part, model))

    def close(self) -> None:
        """End everything."""
        self.runs.close()
        self.embedder.close()


def colour_of(row: int) -> tuple[int, int, int]:
    """A colour that is no other row's."""
    return 1 + row % 251, 1 + (7 * row) % 241, 1 + (31 * row) % 239
