"""What a format does, and what all formats of one file share."""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

from hundredfold.chassis.errors import ServiceError
from hundredfold.chassis.storage.store import ArtifactStore

COLUMNS = pa.schema(
    [
        ("row", pa.int64()),
        ("uri", pa.string()),
        ("key", pa.string()),
        ("label", pa.string()),
        ("class_id", pa.int32()),
        ("annotator", pa.string()),
        ("seq", pa.int64()),
        ("representative", pa.int64()),
    ]
)
"""The columns of an export. An image without a label has the label "" and class 0; `annotator` and `seq` are of the event that gave it."""

JOINT = ";"
"""Between the names of the classes of an image that may be of several; no name of such a class has it."""

PAIR_COLUMNS = pa.schema(
    [
        ("row", pa.int64()),
        ("uri", pa.string()),
        ("key", pa.string()),
        ("label", pa.string()),
        ("class_ids", pa.string()),
        ("not_label", pa.string()),
        ("representative", pa.int64()),
    ]
)
"""The columns where an image may be of several classes: what it is, and in `not_label` what it is not, by name, joined."""

Lines = Mapping[str, Sequence[Any]]
"""Some lines of a file: the values of each column that is there; None where a line has none."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an export goes: a path in a store, which is the service's own or was made for the destination."""

    store: ArtifactStore
    path: str

    @property
    def uri(self) -> str:
        """The same as a path of this machine or an fsspec URI."""
        root = self.store.root.removeprefix("file://")
        if "://" not in root:
            root = str(Path(root).absolute())
        return f"{root.rstrip('/')}/{self.path}"


@dataclass(frozen=True, slots=True)
class Counted:
    """What was written, or read again; equal when nothing was lost.

    Attributes:
        images: lines, or files.
        labelled: those with a label.
        check: a sum that tells which images and classes they were, as far as the format keeps that.
    """

    images: int = 0
    labelled: int = 0
    check: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        """Both together."""
        return Counted(
            self.images + other.images, self.labelled + other.labelled, self.check + other.check
        )


@dataclass(frozen=True, slots=True)
class Content:
    """What to export.

    Attributes:
        tables: the images, a part at a time, with `columns` and the `format` of each image.
        names: class -> name.
        read: reads originals by their URIs, in order.
        columns: `COLUMNS` or `PAIR_COLUMNS`.
    """

    tables: Iterable[pa.Table]
    names: Mapping[int, str]
    read: Callable[[Sequence[str]], Iterator[bytes | ServiceError]]
    columns: pa.Schema = COLUMNS


class Format(Protocol):
    """How labels are written to files.

    Attributes:
        suffix: of the file; "" for a folder.
    """

    suffix: str

    def write(self, place: Place, content: Content) -> Counted:
        """Write, so that at the place is nothing new or all of it; returns what was written."""

    def recount(self, place: Place) -> Counted:
        """Read what was written again."""


class FileFormat(ABC):
    """A format of one file that can be read back.

    Attributes:
        suffix: of the file.
    """

    suffix: str

    @abstractmethod
    def writer(
        self, out: BinaryIO, columns: pa.Schema = COLUMNS
    ) -> AbstractContextManager[Callable[[pa.Table], None]]:
        """A function that writes tables of these columns, until the block ends."""

    @abstractmethod
    def lines(self, file: BinaryIO, columns: Sequence[str]) -> Iterator[Lines]:
        """Read those of these columns that are there, some ten thousand lines at a time.

        Raises:
            InvalidArgument: the file is not of this format.
        """

    def write(self, place: Place, content: Content) -> Counted:
        """See Format."""
        total = Counted()
        with place.store.writer(place.path) as out, self.writer(out, content.columns) as write:  # type: ignore[arg-type]  # a RawIOBase is one
            for table in content.tables:
                write(table.select(content.columns.names))
                total += _count(table.select(_counted(table.column_names)).to_pydict())
        return total

    def recount(self, place: Place) -> Counted:
        """See Format."""
        total = Counted()
        with place.store.local(place.path).open("rb") as file:
            for lines in self.lines(file, ("row", *_CLASSES)):
                total += _count(lines)
        return total


_CLASSES = ("class_id", "class_ids")


def _counted(names: Sequence[str]) -> list[str]:
    return ["row", *(each for each in _CLASSES if each in names)]


def _count(lines: Lines) -> Counted:
    rows = [int(row) for row in lines["row"]]
    if "class_ids" in lines:
        codes = [zlib.crc32(str(each or "").encode()) for each in lines["class_ids"]]
    else:
        codes = [int(each) for each in lines["class_id"]]
    labelled = sum(1 for each in codes if each > 0)
    check = sum((row + 1) * (each + 1) for row, each in zip(rows, codes, strict=True))
    return Counted(len(rows), labelled, check)
