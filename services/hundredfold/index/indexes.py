"""The indexes in the store, made by faiss."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Aborted, Conflict, ResourceExhausted
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import require_collection
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore, damaged
from hundredfold.index.domain import factory, nearest
from hundredfold.index.domain.factory import Plan
from hundredfold.index.domain.finding import Exact, Refined
from hundredfold.index.domain.nearest import Built
from hundredfold.index.domain.progress import Progress
from hundredfold.index.engine import OpenIndex, Told, Wish, no_index, outdated
from hundredfold.index.signing import Signer
from hundredfold.index.spaces import Space, Spaces, again

_log = logging.getLogger("hundredfold.index.indexes")

_SIGNATURE = "signature"
_USUAL_DEPTH = 10


@dataclass(frozen=True)
class OlderIndex:
    """An index that may be added to.

    Attributes:
        plan: what it was built to be.
        trained: how many vectors it was trained on.
        kept: so many of its first vectors are as they were.
        path: its file.
    """

    plan: Plan
    trained: int
    kept: int
    path: Path

    def load(self) -> Any:
        """The faiss index in main memory, to be changed."""
        return nearest.load(self.path, mapped=False)


class Indexes:
    """The `IndexEngine` of one machine: keeps one index a space. Safe for threads.

    Args:
        store: where they are.
        signer: of their manifests; None = they are not signed.
    """

    def __init__(self, store: ArtifactStore, signer: Signer | None = None) -> None:
        self._store = store
        self._signer = signer
        self._spaces = Spaces(store)

    def build(
        self, collection: str, space: str, source: Space, wish: Wish, progress: Progress
    ) -> Mapping[str, Any]:
        """As `IndexEngine.build`: of a kind that fits; an index that is there is added to if that does."""
        plan = _plan(source, wish)
        facts = self.facts(collection, space, source.version)
        if facts is None or facts.get("codes", plan.kind) != plan.kind:
            built = self._extended(collection, space, source, plan, progress)
            built = built or nearest.build(source.vectors, plan, progress=progress)
            self.save(collection, space, built, source)
            facts = {"kind": built.kind}
        return facts

    def _extended(
        self, collection: str, space: str, source: Space, plan: Plan, progress: Progress
    ) -> Built | None:
        """The index that is there with what is new, if that does."""
        older = self.older(collection, space, source)
        if older is None or not nearest.may_extend(
            older.plan, older.trained, plan, len(source.rows), older.kept
        ):
            return None
        index = older.load()
        return nearest.extend(
            index, older.plan, older.trained, source.vectors, older.kept, progress=progress
        )

    def save(self, collection: str, space: str, built: Built, source: Space) -> None:
        """Replace the index of a space; it counts once its manifest is written, last."""
        folder = layout.index(collection, space)
        manifest = Manifest(self._store, folder)
        with self._store.writer(f"{folder}/{layout.INDEX_FILE}") as out:
            nearest.dump(built.index, out.write)
        manifest.add(layout.INDEX_FILE, out.artifact)
        rows = self._store.write_array(f"{folder}/{layout.INDEX_ROWS}", source.rows)
        manifest.add(layout.INDEX_ROWS, rows)
        manifest.set_meta(**_facts(space, built, source))
        if self._signer:
            manifest.set_meta(**{_SIGNATURE: self._signer.sign(_signed(manifest))})
        manifest.save()
        self._drop_orphans(collection)

    def facts(self, collection: str, space: str, version: str) -> Mapping[str, Any] | None:
        """The facts of the index if it is whole and made of this version of the vectors, else None."""
        manifest = self._whole(collection, space)
        return manifest.meta if manifest and manifest.meta.get("vectors") == version else None

    def older(self, collection: str, space: str, source: Space) -> OlderIndex | None:
        """The index that was made of other vectors of the space; None when there is none, or not whole."""
        manifest = self._whole(collection, space)
        if not manifest or "trained" not in manifest.meta:
            return None
        meta, kept = manifest.meta, 0
        for new, old in zip(source.parts, meta["parts"], strict=False):
            if list(new.marks) != old:
                break
            kept += new.count
        axes, memory = int(meta["axes"]), int(meta["memory"])
        plan = Plan(meta["codes"], meta["factory"], int(meta["lists"]), axes, memory)
        path = self._store.local(f"{manifest.folder}/{layout.INDEX_FILE}")
        return OlderIndex(plan, int(meta["trained"]), kept, path)

    def told(self, collection: str, space: str) -> Told:
        """What is known of the index of a space, of whose files only the sizes are looked at.

        Raises:
            NotFound: there is no such collection.
            Conflict: NO_INDEX, INDEX_NOT_SIGNED or ARTIFACT_DAMAGED.
        """
        manifest = self._manifest(collection, space)
        entry = manifest.check(self._store, layout.INDEX_FILE)
        manifest.check(self._store, layout.INDEX_ROWS)
        return Told(
            "local",
            manifest.meta,
            entry.bytes,
            current=manifest.meta["vectors"] == self._spaces.version(collection, space),
            signed=_SIGNATURE in manifest.meta,
        )

    def version(self, collection: str, space: str) -> str:
        """What tells one index of a space from the next; Conflict (NO_INDEX) when there is none."""
        return self._manifest(collection, space).entries[layout.INDEX_FILE].sha256

    def open(self, collection: str, space: str) -> OpenIndex:
        """Read the index of a space, once its bytes are what its manifest says.

        Raises:
            NotFound: there is no such collection.
            Conflict: there is no index, or it is damaged or not signed: build it again.
            Aborted: it is being replaced all the time.
        """
        return again(lambda: self._open(collection, space))

    def _drop_orphans(self, collection: str) -> None:
        """Delete the indexes of spaces that are there no more."""
        for space in self._store.list(layout.indexes(collection)):
            if not self._store.exists(layout.vectors(collection, space)):
                self._store.delete(layout.index(collection, space))
                _log.info("%s: the index of %s, which is gone, was removed", collection, space)

    def _whole(self, collection: str, space: str) -> Manifest | None:
        """The manifest of an index that may be read; None of one that may not."""
        try:
            manifest = Manifest.load(self._store, layout.index(collection, space))
            self._check(manifest, space)
        except Conflict:
            return None
        return None if manifest.verify(self._store) else manifest

    def _manifest(self, collection: str, space: str) -> Manifest:
        manifest = Manifest.load(self._store, layout.index(collection, space))
        if not manifest.entries:
            require_collection(self._store, collection)
        self._check(manifest, space)
        return manifest

    def _check(self, manifest: Manifest, space: str) -> None:
        """Raise Conflict unless there is an index, signed if need be, of this space."""
        if not {layout.INDEX_FILE, layout.INDEX_ROWS} <= manifest.entries.keys():
            raise no_index(space)
        signature = manifest.meta.get(_SIGNATURE)
        if self._signer and not self._signer.holds(_signed(manifest), signature):
            raise Conflict(
                f"{manifest.folder} is not signed with the key of this service; call BuildIndex",
                reason="INDEX_NOT_SIGNED",
                metadata={"path": manifest.folder},
            )
        made_of = manifest.meta.get("space", space)
        if made_of != space:
            raise outdated(f"the index of {space} was made of vectors of {made_of}")

    def _open(self, collection: str, space: str) -> OpenIndex:
        manifest = self._manifest(collection, space)
        rows = manifest.read_array(self._store, layout.INDEX_ROWS, mmap=True, deep=True)
        entry = manifest.check(self._store, layout.INDEX_FILE, deep=True)
        path = f"{manifest.folder}/{layout.INDEX_FILE}"
        try:
            index = nearest.load(self._store.local(path))
        except RuntimeError as error:
            raise damaged(path, "faiss can't read it") from error
        if index.ntotal != len(rows):
            raise Aborted(f"{path} is being replaced; try again")
        dimensions = int(manifest.meta["dimensions"])
        if manifest.meta["kind"] == "flat":
            return OpenIndex(rows, dimensions, entry.sha256, Exact(index))
        source = self._spaces.whole(collection, space)
        if source.vectors.dimensions != dimensions:
            now = source.vectors.dimensions
            raise outdated(
                f"the index of {space} is of vectors of {dimensions} numbers, its vectors have {now}"
            )
        source.vectors.expect_random()
        where = _where(rows, source.rows)
        finder = Refined(
            index,
            source.vectors,
            where,
            int(manifest.meta["probes"]),
            int(manifest.meta.get("depth", _USUAL_DEPTH)),
        )
        here = None if where is None or where.min() >= 0 else where >= 0
        return OpenIndex(rows, dimensions, entry.sha256, finder, here, source.damaged)


def _plan(source: Space, wish: Wish) -> Plan:
    rows, dimensions = len(source.rows), source.vectors.dimensions
    try:
        return factory.choose(rows, dimensions, wish.memory, exact_below=wish.exact_below)
    except factory.TooLittleMemory as error:
        raise ResourceExhausted(
            f"an index of {rows} vectors of {dimensions} numbers takes {error.least} bytes "
            f"at least, and may take {wish.memory}",
            reason="INDEX_MEMORY",
        ) from error


def _facts(space: str, built: Built, source: Space) -> dict[str, Any]:
    return {
        "space": space,
        "vectors": source.version,
        "count": len(source.rows),
        "dimensions": source.vectors.dimensions,
        "kind": built.kind,
        "codes": built.plan.kind,
        "factory": built.plan.factory,
        "axes": built.plan.axes,
        "memory": built.plan.memory,
        "lists": built.lists,
        "probes": built.probes,
        "depth": built.depth,
        "recall": built.recall,
        "held_out": built.queries,
        "trained": built.trained,
        "parts": [list(part.marks) for part in source.parts],
        "damaged": list(source.damaged),
    }


def _signed(manifest: Manifest) -> dict[str, Any]:
    """All that a signature holds for: another folder with the same content has another."""
    return {
        "folder": manifest.folder,
        "entries": {name: [each.bytes, each.sha256] for name, each in manifest.entries.items()},
        "meta": {name: value for name, value in manifest.meta.items() if name != _SIGNATURE},
    }


def _where(rows: NDArray[np.int64], now: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The position in `now` of each of the rows, -1 where it has none; None when they are the same."""
    if np.array_equal(rows, now):
        return None
    at = np.minimum(np.searchsorted(now, rows), len(now) - 1)
    return np.where(now[at] == rows, at, -1)
