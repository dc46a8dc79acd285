"""Workers of an engine, such as a Ray cluster, made ready to embed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.within import backend_within
from hundredfold.embedding.embedder import Embedder
from hundredfold.embedding.pieces import Workbench

PIECE = 128
"""Images of a task: a second's work of a processor, which is what an end of its worker costs."""

LEAST = 4096
"""With fewer images to embed, starting workers costs about what they would save."""


@dataclass(frozen=True)
class Prepare:
    """Loads a backbone on a worker; it can be pickled.

    Attributes:
        store: has the model, and is to be had on the worker's machine too.
        sources: read the images there.
        folders: folders that must be there, or each of their images would be said to be lost.
        backend: as in `EmbeddingConfig`, none but of the worker's own process.
        card: the backbone.
        precision: `float32` or `bf16`.
    """

    store: ArtifactStore
    sources: Sources
    folders: tuple[str, ...]
    backend: str
    card: ModelCard
    precision: str

    def __call__(self, cpus: int) -> Workbench:
        """What embeds with so many CPUs.

        Raises:
            NotFound: the model, or a folder of images, is not there.
            Conflict: the model does not run there.
            InvalidArgument: backend or precision are not to be had there.
        """
        for folder in self.folders:
            if not Path(folder).exists():
                raise NotFound(f"there is no folder {folder} on this machine", field="sources")
        repository = ModelRepository(self.store)
        backend = backend_within(self.backend, repository, cpus, self.precision)
        # What does not run here is found out before images are on their way.
        pixels = self.card.input_pixels
        backend.embed(self.card, np.zeros((1, pixels, pixels, 3), np.uint8), seconds=60)
        return Workbench(Embedder(backend, cpus), self.sources, self.card)


@dataclass(frozen=True)
class Elsewhere:
    """How runs have their images embedded by the workers of an engine.

    Attributes:
        store: the artifact store, which every worker must reach under the same name.
        sources: likewise.
        backend: as in `EmbeddingConfig`, none but of the worker's own process.
        least: fewer images are embedded here.
    """

    store: ArtifactStore
    sources: Sources
    backend: str
    least: int = LEAST

    def prepare(self, card: ModelCard, precision: str) -> Prepare:
        """What makes a worker ready for a backbone in a precision."""
        roots = [root for root in self.sources.roots if "://" not in root]
        folders = tuple(root for root in roots if Path(root).exists())
        return Prepare(self.store, self.sources, folders, self.backend, card, precision)
