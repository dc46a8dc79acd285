"""What a run has written for people to take away: one file, or a folder as a zip, in pieces."""

import io
import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.chassis.run_book import Run, State
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.uploads import root_of

PIECE_BYTES = 1 << 20
_OLDEST = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class RunFile:
    """What a run has written into a store.

    Attributes:
        name: for a person who saves it.
        path: in the store.
        members: paths below `path`, of a folder.
        size: bytes in all.
    """

    name: str
    path: str
    members: tuple[str, ...]
    size: int
    is_folder: bool

    @property
    def files(self) -> int:
        """How many there are."""
        return len(self.members) if self.is_folder else 1


def file_of(run: Run, store: ArtifactStore) -> RunFile:
    """The file or folder that the result of a run calls `destination`.

    Raises:
        Conflict: RUN_NOT_DONE, NO_FILE, or NOT_IN_STORE.
        NotFound: it is gone.
    """
    path = _path(run, store)
    if not store.exists(path):
        raise NotFound("what the run has written is gone", metadata={"run_id": run.run_id})
    name = f"{run.collection}-{posixpath.basename(path)}"
    try:
        return RunFile(name, path, (), store.size(path), is_folder=False)
    except NotFound:  # a folder
        members = tuple(_below(store, path, ""))
        size = sum(store.size(f"{path}/{each}") for each in members)
        return RunFile(f"{name}.zip", path, members, size, is_folder=True)


def pieces(file: RunFile, store: ArtifactStore) -> Iterator[bytes]:
    """Its bytes; a folder is packed while it is read, nothing of it is kept."""
    if not file.is_folder:
        yield from _read(store.local(file.path))
        return
    out = _Out()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:
        for member in file.members:
            about = zipfile.ZipInfo(member, _OLDEST)
            with packed.open(about, "w", force_zip64=True) as target:
                for piece in _read(store.local(f"{file.path}/{member}")):
                    target.write(piece)
                    yield from out.taken()
    yield from out.taken(least=0)


class _Out(io.RawIOBase):
    """What a zip is written to: no file, so that it can be sent while it is made."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        self._waiting += data
        return len(data)

    def taken(self, *, least: int = PIECE_BYTES) -> Iterator[bytes]:
        """What waits, once it is so much."""
        if len(self._waiting) >= max(least, 1):
            yield bytes(self._waiting)
            self._waiting.clear()


def _path(run: Run, store: ArtifactStore) -> str:
    if run.state is not State.SUCCEEDED:
        raise Conflict("the run has not succeeded", reason="RUN_NOT_DONE")
    destination = str(run.result.get("destination", ""))
    if not destination:
        raise Conflict(f"a run of the kind {run.kind} writes no file", reason="NO_FILE")
    below = f"{root_of(store)}/"
    if not destination.startswith(below):
        raise Conflict(
            f"it was written to {destination}, not into the store", reason="NOT_IN_STORE"
        )
    return destination.removeprefix(below)


def _below(store: ArtifactStore, folder: str, prefix: str) -> Iterator[str]:
    """Paths of the files below a folder of the store."""
    for name in store.list(f"{folder}/{prefix}".rstrip("/")):
        path = f"{prefix}{name}"
        if store.list(f"{folder}/{path}"):
            yield from _below(store, folder, f"{path}/")
        else:
            yield path


def _read(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(PIECE_BYTES):
            yield piece
