"""Files that somebody sends for a run to read, kept in the store for a day."""

import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hundredfold.chassis.errors import InvalidArgument, ResourceExhausted
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore

MOST_BYTES = 256 << 20
_KEPT_SECONDS = 86_400
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_KEPT = re.compile(r"(\d{1,12})-[0-9a-f]{32}-.+")


@dataclass(frozen=True)
class Upload:
    """A file that was kept: where a run finds it, and its size."""

    uri: str
    size: int


def root_of(store: ArtifactStore) -> str:
    """The root of a store as results of runs write it: an absolute path, or an fsspec URI."""
    root = store.root.removeprefix("file://")
    return (root if "://" in root else str(Path(root).absolute())).rstrip("/")


def keep(store: ArtifactStore, service: str, name: str, pieces: Iterable[bytes]) -> Upload:
    """Write a file into the store, whole or not at all; files of more than a day go.

    Raises:
        InvalidArgument: the name is none.
        ResourceExhausted: TOO_LARGE.
    """
    if not _NAME.fullmatch(name):
        raise InvalidArgument("a name has letters, digits, '.', '-' and '_'", field="name")
    folder = layout.uploads(service)
    _drop_old(store, folder)
    path = f"{folder}/{int(time.time())}-{uuid.uuid4().hex}-{name}"
    size = 0
    with store.writer(path) as out:
        for piece in pieces:
            size += len(piece)
            if size > MOST_BYTES:
                raise ResourceExhausted(f"at most {MOST_BYTES:,} bytes", reason="TOO_LARGE")
            out.write(piece)
    return Upload(f"{root_of(store)}/{path}", size)


def _drop_old(store: ArtifactStore, folder: str) -> None:
    for name in store.list(folder):
        found = _KEPT.fullmatch(name)
        if found and time.time() - int(found[1]) > _KEPT_SECONDS:
            store.delete(f"{folder}/{name}")
