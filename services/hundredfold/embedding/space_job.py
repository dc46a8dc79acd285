"""The run behind EmbedCollection: brings a space up to its collection, part by part."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.runs import RunContext
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import PartInfo, until_settled
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.base import Check
from hundredfold.embedding.domain.vectors import PartVectors, wanted_rows
from hundredfold.embedding.elsewhere import PIECE, Elsewhere
from hundredfold.embedding.embedder import Embedded, Embedder, joined
from hundredfold.embedding.growing import GrowingPart, GrowingParts
from hundredfold.embedding.part_images import OkImages, ok_images, sample
from hundredfold.embedding.pieces import EmbeddedPiece, Piece, Workbench, embed_piece
from hundredfold.embedding.precision import SAMPLE, Precisions
from hundredfold.embedding.provision import Models
from hundredfold.embedding.store import FirstRows, PartState, Space
from hundredfold.embedding.tidying import KEEP_TUNED, Tidying

KIND = "embed"
SAVE_SECONDS = 30.0
"""After so long the vectors of an unfinished part are saved: what a kill can cost."""


def representatives(
    store: ArtifactStore, collection: str, duplicates: str
) -> NDArray[np.int64] | None:
    """Of each row its representative, int64 [N]; None when `duplicates` is "".

    Raises:
        InvalidArgument: `duplicates` can be no run.
        NotFound: there is no such FindDuplicates run, or it is not complete.
    """
    if not duplicates:
        return None
    path = f"{layout.duplicates(collection, duplicates)}/{layout.REPRESENTATIVE}"
    try:
        return store.read_array(path, mmap=True)
    except NotFound:
        raise NotFound(
            f"there is no FindDuplicates run {duplicates} of {collection}", field="duplicates"
        ) from None


class EmbedCollection:
    """The job; see `RunContext` for how it is run, and the proto for its result.

    Args:
        store: the artifact store.
        models: the backbones.
        sources: reads the images.
        embedders: turn them into vectors, in float32 or in bf16.
        elsewhere: how the workers of the engine embed, where there is enough to do; None = threads of this
            process do it all.
        save_seconds: how often an unfinished part is saved.
        keep_tuned: how many of the newest fine-tuned spaces stay (`Tidying`).
    """

    def __init__(
        self,
        store: ArtifactStore,
        models: Models,
        sources: Sources,
        embedders: Precisions,
        *,
        elsewhere: Elsewhere | None = None,
        save_seconds: float = SAVE_SECONDS,
        keep_tuned: int = KEEP_TUNED,
    ) -> None:
        self._store = store
        self._models = models
        self._sources = sources
        self._embedders = embedders
        self._elsewhere = elsewhere
        self._tidying = Tidying(store, models.repository, keep_tuned)
        self._save_seconds = save_seconds

    def __call__(self, context: RunContext) -> Mapping[str, Any]:
        """Embed what is not embedded yet.

        Raises:
            NotFound: the model or the duplicates are gone.
            Conflict: the model does not run; or see `Precisions.embedder`.
            Unavailable: the inference server, or the place of the images, is away.
        """
        collection = context.run.collection
        duplicates = str(context.run.parameters["duplicates"])
        card = self._models.find(str(context.run.parameters["model"]))
        known = representatives(self._store, collection, duplicates)
        self._tidying.tidy(collection, besides=card.model)
        space = Space(self._store, collection, card)
        first_rows = FirstRows(self._store, collection)
        first = first_rows.take(str(context.run.parameters.get("first_rows", "")))

        def embed(parts: list[PartInfo]) -> list[PartState]:
            total = _total(parts, known)
            progress = _Progress(context, total)
            embedder = self._embedders.embedder(
                space,
                total,
                lambda each: self._on_sample(
                    each, card, sample(self._store, collection, parts, known, SAMPLE), context.check
                ),
            )
            left = total - sum(space.state(info.part).vectors for info in parts)
            elsewhere = (
                self._elsewhere if self._elsewhere and left >= self._elsewhere.least else None
            )
            task = _Task(
                collection, card, space, duplicates, known, progress, embedder, elsewhere, context
            )
            early = self._early(task, parts, first)
            return self._all(task, parts, early)

        states = until_settled(self._store, collection, embed)
        first_rows.drop()
        return {
            "space": card.model,
            "vectors": sum(state.vectors for state in states),
            "dimensions": card.dimensions,
            "failed": sum(state.failed for state in states),
            "precision": space.precision,
        }

    def _on_sample(
        self, embedder: Embedder, card: ModelCard, uris: Sequence[str], check: Check
    ) -> Embedded:
        """The vectors of a sample of what is to be embedded."""
        size = embedder.task_images
        chunks = [uris[i : i + size] for i in range(0, len(uris), size)]
        bench = Workbench(embedder, self._sources, card, check)
        return joined(card, list(embedder.in_order(bench.embed, chunks, check)))

    def _early(
        self, task: "_Task", parts: list[PartInfo], first: NDArray[np.int64]
    ) -> dict[int, int]:
        """Embed some rows, in their order, before all others; of each part how many were tried."""
        tried: dict[int, int] = {}

        def orders() -> Iterator[tuple[GrowingPart, OkImages]]:
            for info, rows in _by_part(parts, first):
                if not _is_complete(task.space.state(info.part), info, task):
                    images = ok_images(self._store, task.collection, info.part)
                    kept, missing = _kept_and_missing(task, info, images)
                    order = rows[np.isin(rows, missing)]
                    tried[info.part] = len(order)
                    if len(order):
                        yield _growing(task, info, kept, missing, order), images

        self._embed(task, orders())
        return tried

    def _all(
        self, task: "_Task", parts: list[PartInfo], early: Mapping[int, int]
    ) -> list[PartState]:
        """Bring all parts up to date, of which some rows were tried before; how far each is."""

        def orders() -> Iterator[tuple[GrowingPart, OkImages]]:
            for info in parts:
                before, state = early.get(info.part, 0), task.space.state(info.part)
                if _is_complete(state, info, task):
                    task.progress.add(state.vectors - before)
                    continue
                images = ok_images(self._store, task.collection, info.part)
                kept, missing = _kept_and_missing(task, info, images)
                task.progress.add(len(kept.rows) - before)
                if len(missing) or len(kept.rows) != state.vectors or not state.rows:
                    yield _growing(task, info, kept, missing, missing), images
                else:
                    state = PartState(info.rows, 0, task.duplicates, len(kept.rows))
                    task.space.mark(info.part, state)

        self._embed(task, orders())
        return [task.space.state(info.part) for info in parts]

    def _embed(self, task: "_Task", orders: Iterable[tuple[GrowingPart, OkImages]]) -> None:
        """Embed what parts are to grow by; they are taken up one by one, as there is room for their images."""
        growing = GrowingParts(self._save_seconds)
        size = PIECE if task.elsewhere else task.embedder.task_images

        def pieces() -> Iterator[Piece]:
            for part, images in orders:
                growing.open(part)
                yield from _pieces(part, images, size)

        try:
            with closing(self._results(task, pieces())) as results:
                for piece in results:
                    growing.add(piece)
                    task.progress.add(len(piece.tried))
        finally:  # also when cancelled or failed: what is done stays
            growing.save()

    def _results(
        self, task: "_Task", pieces: Iterable[Piece]
    ) -> Generator[EmbeddedPiece, None, None]:
        if task.elsewhere:
            prepare = task.elsewhere.prepare(task.card, task.space.precision)
            yield from task.context.map_with(prepare, embed_piece, pieces)
        else:
            check = task.context.check
            bench = Workbench(task.embedder, self._sources, task.card, check)
            yield from task.embedder.in_order(partial(embed_piece, bench), pieces, check)


def _total(parts: list[PartInfo], known: NDArray[np.int64] | None) -> int:
    """How many images are to have a vector."""
    if known is None:
        return sum(info.ok for info in parts)
    return int(np.count_nonzero(known == np.arange(len(known))))


def _by_part(
    parts: list[PartInfo], rows: NDArray[np.int64]
) -> Iterator[tuple[PartInfo, NDArray[np.int64]]]:
    """The parts that hold some of the rows, that of the first row first, each with its rows in order."""
    infos = {info.part: info for info in parts}
    numbers = rows // layout.PART_ROWS
    for part in dict.fromkeys(numbers.tolist()):
        if part in infos:
            yield infos[part], rows[numbers == part]


def _is_complete(state: PartState, info: PartInfo, task: "_Task") -> bool:
    return state == PartState(info.rows, 0, task.duplicates, state.vectors)


def _kept_and_missing(
    task: "_Task", info: PartInfo, images: "OkImages"
) -> tuple[PartVectors, NDArray[np.int64]]:
    """The vectors of a part that stay, and the rows, ascending, that have none yet."""
    wanted = wanted_rows(images.rows, task.known)
    kept = task.space.read(info.part).only(wanted)
    return kept, kept.missing(wanted)


def _pieces(part: GrowingPart, images: OkImages, size: int) -> Iterator[Piece]:
    for begin in range(0, len(part.order), size):
        rows = part.order[begin : begin + size]
        yield Piece(part.info.part, rows, images.uris_of(rows))


def _growing(
    task: "_Task",
    info: PartInfo,
    kept: PartVectors,
    missing: NDArray[np.int64],
    order: NDArray[np.int64],
) -> GrowingPart:
    return GrowingPart(task.space, info, kept, missing, order, duplicates=task.duplicates)


class _Progress:
    def __init__(self, context: RunContext, total: int) -> None:
        self._context = context
        self._done = 0
        self._context.progress(0, total)

    def add(self, images: int) -> None:
        """Tell of further images; raises Cancelled when the run is to end."""
        self._done += images
        self._context.progress(self._done)
        self._context.check()


@dataclass(frozen=True)
class _Task:
    collection: str
    card: ModelCard
    space: Space
    duplicates: str
    known: NDArray[np.int64] | None
    progress: _Progress
    embedder: Embedder
    elsewhere: Elsewhere | None
    context: RunContext
