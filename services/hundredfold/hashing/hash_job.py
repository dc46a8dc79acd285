"""The run behind HashCollection: brings the hashes up to the collection, part by part."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, TypeAlias

from hundredfold.chassis.runs import RunContext
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.collections import PartInfo, read_images_part, until_settled
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.hashing.chunks import ChunkTask, Images, Originals, Thumbnails, hash_chunk
from hundredfold.hashing.domain.algorithms import OF_THUMBNAIL
from hundredfold.hashing.domain.arrays import Indices
from hundredfold.hashing.domain.filling import FillingPart, chunks
from hundredfold.hashing.store import HashFolder

KIND = "hash"

_CHUNK = 512
"""Images of a task: few enough that one small part keeps every core at work to the end."""

# A part, and the algorithms that the same places are missing of and that read the same images, so that
# one decode serves them all.
_Key: TypeAlias = tuple[int, tuple[str, ...]]


class HashCollection:
    """The job; see `RunContext` for how it is run, and the proto for its result.

    Args:
        store: the artifact store.
        sources: reads the images.
    """

    def __init__(self, store: ArtifactStore, sources: Sources) -> None:
        self._store = store
        self._sources = sources

    def __call__(self, context: RunContext) -> Mapping[str, Any]:
        """Hash what is not hashed yet.

        Raises:
            PermissionDenied: the images are outside of the allowed sources.
            Unavailable: the place of the images is away.
        """
        algorithms = tuple(context.run.parameters["algorithms"])
        return until_settled(
            self._store,
            context.run.collection,
            lambda parts: _Work(self._store, self._sources, context, algorithms, parts).do(),
        )


class _Work:
    def __init__(
        self,
        store: ArtifactStore,
        sources: Sources,
        context: RunContext,
        algorithms: tuple[str, ...],
        parts: list[PartInfo],
    ) -> None:
        self._store = store
        self._sources = sources
        self._context = context
        self._collection = context.run.collection
        self._parts = parts
        self._folders = {
            algorithm: HashFolder(store, self._collection, algorithm) for algorithm in algorithms
        }
        self._filling: dict[_Key, FillingPart] = {}
        self._failed = dict.fromkeys(algorithms, 0)
        self._total = sum(info.ok for info in self._parts) * len(algorithms)
        self._done = 0

    def do(self) -> Mapping[str, Any]:
        self._progress(0)
        for chunk in self._context.map(hash_chunk, self._tasks()):
            key = (chunk.part, tuple(chunk.hashes))
            if self._filling[key].add(chunk):
                self._finish(key)
            self._progress(len(chunk.places) * len(chunk.hashes))
        return {
            "images": sum(info.ok for info in self._parts),
            "algorithms": list(self._folders),
            "failed": max(self._failed.values(), default=0),
        }

    def _tasks(self) -> Iterator[ChunkTask]:
        """What is missing; parts are read as the workers come to them."""
        for info in self._parts:
            wanting = [
                name for name, folder in self._folders.items() if not folder.is_complete(info)
            ]
            self._progress(info.ok * (len(self._folders) - len(wanting)))
            if wanting:
                yield from self._tasks_of(info, wanting)

    def _tasks_of(self, info: PartInfo, wanting: list[str]) -> Iterator[ChunkTask]:
        table = read_images_part(
            self._store, self._collection, info.part, ["uri", "sha256", "status"]
        ).slice(0, info.rows)  # it may have grown since
        ok = table["status"].to_numpy() == "ok"
        before = {name: self._folders[name].read_or_empty(info.part) for name in wanting}
        wants = {
            name: (name in OF_THUMBNAIL, part.missing(ok).tobytes())
            for name, part in before.items()
        }
        for names in _sharing(wants):
            places = before[names[0]].missing(ok)
            tasks = chunks(places, _CHUNK)
            filling = FillingPart({name: before[name] for name in names}, info.rows, len(tasks))
            self._filling[info.part, names] = filling
            self._progress((info.ok - len(places)) * len(names))
            if filling.complete:
                self._finish((info.part, names))
            for some in tasks:
                images = self._images_at(info.part, table, some, of=names[0])
                yield ChunkTask(images, names, info.part, some)

    def _images_at(self, part: int, table: Any, places: Indices, *, of: str) -> Images:
        if of in OF_THUMBNAIL:
            return Thumbnails(self._store, self._collection, part, places)
        uris, sha256 = (table[column].take(places).to_pylist() for column in ("uri", "sha256"))
        return Originals(self._sources, uris, sha256)

    def _finish(self, key: _Key) -> None:
        part, _ = key
        for name, hashes in self._filling.pop(key).result().items():
            self._folders[name].write(part, hashes)
            self._failed[name] += len(hashes.failed)

    def _progress(self, hashes: int) -> None:
        # Told in images: one that got one of two kinds of hash counts half.
        self._done += hashes
        kinds = len(self._folders)
        self._context.progress(self._done // kinds, self._total // kinds)


def _sharing(wants: Mapping[str, Hashable]) -> list[tuple[str, ...]]:
    """Names in groups of equal values, the order kept."""
    groups: dict[Hashable, list[str]] = {}
    for name, want in wants.items():
        groups.setdefault(want, []).append(name)
    return [tuple(names) for names in groups.values()]
