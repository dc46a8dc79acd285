"""EmbedCollection done by the workers of an engine, with images that hold them up or kill them."""

import os
import signal
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.engine import Engine
from hundredfold.chassis.runs import Run, Runs, State
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import wait_for
from hundredfold.embedding.backends.base import Check, unchecked
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.elsewhere import Elsewhere, Prepare
from hundredfold.embedding.embedder import Embedder
from hundredfold.embedding.pieces import Workbench
from hundredfold.embedding.precision import Precisions
from hundredfold.embedding.provision import Models
from hundredfold.embedding.space_job import KIND, EmbedCollection
from hundredfold.embedding.store import FirstRows
from tests.contract.embedding_fixtures import COLOUR, publish_colour

FOLDER = layout.vectors("birds", COLOUR.model)
NOWHERE = "ftp://127.0.0.1:1/birds"
"""A place of images that is away."""
STRANGE = (255, 0, 0)
"""The colour of an image that a worker stumbles over."""


class House:
    """Embeds the collection `birds` of a store of its own, whose images are elsewhere.

    Args:
        root: for the store.
        images: folder of the images.
        engine: whose workers embed; None = threads of this process do.
        elsewhere: how the workers do it.
        least: so many images are worth the workers.
        bf16: whether the space is begun in bf16.
    """

    def __init__(
        self,
        root: Path,
        images: Path,
        engine: Engine | None = None,
        elsewhere: Callable[..., Elsewhere] = Elsewhere,
        *,
        least: int = 0,
        bf16: bool = False,
    ) -> None:
        root.mkdir(exist_ok=True)
        self.store = ArtifactStore(str(root / "store"))
        repository = ModelRepository(self.store)
        if not repository.has(COLOUR.model):
            publish_colour(self.store, root)
        sources = Sources((str(images), NOWHERE))
        embedders = [
            Embedder(OnnxBackend(repository, threads=1), decoders=1) for _ in range(1 + bf16)
        ]
        self._precisions = Precisions(*embedders, worth=0)
        self.job = EmbedCollection(
            self.store,
            Models(repository, self.store.root, COLOUR.model),
            sources,
            self._precisions,
            elsewhere=elsewhere(self.store, sources, "onnx", least=least) if engine else None,
            save_seconds=0,
        )
        self.runs = Runs(self.store, "embedding", {KIND: self.job}, engine=engine)

    def start(self, duplicates: str = "", first: Sequence[int] = ()) -> str:
        """Begin a run."""
        rows = FirstRows(self.store, "birds").put(np.array(first, np.int64))
        parameters = {"model": COLOUR.model, "duplicates": duplicates, "first_rows": rows}
        return self.runs.start(KIND, "birds", parameters, request_id=str(uuid.uuid4())).run_id

    def run(self, duplicates: str = "", first: Sequence[int] = ()) -> Run:
        """A run, ended well."""
        run = self.runs.wait(self.start(duplicates, first), 120)
        assert run.state == State.SUCCEEDED, run.error
        assert run.done == run.total
        return run

    def files(self) -> dict[str, bytes]:
        """All that is in the space."""
        assert Manifest.load(self.store, FOLDER).verify(self.store) == []
        names = self.store.list(FOLDER)
        return {name: self.store.read_bytes(f"{FOLDER}/{name}") for name in names}

    def rows(self, part: int = 0) -> list[int]:
        """The rows of a part that have a vector."""
        return self.store.read_array(f"{FOLDER}/{layout.vectors_rows(part)}").tolist()

    def close(self) -> None:
        """End everything, the engine too."""
        self.runs.close()
        self._precisions.close()


class _Stumbling(OnnxBackend):
    """The real backend; at a strange image it dies, or waits for a file and leaves one with its pid beside it."""

    def __init__(self, repository: ModelRepository, cpus: int, mark: Path, *, dies: bool) -> None:
        super().__init__(repository, cpus)
        self._mark = mark
        self._dies = dies

    def embed(
        self,
        card: ModelCard,
        images: NDArray[np.uint8],
        *,
        seconds: float,
        check: Check = unchecked,
    ) -> NDArray[np.float32]:
        if (images == np.array(STRANGE, np.uint8)).all(axis=(1, 2, 3)).any():
            if self._dies and not self._mark.exists():
                self._mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            self._mark.with_suffix(f".{os.getpid()}").touch()
            wait_for(lambda: self._mark.exists() or None, 100)
        return super().embed(card, images, seconds=seconds, check=check)


@dataclass(frozen=True)
class _Stumble:
    prepare: Prepare
    mark: Path
    dies: bool

    def __call__(self, cpus: int) -> Workbench:
        bench = self.prepare(cpus)
        backend = _Stumbling(ModelRepository(self.prepare.store), cpus, self.mark, dies=self.dies)
        return Workbench(Embedder(backend, cpus), bench.sources, bench.card)


@dataclass(frozen=True, kw_only=True)
class _StumblingElsewhere(Elsewhere):
    mark: Path
    dies: bool

    def prepare(self, card: ModelCard, precision: str) -> Any:
        return _Stumble(super().prepare(card, precision), self.mark, self.dies)


def waiting(mark: Path) -> Callable[..., Elsewhere]:
    """Workers that wait at strange images for a file."""
    return partial(_StumblingElsewhere, mark=mark, dies=False)


def dying(mark: Path) -> Callable[..., Elsewhere]:
    """Workers of which the first that sees a strange image dies, leaving a file."""
    return partial(_StumblingElsewhere, mark=mark, dies=True)
