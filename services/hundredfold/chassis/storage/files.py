"""How artifacts are kept: as files of this machine, or as objects of any fsspec file system.

Local writes survive a kill and a power cut: temporary name in the same folder, fsync of the file,
rename, fsync of the folder. Remote writes are one whole object. Either way a reader sees the artifact
of before or of after, never a part of it.
"""

import hashlib
import io
import os
import re
import shutil
import stat
import tempfile
import time
import uuid
import weakref
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

import fsspec

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LEFTOVER_SECONDS = 3_600
MOST_PIPED_BYTES = 32 * 1024**2
MOST_COPIED_BYTES = 16 * 1024**3
LEAST_COPIES = 8
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")


@dataclass(frozen=True)
class Artifact:
    """What was written.

    Attributes:
        bytes: its size.
        sha256: of its bytes, in hexadecimal.
    """

    bytes: int
    sha256: str


class HashingWriter(io.RawIOBase):
    """A write-only, front-to-back binary file that knows the sha256 of what went through it."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._hash = hashlib.sha256()
        self._size = 0

    @property
    def artifact(self) -> Artifact:
        """Size and sha256 of what was written so far."""
        return Artifact(self._size, self._hash.hexdigest())

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: "ReadableBuffer") -> int:
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        self._out.write(view)
        self._hash.update(view)
        self._size += len(view)
        return len(view)

    def tell(self) -> int:
        """How many bytes were written."""
        return self._size


class Files(Protocol):
    """Where artifacts are. Paths are relative, and checked by the caller.

    `read`, `size` and `local` raise FileNotFoundError, IsADirectoryError or NotADirectoryError when
    there is no file at the path.
    """

    def writer(self, path: str) -> AbstractContextManager[HashingWriter]:
        """A file that appears whole at the end of the block, or not at all."""

    def read(self, path: str) -> bytes:
        """All of a file."""

    def size(self, path: str) -> int:
        """Bytes of a file."""

    def local(self, path: str) -> Path:
        """A file of this machine with these bytes."""

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""

    def list(self, folder: str) -> list[str]:
        """Names in a folder, sorted; none when it is absent."""

    def delete(self, path: str) -> None:
        """Remove a file or folder; no error when absent."""


def files(root: str) -> Files:
    """The files under a root: LocalFiles for a path or `file://`, else RemoteFiles."""
    if "://" not in root or root.startswith("file://"):
        return LocalFiles(Path(root.removeprefix("file://")).absolute())
    return RemoteFiles(root)


def _sync_folder(folder: Path) -> None:
    # The rename itself is durable only when the folder is.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LocalFiles:
    """Artifacts as files under a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def writer(self, path: str) -> Iterator[HashingWriter]:
        """See Files."""
        target = self._root / path
        self._make_folder(target.parent)
        self._clean(target.parent)
        temporary = target.parent / f".{target.name[:150]}.{uuid.uuid4().hex}.tmp"
        try:
            with temporary.open("xb") as file:
                yield HashingWriter(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)

    def read(self, path: str) -> bytes:
        """See Files."""
        return (self._root / path).read_bytes()

    def size(self, path: str) -> int:
        """See Files."""
        return self.local(path).stat().st_size

    def local(self, path: str) -> Path:
        """See Files."""
        target = self._root / path
        if not stat.S_ISREG(target.stat().st_mode):
            raise IsADirectoryError(path)
        return target

    def exists(self, path: str) -> bool:
        """See Files."""
        return (self._root / path).exists()

    def list(self, folder: str) -> list[str]:
        """See Files."""
        try:
            names = [found.name for found in (self._root / folder).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for name in names if not _TEMPORARY.fullmatch(name))

    def delete(self, path: str) -> None:
        """See Files."""
        target = self._root / path
        try:
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        _sync_folder(target.parent)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)

    def _clean(self, folder: Path) -> None:
        # What a killed writer left. A writer at work touches its file far more often than hourly.
        oldest = time.time() - LEFTOVER_SECONDS
        for found in folder.glob(".*.tmp"):
            if _TEMPORARY.fullmatch(found.name):
                with suppress(FileNotFoundError):
                    if found.lstat().st_mtime < oldest:
                        found.unlink()


class RemoteFiles:
    """Artifacts as objects of an fsspec file system, written whole."""

    def __init__(self, root: str) -> None:
        # A cached listing would hide what another process has written since.
        self._system, self._root = fsspec.core.url_to_fs(root, use_listings_cache=False)
        own = Path(tempfile.mkdtemp(prefix="hundredfold-"))
        weakref.finalize(self, shutil.rmtree, own, ignore_errors=True)
        self._copies, self._spool = own / "copies", own / "spool"
        self._copies.mkdir()
        self._spool.mkdir()

    @contextmanager
    def writer(self, path: str) -> Iterator[HashingWriter]:
        """See Files."""
        # Spooled first: closing a half-written upload would commit the half.
        with tempfile.NamedTemporaryFile(dir=self._spool) as file:
            yield HashingWriter(cast("BinaryIO", file))
            file.flush()
            self._system.makedirs(self._parent(path), exist_ok=True)
            self._put(cast("BinaryIO", file), file.name, path)

    def read(self, path: str) -> bytes:
        """See Files."""
        return bytes(self._system.cat_file(self._at(path)))

    def size(self, path: str) -> int:
        """See Files."""
        return int(self._file_info(path)["size"])

    def local(self, path: str) -> Path:
        """See Files."""
        # The key changes when the object is replaced.
        key = hashlib.sha256(f"{path} {self._file_info(path)}".encode()).hexdigest()
        copy = self._copies / key
        if not copy.exists():
            fetched = self._spool / f"{key}.{uuid.uuid4().hex}"
            self._system.get_file(self._at(path), str(fetched))
            fetched.replace(copy)
            self._forget_copies()
        return copy

    def exists(self, path: str) -> bool:
        """See Files."""
        return bool(self._system.exists(self._at(path)))

    def list(self, folder: str) -> list[str]:
        """See Files."""
        try:
            found = self._system.ls(self._at(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        # Listing an object gives the object itself: it holds no names.
        within = [name for name in found if name.strip("/") != self._at(folder).strip("/")]
        return sorted({name.rstrip("/").rpartition("/")[2] for name in within})

    def delete(self, path: str) -> None:
        """See Files."""
        with suppress(FileNotFoundError):
            self._system.rm(self._at(path), recursive=True)

    def _put(self, file: BinaryIO, local: str, path: str) -> None:
        # One request where that is possible: some file systems show a file while it is uploaded.
        if file.tell() > MOST_PIPED_BYTES:
            self._system.put_file(local, self._at(path))
            return
        file.seek(0)
        self._system.pipe_file(self._at(path), file.read())

    def _forget_copies(self) -> None:
        # Who has a copy open or mapped keeps it; the newest may not be opened yet.
        copies = [(c.stat().st_mtime, c.stat().st_size, c) for c in self._copies.iterdir()]
        held = 0
        for place, (_, size, copy) in enumerate(sorted(copies, reverse=True)):
            held += size
            if held > MOST_COPIED_BYTES and place >= LEAST_COPIES:
                copy.unlink(missing_ok=True)

    def _at(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    def _parent(self, path: str) -> str:
        return self._at(path).rpartition("/")[0]

    def _file_info(self, path: str) -> Mapping[str, Any]:
        info: Mapping[str, Any] = self._system.info(self._at(path))
        if info["type"] != "file":
            raise IsADirectoryError(path)
        return info
