"""The indexes in the store, and what was removed from them."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Aborted, Conflict
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import require_collection
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore, damaged
from hundredfold.index.domain import nearest
from hundredfold.index.domain.factory import Plan
from hundredfold.index.domain.finding import Exact, Finder, Refined
from hundredfold.index.domain.nearest import Built
from hundredfold.index.signing import Signer
from hundredfold.index.spaces import Space, Spaces, again

_log = logging.getLogger("hundredfold.index.indexes")

_SIGNATURE = "signature"
_USUAL_DEPTH = 10


@dataclass(frozen=True)
class OpenIndex:
    """An index that can be searched.

    Attributes:
        index: the faiss index.
        rows: int64 [m], ascending: the row of each vector in it.
        dimensions: of a vector.
        sha256: of the file it was read from.
        finder: searches it.
        here: bool [m], what of it can be searched; None = all.
        damaged: the files because of which the rest can't.
    """

    index: Any
    rows: NDArray[np.int64]
    dimensions: int
    sha256: str
    finder: Finder
    here: NDArray[np.bool_] | None = None
    damaged: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class Told:
    """What is known of an index.

    Attributes:
        meta: of its manifest.
        bytes: of its file.
        current: whether it was made of the vectors that are there now.
        removed: rows that were removed.
        signed: whether its manifest is.
    """

    meta: Mapping[str, Any]
    bytes: int
    current: bool
    removed: int
    signed: bool


class Indexes:
    """Keeps one index a space. Safe for threads.

    Args:
        store: where they are.
        signer: of their manifests; None = they are not signed.
    """

    def __init__(self, store: ArtifactStore, signer: Signer | None = None) -> None:
        self._store = store
        self._signer = signer
        self._spaces = Spaces(store)
        self._removing = threading.Lock()

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
            manifest.meta,
            entry.bytes,
            current=manifest.meta["vectors"] == self._spaces.version(collection, space),
            removed=len(again(lambda: self.removed(collection, space))[0]),
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

    def removed(self, collection: str, space: str) -> tuple[NDArray[np.int64], str]:
        """The rows that are removed, ascending, and what tells them from others later."""
        manifest = Manifest.load(self._store, layout.index_removed(collection, space))
        if not manifest.entries:
            return np.empty(0, np.int64), ""
        rows = manifest.read_array(self._store, layout.REMOVED_ROWS, deep=True)
        return rows, manifest.version

    def removed_version(self, collection: str, space: str) -> str:
        """Changes whenever what is removed does."""
        manifest = Manifest.load(self._store, layout.index_removed(collection, space))
        return manifest.version if manifest.entries else ""

    def remove(self, collection: str, space: str, rows: NDArray[np.int64]) -> int:
        """Remove rows; how many are removed then."""
        return self._change_removed(collection, space, lambda old: np.union1d(old, rows))

    def restore(self, collection: str, space: str, rows: NDArray[np.int64]) -> int:
        """Put rows back; how many are removed then."""
        return self._change_removed(collection, space, lambda old: np.setdiff1d(old, rows))

    def _change_removed(
        self,
        collection: str,
        space: str,
        change: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    ) -> int:
        folder = layout.index_removed(collection, space)
        with self._removing:
            rows = change(again(lambda: self.removed(collection, space))[0])
            manifest = Manifest(self._store, folder)
            path = f"{folder}/{layout.REMOVED_ROWS}"
            manifest.add(layout.REMOVED_ROWS, self._store.write_array(path, rows))
            manifest.save()
        return len(rows)

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
            raise Conflict(f"space {space} has no index; call BuildIndex", reason="NO_INDEX")
        signature = manifest.meta.get(_SIGNATURE)
        if self._signer and not self._signer.holds(_signed(manifest), signature):
            raise Conflict(
                f"{manifest.folder} is not signed with the key of this service; call BuildIndex",
                reason="INDEX_NOT_SIGNED",
                metadata={"path": manifest.folder},
            )
        made_of = manifest.meta.get("space", space)
        if made_of != space:
            raise _outdated(f"the index of {space} was made of vectors of {made_of}")

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
            return OpenIndex(index, rows, dimensions, entry.sha256, Exact(index))
        source = self._spaces.whole(collection, space)
        if source.vectors.dimensions != dimensions:
            now = source.vectors.dimensions
            raise _outdated(
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
        return OpenIndex(index, rows, dimensions, entry.sha256, finder, here, source.damaged)


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


def _outdated(why: str) -> Conflict:
    return Conflict(f"{why}; call BuildIndex", reason="INDEX_OUTDATED")
