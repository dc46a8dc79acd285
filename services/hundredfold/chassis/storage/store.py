"""The artifact store: one root, a folder of this machine or any fsspec URI, that all services share.

    store = ArtifactStore("s3://bucket/prefix")        # or a path, or memory://name
    artifact = store.write_array("collections/x/hashes/p/part-00000.npy", hashes)

A path names either nothing or a whole artifact, never a half of one: see `files.py`.
"""

import errno
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hundredfold.chassis.errors import Conflict, InvalidArgument, NotFound, ResourceExhausted
from hundredfold.chassis.storage.files import Artifact, HashingWriter, files

MOST_PATH_CHARACTERS = 1_024

__all__ = ["Artifact", "ArtifactStore", "HashingWriter", "damaged"]


def damaged(path: str, why: str) -> Conflict:
    """The error of an artifact that is not what was written; the run that made it makes it anew."""
    return Conflict(
        f"the artifact {path} is damaged ({why}); delete it and repeat the run that made it",
        reason="ARTIFACT_DAMAGED",
        metadata={"path": path},
    )


def _checked(path: str) -> str:
    segments = path.split("/")
    if len(path) > MOST_PATH_CHARACTERS or "\0" in path or "\\" in path or path.startswith("/"):
        raise InvalidArgument(f"{path[:80]!r} is not a path in the store", field="path")
    if any(segment in ("", ".", "..") for segment in segments):
        raise InvalidArgument(f"{path[:80]!r} is not a path in the store", field="path")
    return path


def _read(file: Path) -> np.ndarray[Any, Any]:
    with file.open("rb") as source:
        return np.asarray(np.lib.format.read_array(source, allow_pickle=False))


def _mapped(file: Path) -> np.ndarray[Any, Any]:
    return np.lib.format.open_memmap(file, mode="r")


class ArtifactStore:
    """Artifacts by relative path. Safe for threads; can be sent to another process.

    Every method that reads raises NotFound when there is nothing at the path, and InvalidArgument for
    a path that is absolute, has an empty, `.` or `..` segment, a NUL or a backslash.

    Args:
        root: a folder of this machine, which is made when first written to, or any fsspec URI.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._files = files(root)

    def __reduce__(self) -> tuple[type["ArtifactStore"], tuple[str]]:
        return ArtifactStore, (self.root,)

    @contextmanager
    def writer(self, path: str) -> Iterator[HashingWriter]:
        """A binary file to write front to back; the artifact appears, whole, when the block ends.

        `writer.artifact` is its size and sha256. After an exception in the block nothing is left,
        and what was at the path before still is.

        Raises:
            ResourceExhausted: STORE_FULL.
        """
        _checked(path)
        try:
            with self._files.writer(path) as out:
                yield out
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ResourceExhausted("the store is full", reason="STORE_FULL") from error
            raise

    def write_bytes(self, path: str, data: bytes) -> Artifact:
        """Write, or replace, an artifact."""
        with self.writer(path) as out:
            out.write(data)
        return out.artifact

    def read_bytes(self, path: str) -> bytes:
        """The whole artifact."""
        with self._named(path):
            return self._files.read(path)

    def write_json(self, path: str, value: Any) -> Artifact:
        """Write a JSON document; keys sorted, so that equal values are equal artifacts."""
        return self.write_bytes(path, json.dumps(value, sort_keys=True, indent=1).encode())

    def read_json(self, path: str) -> Any:
        """The JSON document; Conflict (ARTIFACT_DAMAGED) when it is none."""
        data = self.read_bytes(path)
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise damaged(path, "not JSON") from error

    def write_array(self, path: str, array: np.ndarray[Any, Any]) -> Artifact:
        """Write an array of any shape as `.npy`; ValueError for one of objects."""
        with self.writer(path) as out:
            np.lib.format.write_array(out, np.asarray(array, order="C"), allow_pickle=False)
        return out.artifact

    def read_array(self, path: str, *, mmap: bool = False) -> np.ndarray[Any, Any]:
        """The array of a `.npy`; Conflict (ARTIFACT_DAMAGED) when it is none, or too short.

        Args:
            path: of the artifact.
            mmap: map the file, read-only, instead of reading it: pages are read when touched.
        """
        file = self.local(path)
        try:
            with self._named(path):
                return _mapped(file) if mmap else _read(file)
        except (ValueError, EOFError, MemoryError) as error:
            raise damaged(path, "not a whole array") from error

    def size(self, path: str) -> int:
        """Bytes of an artifact."""
        with self._named(path):
            return self._files.size(path)

    def sha256(self, path: str) -> str:
        """The sha256 of an artifact's bytes, read now, in hexadecimal."""
        with self._named(path), self.local(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def local(self, path: str) -> Path:
        """A file of this machine with the artifact's bytes, to read only.

        It is the artifact itself, or, of a remote store, a copy that lives as long as this process
        and is fetched again when the artifact was replaced.
        """
        with self._named(path):
            return self._files.local(path)

    def exists(self, path: str) -> bool:
        """Whether there is an artifact or a folder."""
        return self._files.exists(_checked(path))

    def list(self, folder: str) -> list[str]:
        """The names in a folder, sorted; none when it is absent. Unfinished writes are left out."""
        return self._files.list(_checked(folder))

    def delete(self, path: str) -> None:
        """Remove an artifact or a folder with all in it; no error when absent."""
        self._files.delete(_checked(path))

    @contextmanager
    def _named(self, path: str) -> Iterator[None]:
        _checked(path)
        try:
            yield
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotFound(f"there is no artifact {path}", metadata={"path": path}) from error
