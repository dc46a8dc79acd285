"""CSV: a head line, UTF-8, quoted where needed.

Values are written as they are. A spreadsheet may take one that begins with `=`, `+`, `-` or `@` for a
formula; changing such names would break every other reader, so open foreign files as text there.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import BinaryIO

import pyarrow as pa

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.labels.formats.base import COLUMNS, FileFormat, Lines

_LINES = 20_000


class CSVFile(FileFormat):
    """One line an image."""

    suffix = ".csv"

    @contextmanager
    def writer(
        self, out: BinaryIO, columns: pa.Schema = COLUMNS
    ) -> Iterator[Callable[[pa.Table], None]]:
        """See FileFormat."""
        text = io.TextIOWrapper(out, encoding="utf-8", newline="")
        # With "\n" Python would leave a value with a "\r" unquoted.
        lines = csv.writer(text, lineterminator="\r\n")
        lines.writerow(columns.names)

        def write(table: pa.Table) -> None:
            lines.writerows(zip(*table.to_pydict().values(), strict=True))

        yield write
        text.flush()
        text.detach()

    def lines(self, file: BinaryIO, columns: Sequence[str]) -> Iterator[Lines]:
        """See FileFormat."""
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            try:
                head = next(reader, [])
                places = {name: head.index(name) for name in columns if name in head}
                while some := list(islice(reader, _LINES)):
                    yield {
                        name: [line[at] if at < len(line) else None for line in some if line]
                        for name, at in places.items()
                    }
            except (csv.Error, UnicodeDecodeError) as error:
                raise InvalidArgument(
                    f"line {reader.line_num + 1} is not CSV in UTF-8: {error}", field="source"
                ) from error
