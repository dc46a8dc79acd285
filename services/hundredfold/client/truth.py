"""The truth of a collection, from a file, for simulations."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.client.types import Image

_KEYS = ("path", "key", "id", "uri", "image", "file", "filename")
_LABELS = ("label", "class", "category")
_NOTHING = (None, "")


def read_truth(path: Path, *, several: bool = False) -> dict[str, str]:
    """Read key -> class name from a CSV, JSONL or Parquet file.

    Rows without one of the two are passed over; not so where an image may be of `several` classes, whose names
    are joined by `;`: without a name it is of none.

    Raises:
        InvalidArgument: no such file, one that can't be read, or no column of keys or labels.
    """
    if not path.is_file():
        raise InvalidArgument(f"there is no file {path}", field="truth")
    try:
        return _truth(_READERS.get(path.suffix.lower(), _unknown)(path), path, several=several)
    except (ValueError, csv.Error, OSError) as error:
        raise InvalidArgument(f"{path} can't be read: {error}", field="truth") from error


def _truth(rows: Iterable[Mapping[str, object]], path: Path, *, several: bool) -> dict[str, str]:
    truth: dict[str, str] = {}
    key_column = label_column = ""
    for row in rows:
        if not key_column:
            key_column = _column(row, _KEYS, path)
            label_column = _column(row, _LABELS, path)
        key, label = row.get(key_column), row.get(label_column)
        if key not in _NOTHING and (several or label not in _NOTHING):
            truth[str(key)] = str(label or "")
    if not truth:
        raise InvalidArgument(f"{path} holds no rows with a key and a label", field="truth")
    return truth


def match(truth: Mapping[str, str], images: Iterable[Image]) -> dict[int, str]:
    """The class name of each image that the truth knows: by key, else by its file name.

    A file name counts only where it is unique in the truth.
    """
    by_name: dict[str, str | None] = {}
    for key, named in truth.items():
        name = PurePosixPath(key).name
        by_name[name] = None if name in by_name else named
    found: dict[int, str] = {}
    for image in images:
        label = truth.get(image.key)
        if label is None:
            label = by_name.get(PurePosixPath(image.key).name)
        if label is not None:
            found[image.row] = label
    return found


def _column(row: Mapping[str, object], names: tuple[str, ...], path: Path) -> str:
    for name in names:
        if name in row:
            return name
    raise InvalidArgument(f"{path} has no column {' or '.join(names)}", field="truth")


def _csv(path: Path) -> Iterator[Mapping[str, object]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _jsonl(path: Path) -> Iterator[Mapping[str, object]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("a line is no JSON object")
                yield row


def _parquet(path: Path) -> Iterator[Mapping[str, object]]:
    import pyarrow.parquet  # noqa: PLC0415 - only where a Parquet file is read

    file = pyarrow.parquet.ParquetFile(path)
    columns = [name for name in file.schema_arrow.names if name in _KEYS[:4] + _LABELS]
    for batch in file.iter_batches(columns=columns):
        yield from batch.to_pylist()


def _unknown(path: Path) -> Iterator[Mapping[str, object]]:
    raise InvalidArgument(f"{path}: give a .csv, .jsonl or .parquet file", field="truth")


_READERS = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
