"""Lists the images of a source: a folder, a glob, a table, tars; here or behind any fsspec URI."""

import csv
import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import fsspec

from hundredfold.catalog.domain.folders import (
    WILDCARDS,
    Entry,
    Walk,
    depth_of,
    is_image_name,
    matcher,
    split_pattern,
)
from hundredfold.catalog.domain.found import Found
from hundredfold.catalog.domain.tables import (
    Columns,
    TextTable,
    choose,
    image_of,
    stored_image_of,
)
from hundredfold.catalog.domain.webdataset import Tar, expand
from hundredfold.chassis.errors import InvalidArgument, NotFound, ServiceError, Unavailable
from hundredfold.chassis.sources import Sources

if TYPE_CHECKING:
    import pyarrow.parquet as pq

CONTAINER_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".tar")
MAX_PROBLEMS = 20
PARQUET_BATCH = 2048


class Folders(Protocol):
    """Where folders are listed."""

    def kind(self, path: str) -> str:
        """`folder`, `file`, or "" when there is nothing."""

    def entries(self, folder: str) -> Iterable[Entry]:
        """What is in a folder; nothing when it can't be read."""


class LocalFolders:
    """Folders of this machine."""

    def kind(self, path: str) -> str:
        """See Folders."""
        if os.path.isdir(path):  # noqa: PTH112 - paths are texts here, as they become URIs
            return "folder"
        return "file" if os.path.exists(path) else ""  # noqa: PTH110

    def entries(self, folder: str) -> Iterable[Entry]:
        """See Folders."""
        with os.scandir(folder) as listed:
            for entry in listed:
                yield Entry(entry.name, entry.is_dir(follow_symlinks=False))


class RemoteFolders:
    """Folders behind an fsspec URI, such as prefixes of a bucket."""

    def __init__(self, uri: str) -> None:
        self._files: Any = fsspec.core.url_to_fs(uri)[0]

    def kind(self, path: str) -> str:
        """See Folders."""
        try:
            return "folder" if self._files.info(path)["type"] == "directory" else "file"
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise Unavailable(f"the source does not answer: {error}") from error

    def entries(self, folder: str) -> Iterable[Entry]:
        """See Folders."""
        for info in self._files.ls(folder, detail=True):
            name = info["name"].rstrip("/").rpartition("/")[2]
            # A bucket may hold an object that stands for the folder itself.
            if name and not info["name"].endswith("/"):
                yield Entry(name, info["type"] == "directory")


class Listing:
    """The images of one source, in an order that is the same every time; iterate it once or again.

    Args:
        sources: what may be read.
        source: see `IngestRequest.source`.
        columns: the columns of tables.

    Attributes:
        is_remote: whether it is behind an fsspec URI.
        problems: what could not be read, at most MAX_PROBLEMS sentences.

    Raises:
        PermissionDenied: it is outside of the roots.
        NotFound: it is not there.
        InvalidArgument: it is no path or URI, or nothing that can be taken in.
    """

    def __init__(self, sources: Sources, source: str, columns: Columns) -> None:
        self._sources = sources
        self._columns = columns
        try:
            self.is_remote = _is_remote(sources, source)
            self._folders: Folders = RemoteFolders(source) if self.is_remote else LocalFolders()
            self._patterns = self._checked(source)
        except ServiceError as error:
            error.field = "source"
            raise
        self._walks: list[Walk] = []
        self._passed_over = 0
        self.problems: list[str] = []

    @property
    def passed_over(self) -> int:
        """Files and records that are no images."""
        return self._passed_over + sum(walk.passed_over for walk in self._walks)

    def __iter__(self) -> Iterator[Found]:
        """The images, each as it is found."""
        for pattern in self._patterns:
            kind = self._folders.kind(pattern)
            if kind == "folder":
                yield from self._folder(pattern)
            elif kind == "file":
                yield from self._file(pattern, pattern.rpartition("/")[2])
            elif WILDCARDS.search(pattern):
                yield from self._glob(pattern)
            else:
                self._problem(f"{pattern} is not there")

    def _checked(self, source: str) -> list[str]:
        literal = self._allowed(source)
        if literal is not None and self._folders.kind(literal):
            _check_kind(literal, self._folders.kind(literal))
            return [literal]
        patterns = list(expand(source.removeprefix("file://")))
        first, rest = split_pattern(patterns[0])
        base = self._sources.check(first)
        if not self._folders.kind(base):
            raise NotFound(f"there is no {first}", field="source")
        if ".." in rest.split("/"):
            raise InvalidArgument("a glob can't go up with ..", field="source")
        return [self._resolved(pattern) for pattern in patterns]

    def _allowed(self, source: str) -> str | None:
        """The source as it is, resolved; None where only what its wildcards stand for may be allowed."""
        try:
            return self._sources.check(source)
        except ServiceError:
            if WILDCARDS.search(source) or "{" in source:
                return None
            raise

    def _resolved(self, pattern: str) -> str:
        first, rest = split_pattern(pattern)
        base = self._sources.check(first)
        return f"{base.rstrip('/')}/{rest}" if rest else base

    def _folder(self, folder: str) -> Iterator[Found]:
        walk = self._walk(folder)
        for path in walk:
            yield Found(uri=_joined(folder, path), key=path)

    def _glob(self, pattern: str) -> Iterator[Found]:
        folder, rest = split_pattern(pattern)
        walk = self._walk(folder)
        matches = matcher(rest)
        walk.depth = depth_of(rest)
        walk.wanted = lambda path: matches(path) and _is_source_name(path)
        for path in walk:
            yield from self._file(_joined(folder, path), path)

    def _walk(self, folder: str) -> Walk:
        def entries(below: str) -> Iterable[Entry]:
            try:
                yield from self._folders.entries(_joined(folder, below))
            except OSError as error:
                self._problem(f"{_joined(folder, below)}: {error.strerror or error}")

        walk = Walk(entries, is_image_name)
        self._walks.append(walk)
        return walk

    def _file(self, path: str, key: str) -> Iterator[Found]:
        if not path.lower().endswith(CONTAINER_SUFFIXES):
            yield Found(uri=path, key=key)
            return
        count = 0
        try:
            for found in self._container(path):
                count += 1
                yield found
        except Unavailable:
            raise
        except (ServiceError, OSError, ValueError, csv.Error, tarfile.TarError) as error:
            # pyarrow's errors are ValueError or OSError too.
            if not count and len(self._patterns) == 1 and self._folders.kind(self._patterns[0]):
                raise InvalidArgument(f"{key}: {error}", field="source") from error
            self._problem(f"{path}: {error}")

    def _container(self, path: str) -> Iterator[Found]:
        with self._sources.open(path) as file:
            suffix = path.lower().rpartition(".")[2]
            if suffix == "tar":
                yield from self._counted(Tar(file, path))
            elif suffix == "parquet":
                yield from self._parquet(file, path)
            else:
                yield from self._text(file, path, suffix)

    def _counted(self, tar: Tar) -> Iterator[Found]:
        try:
            yield from tar
        finally:
            self._passed_over += tar.passed_over

    def _text(self, file: BinaryIO, path: str, suffix: str) -> Iterator[Found]:
        # A name that is not UTF-8 becomes a row with a reason, not the end of the table.
        with io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="") as lines:
            table = TextTable(lines, path.rpartition("/")[0], self._columns)
            try:
                if suffix in ("csv", "tsv"):
                    yield from table.csv("\t" if suffix == "tsv" else ",")
                else:
                    yield from table.jsonl()
            finally:
                self._passed_over += table.passed_over

    def _parquet(self, file: BinaryIO, path: str) -> Iterator[Found]:
        import pyarrow.parquet as pq  # noqa: PLC0415 - 0.1 s that other sources need not wait for

        table = pq.ParquetFile(file)
        schema = table.schema_arrow
        chosen = choose(self._columns, schema.names, _binary_columns(schema))
        folder = path.rpartition("/")[0]
        for number, record in enumerate(_records(table, chosen.beside_image())):
            if chosen.image:
                yield stored_image_of(record, chosen, path, number)
            elif found := image_of(record, chosen, folder):
                yield found
            else:
                self._passed_over += 1

    def _problem(self, sentence: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(sentence[:500])


def _is_remote(sources: Sources, source: str) -> bool:
    remote = "://" in source and not source.startswith("file://")
    if remote:
        # Before a file system is made: only the schemes of the roots may be spoken.
        sources.check(split_pattern(next(expand(source)))[0])
    return remote


def _check_kind(path: str, kind: str) -> None:
    if kind == "file" and not _is_source_name(path):
        raise InvalidArgument(
            f"a source is a folder, an image, a glob or ends in {', '.join(CONTAINER_SUFFIXES)}",
            field="source",
        )


def _is_source_name(path: str) -> bool:
    return is_image_name(path) or path.lower().endswith(CONTAINER_SUFFIXES)


def _joined(folder: str, path: str) -> str:
    return f"{folder.rstrip('/')}/{path}"


def _binary_columns(schema: Any) -> list[str]:
    import pyarrow.types as kinds  # noqa: PLC0415

    def is_binary(kind: Any) -> bool:
        return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))

    def holds_images(kind: Any) -> bool:
        return is_binary(kind) or (
            kinds.is_struct(kind)
            and kind.get_field_index("bytes") >= 0
            and is_binary(kind.field("bytes").type)
        )

    return [field.name for field in schema if holds_images(field.type)]


def _records(table: "pq.ParquetFile", columns: list[str]) -> Iterator[dict[str, Any]]:
    if not columns:
        for _ in range(table.metadata.num_rows):
            yield {}
        return
    for batch in table.iter_batches(PARQUET_BATCH, columns=columns, use_threads=False):
        yield from batch.to_pylist()
