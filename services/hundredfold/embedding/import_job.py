"""The run behind ImportVectors: vectors of a file become a space, part by part."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import AlreadyExists, InvalidArgument
from hundredfold.chassis.runs import RunContext
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import PartInfo, parts, read_images_part
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.domain.matching import Matched, Names, digests, groups
from hundredfold.embedding.domain.vectors import PartVectors, unit_vectors, wanted_rows
from hundredfold.embedding.space_job import representatives
from hundredfold.embedding.store import PartState, Space, dimensions_of
from hundredfold.embedding.vector_files import Asked, VectorFile
from hundredfold.embedding.vector_sources import digest_of, open_vectors

KIND = "import-vectors"
MOST_PROBLEMS = 20
_BYTES_AT_ONCE = 512 << 20


def imported_card(space: str, dimensions: int) -> ModelCard:
    """What stands for the backbone, which is elsewhere, of a space that was imported."""
    return ModelCard(space, dimensions, 0, 0, "imported", "that of the vectors", kind="vectors")


class ImportVectors:
    """The job; see the proto for its result.

    The vectors of as many parts as fit into `bytes_at_once` are gathered together, and of the file only
    what holds some of them is read: each number once where the file is in the order of the rows, and as
    often as there are such groups of parts where it is in none.

    Args:
        store: the artifact store.
        repository: of backbones, whose spaces are theirs.
        sources: where files may be read.
        bytes_at_once: memory for vectors.
    """

    def __init__(
        self,
        store: ArtifactStore,
        repository: ModelRepository,
        sources: Sources,
        *,
        bytes_at_once: int = _BYTES_AT_ONCE,
    ) -> None:
        self._store = store
        self._repository = repository
        self._sources = sources
        self._bytes_at_once = bytes_at_once

    def check(self, collection: str, space: str, asked: Asked) -> str:
        """Look at the head of a file before the run; the digest that tells it from others.

        Raises:
            AlreadyExists: the space has other vectors, or a backbone makes it.
            InvalidArgument: the file is not right, or not of the dimension that the space has.
            ServiceError: as `open_vectors`.
        """
        if self._repository.has(space):
            raise AlreadyExists(
                f"{space} is a backbone: vectors from elsewhere need a name of their own",
                field="space",
            )
        with open_vectors(self._sources, asked) as file:
            dimensions = file.dimensions
        has = dimensions_of(self._store, collection, space)
        if has not in (None, dimensions):
            raise InvalidArgument(
                f"{space} of {collection} has {has} dimensions, the file {dimensions}",
                field="source",
            )
        digest = digest_of(self._sources, asked)
        Space(self._store, collection, imported_card(space, dimensions), imported=digest)
        return digest

    def __call__(self, context: RunContext) -> Mapping[str, Any]:
        """Take in what is not there yet.

        Raises:
            ServiceError: as `open_vectors`; AlreadyExists as `Space`.
        """
        asked = dict(context.run.parameters)
        space, digest = str(asked.pop("space")), str(asked.pop("digest"))
        duplicates = str(asked.pop("duplicates"))
        collection = context.run.collection
        with open_vectors(self._sources, Asked(**asked)) as file:
            card = imported_card(space, file.dimensions)
            target = Space(self._store, collection, card, imported=digest)
            infos = parts(self._store, collection)
            known = representatives(self._store, collection, duplicates)
            images = _Images(self._store, collection, infos, known)
            context.progress(0, file.count, message="finding the images")
            matched, repeated = images.match(file, context)
            gathering = _Gathering(file, target, matched, duplicates, context)
            left = [info for info in infos if not gathering.is_complete(info)]
            sizes = [2 * card.dimensions * len(gathering.of(info).rows) for info in left]
            for some in groups(sizes, self._bytes_at_once):
                gathering.take(left[some])
            states = [target.state(info.part) for info in infos]
            vectors = sum(state.vectors for state in states)
            return {
                "space": space,
                "vectors": vectors,
                "dimensions": card.dimensions,
                "failed": sum(state.failed for state in states),
                "unknown": file.count - repeated - len(np.unique(matched.positions)),
                "repeated": repeated,
                "without": images.wanted - vectors,
                "problems": gathering.problems,
            }


class _Images:
    """The images of a collection that are to have a vector."""

    def __init__(
        self,
        store: ArtifactStore,
        collection: str,
        infos: Sequence[PartInfo],
        known: NDArray[np.int64] | None,
    ) -> None:
        self._store = store
        self._collection = collection
        self._infos = infos
        self._known = known
        self.wanted = 0

    def match(self, file: VectorFile, context: RunContext) -> tuple[Matched, int]:
        """Which vector each image has, and how many were repeated."""
        ids: list[NDArray[Any]] = []
        for some in file.ids():
            context.check()
            ids.append(some if isinstance(some, np.ndarray) else digests(some))
        total = sum(map(len, ids))
        if ids and total != file.count:
            raise InvalidArgument(f"{total:,} ids, {file.count:,} vectors", field="ids")
        if file.match == "row":
            rows = _joined(ids) if ids else np.arange(file.count, dtype=np.int64)
            return self._by_row(rows, context)
        names = Names(np.concatenate(ids))
        found = [
            (rows, names.find(digests(texts))) for rows, texts in self._parts(file.match, context)
        ]
        rows = _joined([rows for rows, _ in found])
        positions = _joined([positions for _, positions in found])
        there = positions >= 0
        return Matched.of(rows[there], positions[there]), names.repeated

    def _by_row(self, rows: NDArray[np.int64], context: RunContext) -> tuple[Matched, int]:
        matched = Matched.of(rows, np.arange(len(rows), dtype=np.int64))
        repeated = len(rows) - len(matched.rows)
        wanted = _joined([rows for rows, _ in self._parts("", context)])
        there = np.isin(matched.rows, wanted, assume_unique=True)
        return Matched(matched.rows[there], matched.positions[there]), repeated

    def _parts(
        self, column: str, context: RunContext
    ) -> Iterator[tuple[NDArray[np.int64], list[str]]]:
        """Of each part the rows that are to have a vector, and what they are called."""
        columns = ["row", "status", *([column] if column else [])]
        for info in self._infos:
            context.check()
            table = read_images_part(self._store, self._collection, info.part, columns)
            table = table.filter(table["status"].to_numpy() == "ok")
            ok = table["row"].to_numpy()
            rows = wanted_rows(ok, self._known)
            self.wanted += len(rows)
            texts = table[column].take(np.searchsorted(ok, rows)).to_pylist() if column else []
            yield rows, texts


def _joined(arrays: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *arrays])


class _Gathering:
    """Reads vectors and writes parts."""

    def __init__(
        self,
        file: VectorFile,
        target: Space,
        matched: Matched,
        duplicates: str,
        context: RunContext,
    ) -> None:
        self.problems: list[str] = []
        self._file = file
        self._target = target
        self._matched = matched
        self._duplicates = duplicates
        self._context = context
        self._done = 0

    def of(self, info: PartInfo) -> Matched:
        """What of the file belongs to a part."""
        begin = info.part * layout.PART_ROWS
        return self._matched.between(begin, begin + layout.PART_ROWS)

    def is_complete(self, info: PartInfo) -> bool:
        """Whether an earlier run has written all of a part."""
        state = self._target.state(info.part)
        return state == PartState(info.rows, state.failed, self._duplicates, state.vectors)

    def take(self, infos: Sequence[PartInfo]) -> None:
        """Read the vectors of some neighbouring parts and write these."""
        found = [self.of(info) for info in infos]
        positions = np.concatenate([each.positions for each in found])
        vectors = np.zeros((len(positions), self._file.dimensions), np.float16)
        good = np.zeros(len(positions), bool)
        order = np.argsort(positions, kind="stable")
        for places, raw in self._file.read(positions[order]):
            self._context.check()
            unit, fit = unit_vectors(raw)
            vectors[order[places]], good[order[places]] = unit, fit
            self._tell(positions[order[places][~fit]])
            self._done += len(places)
            self._context.progress(self._done, message="reading vectors")
        begin = 0
        for info, each in zip(infos, found, strict=True):
            part = slice(begin, begin := begin + len(each.rows))
            self._write(info, each.rows, vectors[part], good[part])

    def _write(
        self,
        info: PartInfo,
        rows: NDArray[np.int64],
        vectors: NDArray[np.float16],
        good: NDArray[np.bool_],
    ) -> None:
        kept = PartVectors(rows[good], vectors[good])
        failed = int((~good).sum())
        state = PartState(info.rows, failed, self._duplicates, len(kept.rows))
        self._target.write(info.part, kept, state)

    def _tell(self, positions: NDArray[np.int64]) -> None:
        for position in positions[: MOST_PROBLEMS - len(self.problems)].tolist():
            self.problems.append(f"vector {position} is not finite or has no length")
