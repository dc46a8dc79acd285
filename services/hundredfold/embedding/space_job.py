"""The run behind EmbedCollection: brings a space up to its collection, part by part."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.errors import NotFound, Unavailable
from hundredfold.chassis.runs import RunContext
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import PartInfo, until_settled
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.base import Check
from hundredfold.embedding.domain.vectors import PartVectors, wanted_rows
from hundredfold.embedding.embedder import Embedded, Embedder, joined
from hundredfold.embedding.part_images import OkImages, ok_images, sample
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
        save_seconds: float = SAVE_SECONDS,
        keep_tuned: int = KEEP_TUNED,
    ) -> None:
        self._store = store
        self._models = models
        self._sources = sources
        self._embedders = embedders
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
            task = _Task(card, space, duplicates, known, progress, embedder, context.check)
            early = {
                info.part: self._early(collection, info, task, rows)
                for info, rows in _by_part(parts, first)
            }
            return [self._part(collection, info, task, early.get(info.part, 0)) for info in parts]

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
        embed = partial(self._embed_chunk, embedder, card, check)
        return joined(card, list(embedder.in_order(embed, chunks, check)))

    def _early(
        self, collection: str, info: PartInfo, task: "_Task", rows: NDArray[np.int64]
    ) -> int:
        """Embed some rows of a part, in their order, before all others; how many were tried."""
        if _is_complete(task.space.state(info.part), info, task):
            return 0
        images = ok_images(self._store, collection, info.part)
        kept, missing = _kept_and_missing(task, info, images)
        order = rows[np.isin(rows, missing)]
        if len(order):
            self._embed(images, _GrowingPart(task, info, kept, missing, order))
        return len(order)

    def _part(self, collection: str, info: PartInfo, task: "_Task", early: int) -> PartState:
        """Bring a part up to date, of which some rows were tried before."""
        state = task.space.state(info.part)
        if _is_complete(state, info, task):
            task.progress.add(state.vectors - early)
            return state
        images = ok_images(self._store, collection, info.part)
        kept, missing = _kept_and_missing(task, info, images)
        task.progress.add(len(kept.rows) - early)
        if len(kept.rows) == state.vectors and not len(missing) and state.rows:
            state = PartState(info.rows, 0, task.duplicates, len(kept.rows))
            task.space.mark(info.part, state)
            return state
        growing = _GrowingPart(task, info, kept, missing, missing)
        self._embed(images, growing)
        return growing.state()

    def _embed(self, images: "OkImages", part: "_GrowingPart") -> None:
        task, saved_at = part.task, time.monotonic()
        size = task.embedder.task_images
        chunks = [part.order[i : i + size] for i in range(0, len(part.order), size)]
        embed = partial(self._embed_chunk, task.embedder, task.card, task.check)
        try:
            for chunk, embedded in zip(
                chunks,
                task.embedder.in_order(
                    lambda rows: embed(images.uris_of(rows)), chunks, task.check
                ),
                strict=True,
            ):
                part.add(chunk, embedded)
                task.progress.add(len(chunk))
                if time.monotonic() - saved_at > self._save_seconds:
                    part.save()
                    saved_at = time.monotonic()
        finally:  # also when cancelled or failed: what is done stays
            part.save()

    def _embed_chunk(
        self, embedder: Embedder, card: ModelCard, check: Check, uris: Sequence[str]
    ) -> Embedded:
        embedded = embedder.embed_batch(card, self._sources.read_many(uris), check=check)
        _check_reachable(embedded)
        return embedded


def _total(parts: list[PartInfo], known: NDArray[np.int64] | None) -> int:
    """How many images are to have a vector."""
    if known is None:
        return sum(info.ok for info in parts)
    return int(np.count_nonzero(known == np.arange(len(known))))


def _check_reachable(embedded: Embedded) -> None:
    """When not one image of a chunk can be reached, that is no fault of the images: the run ends."""
    away = [
        failure
        for failure in embedded.failures.values()
        if failure.reason == Unavailable.default_reason
    ]
    if len(away) == len(embedded.vectors):
        raise Unavailable(f"the images can't be reached: {away[0].message}")


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
    card: ModelCard
    space: Space
    duplicates: str
    known: NDArray[np.int64] | None
    progress: _Progress
    embedder: Embedder
    check: Check


class _GrowingPart:
    """A part while vectors are added to it.

    Args:
        task: what is embedded.
        info: the part.
        kept: what is there.
        missing: int64 [m], ascending: the rows without a vector.
        order: int64 [k], those of them to embed now, in this order.
    """

    def __init__(
        self,
        task: _Task,
        info: PartInfo,
        kept: PartVectors,
        missing: NDArray[np.int64],
        order: NDArray[np.int64],
    ) -> None:
        self.task = task
        self.order = order
        self._info = info
        self._kept = kept
        self._missing = missing
        self._done = 0
        self._failed = 0
        self._rows: list[NDArray[np.int64]] = []
        self._vectors: list[NDArray[np.float16]] = []

    def add(self, rows: NDArray[np.int64], embedded: Embedded) -> None:
        good = np.ones(len(rows), bool)
        good[list(embedded.failures)] = False
        self._rows.append(rows[good])
        self._vectors.append(embedded.vectors[good].astype(np.float16))
        self._done += len(rows)
        self._failed += len(embedded.failures)

    def state(self) -> PartState:
        """`rows` stops before the first row that is still missing."""
        left = self._missing[~np.isin(self._missing, self.order[: self._done])]
        first = self._info.part * layout.PART_ROWS
        rows = int(left[0]) - first if len(left) else self._info.rows
        vectors = len(self._kept.rows) + self._done - self._failed
        return PartState(rows, self._failed, self.task.duplicates, vectors)

    def save(self) -> None:
        more = PartVectors(
            np.concatenate([np.empty(0, np.int64), *self._rows]),
            np.concatenate([PartVectors.empty(self.task.card.dimensions).vectors, *self._vectors]),
        )
        self.task.space.write(self._info.part, self._kept.with_more(more), self.state())
