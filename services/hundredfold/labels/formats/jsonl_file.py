"""JSON lines: one object an image, UTF-8."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.labels.formats.base import COLUMNS, FileFormat, Lines

_LINES = 20_000
_LINE_BYTES = 1 << 20


class JSONLFile(FileFormat):
    """One JSON object an image."""

    suffix = ".jsonl"

    @contextmanager
    def writer(
        self, out: BinaryIO, columns: pa.Schema = COLUMNS
    ) -> Iterator[Callable[[pa.Table], None]]:
        """See FileFormat."""

        def write(table: pa.Table) -> None:
            objects = table.select(columns.names).to_pylist()
            lines = [json.dumps(each, ensure_ascii=False) + "\n" for each in objects]
            out.write("".join(lines).encode())

        yield write

    def lines(self, file: BinaryIO, columns: Sequence[str]) -> Iterator[Lines]:
        """See FileFormat."""
        numbered = enumerate(iter(lambda: file.readline(_LINE_BYTES), b""), 1)
        while some := list(islice(numbered, _LINES)):
            objects = [_object(at, line) for at, line in some if line.strip()]
            names = [name for name in columns if any(name in each for each in objects)]
            yield {name: [each.get(name) for each in objects] for name in names}


def _object(number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidArgument(f"line {number} is not a JSON object", field="source")
    return found
