"""The list of what is in a folder of artifacts, with the size and sha256 of each.

    manifest = Manifest.load(store, folder)
    manifest.add("part-00000.npy", store.write_array(f"{folder}/part-00000.npy", hashes), rows=4096)
    manifest.save()

An artifact counts as made once the saved manifest lists it; a job skips what is listed. The manifest
carries a digest of itself, so that a flipped bit in it is found too. One writer a folder at a time.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from hundredfold.chassis.errors import Aborted, NotFound
from hundredfold.chassis.storage.layout import LAYOUT_VERSION
from hundredfold.chassis.storage.store import Artifact, ArtifactStore, damaged

JSON = Any  # None, bool, int, float, str, or lists and string-keyed dicts of these
NAME = "manifest.json"

# A writer replaces a part, then saves the manifest: for this long the two may disagree.
_SETTLE_SECONDS = 2.0
_SETTLE_STEP = 0.1


@dataclass(frozen=True)
class Entry:
    """What the manifest knows of one artifact.

    Attributes:
        bytes: its size.
        sha256: of its bytes, in hexadecimal.
        meta: what its maker added, such as {"rows": 65536}.
    """

    bytes: int
    sha256: str
    meta: Mapping[str, JSON] = field(default_factory=dict)


class Manifest:
    """The manifest of one folder, as it was when loaded plus what was added since."""

    def __init__(
        self,
        store: ArtifactStore,
        folder: str,
        entries: Mapping[str, Entry] | None = None,
        meta: Mapping[str, JSON] | None = None,
    ) -> None:
        self._store = store
        self.folder = folder
        self._entries = dict(entries or {})
        self._meta = dict(meta or {})

    @classmethod
    def load(cls, store: ArtifactStore, folder: str) -> "Manifest":
        """Read the manifest of a folder; empty when there is none.

        Raises:
            Conflict: ARTIFACT_DAMAGED, when it is not what was saved.
        """
        path = f"{folder}/{NAME}"
        try:
            document = store.read_json(path)
        except NotFound:
            return cls(store, folder)
        try:
            return cls(store, folder, *_parse(document))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise damaged(path, str(error)) from error

    @property
    def entries(self) -> Mapping[str, Entry]:
        """What is in the folder, by name."""
        return MappingProxyType(self._entries)

    @property
    def meta(self) -> Mapping[str, JSON]:
        """What holds for the folder as a whole."""
        return MappingProxyType(self._meta)

    @property
    def version(self) -> str:
        """Changes whenever an artifact of the folder does: a sha256, in hexadecimal."""
        content = sorted((name, entry.sha256) for name, entry in self._entries.items())
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def add(self, name: str, artifact: Artifact, **meta: JSON) -> None:
        """List an artifact of the folder, in place of an earlier one of that name."""
        self._entries[name] = Entry(artifact.bytes, artifact.sha256, meta)

    def add_array(self, name: str, array: np.ndarray[Any, Any]) -> None:
        """Write an array into the folder and list it."""
        self.add(name, self._store.write_array(f"{self.folder}/{name}", array))

    def drop(self, name: str) -> None:
        """List an artifact no longer; no error when it was not listed. Save, then delete the artifact."""
        self._entries.pop(name, None)

    def set_meta(self, **meta: JSON) -> None:
        """Note facts of the folder as a whole; other facts stay."""
        self._meta.update(meta)

    def save(self) -> None:
        """Replace the saved manifest by this one."""
        entries = {
            name: {"bytes": entry.bytes, "sha256": entry.sha256, "meta": dict(entry.meta)}
            for name, entry in self._entries.items()
        }
        body = {"layout": LAYOUT_VERSION, "meta": self._meta, "entries": entries}
        self._store.write_json(f"{self.folder}/{NAME}", {"digest": _digest(body), "body": body})

    def verify(self, store: ArtifactStore) -> list[str]:
        """The names whose artifact is absent, or not of the listed size and sha256."""
        return [name for name in self._entries if self._fault(store, name, deep=True)]

    def check(self, store: ArtifactStore, name: str, *, deep: bool = False) -> Entry:
        """Return the entry of an artifact that is what the manifest says.

        Args:
            store: where the folder is.
            name: of the artifact in the folder.
            deep: read it all and compare its sha256; else only its size is compared.

        Raises:
            NotFound: the manifest does not list it.
            Aborted: ARTIFACT_REPLACED, a writer replaced it since this manifest was loaded; load again.
            Conflict: ARTIFACT_DAMAGED.
        """
        entry = self._entry(name)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while fault := self._fault(store, name, deep=deep):
            if Manifest.load(store, self.folder).entries.get(name) != entry:
                raise Aborted(
                    f"{self.folder}/{name} was replaced meanwhile; read its manifest again",
                    reason="ARTIFACT_REPLACED",
                )
            if time.monotonic() > deadline:
                raise damaged(f"{self.folder}/{name}", fault)
            time.sleep(_SETTLE_STEP)
        return entry

    def read_array(
        self, store: ArtifactStore, name: str, *, mmap: bool = False, deep: bool = False
    ) -> np.ndarray[Any, Any]:
        """Read an array of the folder after `check`, whose errors it raises."""
        self.check(store, name, deep=deep)
        return store.read_array(f"{self.folder}/{name}", mmap=mmap)

    def _entry(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise NotFound(f"{self.folder} has no {name}") from None

    def _fault(self, store: ArtifactStore, name: str, *, deep: bool) -> str:
        entry = self._entry(name)
        path = f"{self.folder}/{name}"
        try:
            size = store.size(path)
            if size != entry.bytes:
                return f"{size} bytes instead of {entry.bytes}"
            if deep and store.sha256(path) != entry.sha256:
                return "another sha256 than its manifest says"
        except NotFound:
            return "absent"
        return ""


def _digest(body: Mapping[str, JSON]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _parse(document: JSON) -> tuple[dict[str, Entry], dict[str, JSON]]:
    body = document["body"]
    if document["digest"] != _digest(body):
        raise ValueError("another digest than it says")
    if body["layout"] != LAYOUT_VERSION:
        raise ValueError(f"layout {body['layout']}, this program reads {LAYOUT_VERSION}")
    entries = {
        name: Entry(entry["bytes"], entry["sha256"], entry["meta"])
        for name, entry in body["entries"].items()
    }
    return entries, body["meta"]
