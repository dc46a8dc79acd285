"""Parquet."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.labels.formats.base import COLUMNS, FileFormat, Lines

_LINES = 20_000


class ParquetFile(FileFormat):
    """One row an image."""

    suffix = ".parquet"

    @contextmanager
    def writer(
        self, out: BinaryIO, columns: pa.Schema = COLUMNS
    ) -> Iterator[Callable[[pa.Table], None]]:
        """See FileFormat."""
        with pq.ParquetWriter(out, columns, compression="zstd") as writer:
            yield lambda table: writer.write_table(table.cast(columns))

    def lines(self, file: BinaryIO, columns: Sequence[str]) -> Iterator[Lines]:
        """See FileFormat."""
        try:
            source = pq.ParquetFile(file, page_checksum_verification=True)
            names = [name for name in columns if name in source.schema_arrow.names]
            for batch in source.iter_batches(_LINES, columns=names):
                yield batch.to_pydict()
        except (pa.ArrowException, OSError) as error:
            raise InvalidArgument(f"not a whole Parquet file: {error}", field="source") from error
