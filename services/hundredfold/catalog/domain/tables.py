"""Reads images out of tables: which column holds what, and what a record says."""

import csv
import itertools
import json
import os.path
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from hundredfold.catalog.domain.found import Found
from hundredfold.chassis.errors import InvalidArgument

URI_NAMES = ("uri", "path", "file", "filename", "image", "url")
IMAGE_NAMES = ("image", "bytes", "content", "jpg")
LABEL_NAMES = ("label", "class", "category")
TAGS_NAMES = ("tags",)
KEY_NAMES = ("id", "key")

MAX_LINE = 1 << 20

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns to use; "" leaves the choice to the names that are usual."""

    uri: str = ""
    image: str = ""
    label: str = ""
    tags: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The columns of one table; "" for one that is not there. One of `uri` and `image` is set."""

    uri: str
    image: str
    label: str
    tags: str
    key: str

    def beside_image(self) -> list[str]:
        """The columns that are read whole: all but the bytes."""
        return [name for name in (self.uri, self.label, self.tags, self.key) if name]


def choose(wanted: Columns, names: Sequence[str], binary: Sequence[str] = ()) -> Chosen:
    """Find the columns of a table.

    Args:
        wanted: what the caller asked for.
        names: all columns.
        binary: those that may hold encoded images.

    Raises:
        InvalidArgument: a column asked for is not there, or there is neither URI nor image.
    """
    image = ""
    if wanted.image or not wanted.uri:
        image = _pick(wanted.image, IMAGE_NAMES, binary, "image_column")
    uri = "" if image else _pick(wanted.uri, URI_NAMES, names, "uri_column")
    if not image and not uri:
        raise InvalidArgument(
            f"the table has neither images nor one of the columns {', '.join(URI_NAMES)}; "
            f"it has {', '.join(names[:20])}",
            field="uri_column",
        )
    return Chosen(
        uri=uri,
        image=image,
        label=_pick(wanted.label, LABEL_NAMES, names, "label_column"),
        tags=_pick(wanted.tags, TAGS_NAMES, names, "tags_column"),
        key=_pick(wanted.key, KEY_NAMES, names, "key_column"),
    )


def _pick(wanted: str, usual: Sequence[str], names: Sequence[str], field: str) -> str:
    if wanted and wanted not in names:
        raise InvalidArgument(
            f"there is no such column {wanted!r}; there are {', '.join(names[:20])}", field=field
        )
    return wanted or next((name for name in usual if name in names), "")


def text_of(value: object) -> str | None:
    """A label or key as text: "" and NaN are None."""
    if value is None or value == "" or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.strip() or None


def tags_of(value: object) -> tuple[str, ...]:
    """Tags from a list, or from a text split at `;` (at `,` when it has no `;`)."""
    if isinstance(value, str):
        value = value.split(";" if ";" in value else ",")
    if not isinstance(value, list | tuple):
        return ()
    texts = (text_of(item) for item in value)
    return tuple(dict.fromkeys(text for text in texts if text))


def located(uri: str, folder: str) -> str:
    """Where a URI of a table in `folder` leads: relative ones begin there."""
    if uri.startswith("file://"):
        uri = uri.removeprefix("file://")
    if "://" in uri:
        return uri
    if "://" in folder:
        return f"{folder.rstrip('/')}/{uri}"
    return os.path.normpath(os.path.join(folder, uri))  # noqa: PTH118 - a URI may be no path


def image_of(record: Record, chosen: Chosen, folder: str) -> Found | None:
    """The image that a record of URIs names; None when it names none."""
    uri = text_of(record.get(chosen.uri))
    if uri is None:
        return None
    return Found(
        uri=located(uri, folder),
        key=text_of(record.get(chosen.key)) or uri,
        label=text_of(record.get(chosen.label)),
        tags=tags_of(record.get(chosen.tags)),
    )


def stored_image_of(record: Record, chosen: Chosen, file: str, number: int) -> Found:
    """The image whose bytes are in row `number` of a Parquet file; the bytes stay there."""
    uri = f"{file}#{chosen.image}:{number}"
    return Found(
        uri=uri,
        key=text_of(record.get(chosen.key)) or uri,
        label=text_of(record.get(chosen.label)),
        tags=tags_of(record.get(chosen.tags)),
    )


@dataclass
class TextTable:
    """The images of a CSV or JSONL file.

    Attributes:
        lines: the open file.
        folder: where relative URIs begin.
        wanted: the columns to use.
        passed_over: records that name no image, counted as they are met.
    """

    lines: TextIO
    folder: str
    wanted: Columns
    passed_over: int = 0

    def csv(self, delimiter: str = ",") -> Iterator[Found]:
        """Read it as CSV with a head line."""
        records = csv.DictReader(_limited(self.lines), delimiter=delimiter)
        chosen = choose(self.wanted, [name for name in records.fieldnames or () if name])
        return self._images(records, chosen)

    def jsonl(self) -> Iterator[Found]:
        """Read it as one JSON object a line; the first ones decide which columns there are."""
        records = self._objects()
        first = list(itertools.islice(records, 100))
        if first:
            names = dict.fromkeys(name for record in first for name in record)
            chosen = choose(self.wanted, list(names))
            yield from self._images(itertools.chain(first, records), chosen)

    def _images(self, records: Iterable[Record], chosen: Chosen) -> Iterator[Found]:
        for record in records:
            found = image_of(record, chosen, self.folder)
            if found is None:
                self.passed_over += 1
            else:
                yield found

    def _objects(self) -> Iterator[Record]:
        for line in _limited(self.lines):
            if line.isspace():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            if isinstance(record, dict):
                yield record
            else:
                self.passed_over += 1


def _limited(lines: TextIO) -> Iterator[str]:
    while line := lines.readline(MAX_LINE):
        if len(line) >= MAX_LINE:
            raise InvalidArgument(f"the table has a line of more than {MAX_LINE} characters")
        yield line
