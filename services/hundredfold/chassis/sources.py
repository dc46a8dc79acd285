"""The bytes of images by their URI, from allowed places only.

    /folder/image.jpg               a file of this machine; `file:///folder/image.jpg` is the same
    s3://bucket/image.jpg           any fsspec URI
    <file>.parquet#<column>:<row>   a cell of binary, or of a struct with `bytes`; rows count from 0
    <file>.tar#<offset>:<size>      bytes of an uncompressed tar

What is not below an allowed root is PermissionDenied, whether it exists or not. No roots: nothing is
allowed.
"""

import errno
import os
import re
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote

import fsspec
from fsspec import AbstractFileSystem

from hundredfold.chassis.beneath import open_beneath
from hundredfold.chassis.errors import (
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServiceError,
    Unavailable,
)
from hundredfold.chassis.parquet_cells import ParquetCells

MOST_BYTES = 64 * 1024 * 1024
MOST_URI_CHARACTERS = 4_096

# So many neighbours are looked at together; it bounds what `read_many` holds.
_WINDOW = 32
_NO_NAMES = frozenset({"", ".", ".."})
_OPEN_CONTAINERS = 2

_PARQUET = re.compile(r"(?P<file>.+\.parquet)#(?P<column>[^#]+):(?P<row>\d{1,18})", re.DOTALL)
_TAR = re.compile(r"(?P<file>.+\.tar)#(?P<offset>\d{1,18}):(?P<size>\d{1,18})", re.DOTALL)


@dataclass(frozen=True)
class _Place:
    """A URI taken apart: a file and, in a container, the member."""

    file: str
    column: str = ""
    row: int = 0
    offset: int = 0
    size: int | None = None

    @property
    def is_remote(self) -> bool:
        return "://" in self.file

    @property
    def order(self) -> tuple[str, str, int, int]:
        """Sorts members as they lie in their container."""
        return self.file, self.column, self.row, self.offset

    @property
    def is_member(self) -> bool:
        return bool(self.column) or self.size is not None


class Sources:
    """Reads from allowed roots. Safe for threads; can be sent to another process.

    Args:
        roots: local folders (absolute), or URI prefixes such as `s3://bucket/folder`.
    """

    def __init__(self, roots: tuple[str, ...]) -> None:
        self.roots = roots
        places = [_place(root) for root in roots]
        self._folders = tuple(Path(p.file).resolve() for p in places if not p.is_remote)
        self._prefixes = tuple(p.file for p in places if p.is_remote)
        self._containers: OrderedDict[tuple[object, ...], ParquetCells] = OrderedDict()
        weakref.finalize(self, _close_all, self._containers)
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["Sources"], tuple[tuple[str, ...]]]:
        return Sources, (self.roots,)

    def check(self, uri: str) -> str:
        """Return the URI with symbolic links resolved if it, a file or a folder, is allowed.

        Raises:
            InvalidArgument: no URI or absolute path.
            PermissionDenied: outside of the roots.
        """
        place = _place(uri)
        if place.is_remote:
            self._allowed_remote(place.file)
            return uri
        root, segments = self._allowed_local(place.file)
        plain = uri.removeprefix("file://")
        return str(root.joinpath(*segments)) + plain[len(place.file) :]

    def open(self, uri: str) -> BinaryIO:
        """Open a whole file (no member of a container) for reading, with seek.

        Raises:
            ServiceError: as `read`.
        """
        place = _place(uri)
        with _errors_told(place):
            return self._open(place)

    def read(self, uri: str, *, limit: int = MOST_BYTES) -> bytes:
        """The bytes of one image.

        Raises:
            InvalidArgument: no URI; NOT_A_FILE for a folder or device; BAD_CONTAINER.
            PermissionDenied: outside of the roots, or the file system says so.
            NotFound: nothing there.
            ResourceExhausted: TOO_LARGE, more than `limit` bytes.
            Unavailable: a remote source does not answer.
        """
        place = _place(uri)
        with _errors_told(place):
            if place.column:
                return self._read_cell(place, limit)
            if place.size is not None:
                return self._read_range(place, place.size, limit)
            return self._read_file(place, limit)

    def read_many(
        self, uris: Sequence[str], *, limit: int = MOST_BYTES
    ) -> Iterator[bytes | ServiceError]:
        """The bytes of each image, or why there are none, in the order asked.

        Members of a container are read in the container's order, remote files several at once.
        """
        for begin in range(0, len(uris), _WINDOW):
            yield from self._read_window(uris[begin : begin + _WINDOW], limit)

    def _read_window(self, uris: Sequence[str], limit: int) -> Iterator[bytes | ServiceError]:
        places = {uri: place for uri in uris if (place := _place_or_none(uri))}
        ahead = self._read_members(places, limit) | self._read_remote(places, limit)
        for uri in uris:
            yield ahead[uri] if uri in ahead else self._attempt(uri, limit)

    def _read_members(
        self, places: Mapping[str, _Place], limit: int
    ) -> dict[str, bytes | ServiceError]:
        members = [(place.order, uri) for uri, place in places.items() if place.is_member]
        return {uri: self._attempt(uri, limit) for _, uri in sorted(members)}

    def _read_remote(
        self, places: Mapping[str, _Place], limit: int
    ) -> dict[str, bytes | ServiceError]:
        by_system: dict[AbstractFileSystem, dict[str, str]] = {}
        for uri, place in places.items():
            if place.is_remote and not place.is_member:
                with suppress(ServiceError), _errors_told(place):
                    system, path = self._remote(place)
                    by_system.setdefault(system, {})[uri] = path
        found: dict[str, bytes | ServiceError] = {}
        for system, paths in by_system.items():
            answers = system.cat_ranges(
                list(paths.values()), 0, limit + 1, max_gap=None, on_error="return"
            )
            for uri, answer in zip(paths, answers, strict=True):
                found[uri] = _told(places[uri], answer, limit)
        return found

    def _attempt(self, uri: str, limit: int) -> bytes | ServiceError:
        try:
            return self.read(uri, limit=limit)
        except ServiceError as error:
            return error

    def _read_file(self, place: _Place, limit: int) -> bytes:
        if place.is_remote:
            system, path = self._remote(place)
            return _within(bytes(system.cat_file(path, start=0, end=limit + 1)), limit)
        with self._open(place) as file:
            # Not `limit` alone: room for as much as is asked for would be made first.
            size = os.fstat(file.fileno()).st_size
            return _within(file.read(min(limit, size) + 1), limit)

    def _read_range(self, place: _Place, size: int, limit: int) -> bytes:
        if size > limit:
            raise _too_large(limit)
        with self._open(place) as file:
            file.seek(place.offset)
            data = file.read(size)
        if len(data) < size:
            raise NotFound("the tar ends before", field="uri")
        return data

    def _read_cell(self, place: _Place, limit: int) -> bytes:
        # One lock for all: reading in order is what is fast, and processes do the parallel work.
        with self._lock:
            return self._cells(place).read(place.row, limit)

    def _cells(self, place: _Place) -> ParquetCells:
        key: tuple[object, ...] = (place.file, place.column)
        file = None
        if not place.is_remote:
            file = self._open(place)
            facts = os.fstat(file.fileno())
            key += (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        cells = self._containers.pop(key, None)
        if cells is None:
            cells = ParquetCells(file or self._open(place), place.column)
        elif file is not None:
            file.close()
        self._containers[key] = cells
        if len(self._containers) > _OPEN_CONTAINERS:
            self._containers.popitem(last=False)[1].close()
        return cells

    def _open(self, place: _Place) -> BinaryIO:
        if place.is_remote:
            system, path = self._remote(place)
            return cast("BinaryIO", system.open(path, "rb"))
        return self._open_plain(place.file) or open_beneath(*self._allowed_local(place.file))

    def _open_plain(self, path: str) -> BinaryIO | None:
        """Open a file whose path has no link in it, as most have none: that spares finding out."""
        for root in self._folders:
            segments = path.removeprefix(f"{root}/").split("/")
            if path.startswith(f"{root}/") and not _NO_NAMES.intersection(segments):
                try:
                    return open_beneath(root, segments)
                except (OSError, ValueError, InvalidArgument):
                    return None
        return None

    def _remote(self, place: _Place) -> tuple[AbstractFileSystem, str]:
        self._allowed_remote(place.file)
        # A redirect would lead out of the allowed roots.
        options = {"allow_redirects": False} if place.file.startswith("http") else {}
        system, path = fsspec.core.url_to_fs(place.file, **options)
        return system, path

    def _allowed_local(self, path: str) -> tuple[Path, tuple[str, ...]]:
        if not path.startswith("/"):
            raise InvalidArgument(f"{path[:80]!r} is not an absolute path", field="uri")
        try:
            resolved = Path(path).resolve()
        except (OSError, RuntimeError) as error:  # a loop of links, or a name too long
            raise NotFound("no such file", field="uri") from error
        except ValueError as error:  # characters that no file name can have
            raise InvalidArgument("not a path", field="uri") from error
        for root in self._folders:
            if resolved.is_relative_to(root):
                return root, resolved.relative_to(root).parts
        raise _outside()

    def _allowed_remote(self, uri: str) -> None:
        # `::` chains file systems, which could lead anywhere.
        if "::" in uri or ".." in unquote(uri).split("/"):
            raise _outside()
        if not any(_is_below(uri, prefix) for prefix in self._prefixes):
            raise _outside()


def _close_all(containers: Mapping[tuple[object, ...], ParquetCells]) -> None:
    for cells in containers.values():
        cells.close()


def _place(uri: str) -> _Place:
    if not uri or len(uri) > MOST_URI_CHARACTERS or "\0" in uri:
        raise InvalidArgument("not a URI: empty, too long or with a NUL", field="uri")
    uri = uri.removeprefix("file://")
    if match := _PARQUET.fullmatch(uri):
        return _Place(match["file"], column=match["column"], row=int(match["row"]))
    if match := _TAR.fullmatch(uri):
        return _Place(match["file"], offset=int(match["offset"]), size=int(match["size"]))
    return _Place(uri)


def _place_or_none(uri: str) -> _Place | None:
    try:
        return _place(uri)
    except InvalidArgument:
        return None


def _is_below(uri: str, prefix: str) -> bool:
    return uri == prefix or uri.startswith(prefix if prefix.endswith("/") else f"{prefix}/")


def _outside() -> PermissionDenied:
    return PermissionDenied(
        "outside of the roots that this service may read", reason="OUTSIDE_ROOTS", field="uri"
    )


def _too_large(limit: int) -> ResourceExhausted:
    return ResourceExhausted(f"more than {limit} bytes", reason="TOO_LARGE", field="uri")


def _within(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise _too_large(limit)
    return data


def _told(place: _Place, answer: object, limit: int) -> bytes | ServiceError:
    try:
        with _errors_told(place):
            if isinstance(answer, BaseException):
                raise answer
            return _within(bytes(cast("bytes", answer)), limit)
    except ServiceError as error:
        return error


@contextmanager
def _errors_told(place: _Place) -> Iterator[None]:
    """Turn what file systems raise into what a caller may see, without a path of this machine."""
    try:
        yield
    except ServiceError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound("no such file", field="uri") from error
    except PermissionError as error:
        raise PermissionDenied("the source may not be read", field="uri") from error
    except OSError as error:
        if error.errno == errno.ELOOP:  # swapped for a link after it was resolved
            raise _outside() from error
        if error.errno == errno.ENAMETOOLONG:
            raise NotFound("no such file", field="uri") from error
        raise Unavailable(f"the source cannot be read: {error.strerror or error}") from error
    except (ValueError, ImportError) as error:
        raise InvalidArgument(f"no such kind of URI: {error}"[:300], field="uri") from error
    except Exception as error:
        if not place.is_remote:
            raise
        raise Unavailable(f"the source does not answer: {type(error).__name__}") from error
