"""The indexes in Milvus: one Milvus collection a build, one alias a space, the facts of each build in the store."""

import logging
from collections.abc import Mapping
from typing import Any

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import require_collection
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.domain.asking import Asked
from hundredfold.index.domain.progress import Progress
from hundredfold.index.engine import OpenIndex, Told, Wish, no_index
from hundredfold.index.milvus.building import Build, InMilvus, folder_of
from hundredfold.index.milvus.connection import Milvus
from hundredfold.index.milvus.kinds import FLAT, KINDS, Kind, factory_of
from hundredfold.index.milvus.names import Name, mark_of, parsed
from hundredfold.index.spaces import Space, Spaces, again

_log = logging.getLogger("hundredfold.index.milvus")


class MilvusIndexes:
    """The `IndexEngine` of many machines. Safe for threads.

    A build never touches what is searched: it fills a Milvus collection of its own, and the alias of the space is turned to
    that at once when all of it is there. What the alias meant before is dropped then.

    Args:
        store: where vectors are, and what is known of each build.
        milvus: where the indexes are.
        kind: of index, from `Wish.exact_below` vectors on.
    """

    def __init__(self, store: ArtifactStore, milvus: Milvus, kind: Kind) -> None:
        self._store = store
        self._milvus = milvus
        self._kind = kind
        self._spaces = Spaces(store)

    def build(
        self, collection: str, space: str, source: Space, wish: Wish, progress: Progress
    ) -> Mapping[str, Any]:
        """As `IndexEngine.build`; how much memory it takes is Milvus' affair."""
        kind = FLAT if len(source.rows) < wish.exact_below else self._kind
        factory = factory_of(kind, len(source.rows))
        name = Name(collection, space, mark_of(source.version, source.vectors.dimensions, factory))
        manifest = Manifest.load(self._store, folder_of(name))
        facts = manifest.meta
        if not _whole(manifest) or name.built not in self._milvus.names():
            facts = Build(self._store, self._milvus, name, kind, source).run(progress)
        if self._milvus.pointed(name.alias) != name.built:
            self._milvus.point(name.alias, name.built)
        self._drop_others(name)
        return facts

    def told(self, collection: str, space: str) -> Told:
        """As `IndexEngine.told`."""
        facts = self._manifest(self._name(collection, space)).meta
        current = facts["vectors"] == self._spaces.version(collection, space)
        return Told("milvus", facts, 0, current=current, signed=False)

    def version(self, collection: str, space: str) -> str:
        """As `IndexEngine.version`."""
        return self._name(collection, space).mark

    def open(self, collection: str, space: str) -> OpenIndex:
        """As `IndexEngine.open`."""
        return again(lambda: self._open(self._name(collection, space)))

    def _open(self, name: Name) -> OpenIndex:
        manifest = self._manifest(name)
        facts = manifest.meta
        rows = manifest.read_array(self._store, layout.INDEX_ROWS, mmap=True, deep=True)
        kind = KINDS.get(facts["milvus_kind"], FLAT)
        # By its alias: what that meant before is dropped soon after it was turned.
        remote = InMilvus(self._milvus, name.alias, kind, int(facts["probes"]))
        return OpenIndex(rows, int(facts["dimensions"]), name.mark, Asked(remote, rows))

    def _name(self, collection: str, space: str) -> Name:
        """What the alias of a space means; Conflict (NO_INDEX) when it means nothing."""
        found = parsed(self._milvus.pointed(Name(collection, space).alias))
        if found is None:
            require_collection(self._store, collection)
            raise no_index(space)
        return found

    def _manifest(self, name: Name) -> Manifest:
        manifest = Manifest.load(self._store, folder_of(name))
        if not _whole(manifest):
            raise no_index(name.space)
        return manifest

    def _drop_others(self, kept: Name) -> None:
        """Delete other builds of the space, and all of spaces of the collection that are gone."""
        for each in map(parsed, self._milvus.names()):
            if each is None or each.collection != kept.collection or each == kept:
                continue
            gone = not self._store.exists(layout.vectors(each.collection, each.space))
            if each.space == kept.space or gone:
                if gone:
                    self._milvus.drop_alias(each.alias)
                self._milvus.drop(each.built)
                self._store.delete(folder_of(each))
                _log.info("Milvus collection %s was dropped", each.built)


def _whole(manifest: Manifest) -> bool:
    """Whether a build was finished."""
    return layout.INDEX_ROWS in manifest.entries
