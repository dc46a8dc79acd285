"""Single cells of a binary Parquet column, cheap when they are asked for in order."""

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO

from hundredfold.chassis.errors import InvalidArgument, NotFound, ResourceExhausted

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROW_GROUP_BYTES = 2 * 1024**3


class ParquetCells:
    """A column of binary, or of structs with a binary `bytes`; keeps the last row group it read.

    Owns the file. Not safe for threads.

    Raises:
        InvalidArgument: BAD_CONTAINER, no Parquet file, or no such column.
    """

    def __init__(self, file: BinaryIO, column: str) -> None:
        import pyarrow as pa  # noqa: PLC0415  not every service that reads images has it
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._errors = (pa.ArrowException, OSError)
        self._file = file
        try:
            self._parquet = pq.ParquetFile(file)
            self._column = _binary_column(self._parquet.schema_arrow, column)
        except self._errors as error:
            file.close()
            raise _bad(f"not a Parquet file: {error}") from error
        except InvalidArgument:
            file.close()
            raise
        metadata = self._parquet.metadata
        rows = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        self._ends = list(accumulate(rows))
        self._group = -1
        self._cells: pa.ChunkedArray | None = None

    def read(self, row: int, limit: int) -> bytes:
        """The bytes of one cell.

        Raises:
            NotFound: no such row, or its cell is null.
            ResourceExhausted: TOO_LARGE, more than `limit` bytes.
            InvalidArgument: BAD_CONTAINER, damaged there.
        """
        group = bisect_right(self._ends, row)
        if group == len(self._ends):
            raise NotFound(f"no row {row}", field="uri")
        begin = self._ends[group - 1] if group else 0
        cell = self._row_group(group)[row - begin]
        if not cell.is_valid:
            raise NotFound(f"row {row} is null", field="uri")
        data = cell.as_buffer()
        if data is None or data.size > limit:
            raise ResourceExhausted(f"more than {limit} bytes", reason="TOO_LARGE", field="uri")
        return bytes(data)

    def close(self) -> None:
        """Close the file."""
        self._cells = None
        self._file.close()

    def _row_group(self, group: int) -> "pa.ChunkedArray":
        if self._cells is None or group != self._group:
            self._cells = None  # the old one need not live beside the new
            self._cells, self._group = self._load(group), group
        return self._cells

    def _load(self, group: int) -> "pa.ChunkedArray":
        import pyarrow.compute as pc  # noqa: PLC0415

        self._check_size(group)
        try:
            cells = self._parquet.read_row_group(
                group, columns=[".".join(self._column)], use_threads=False
            ).column(0)
            return pc.struct_field(cells, "bytes") if len(self._column) > 1 else cells
        except self._errors as error:
            raise _bad(f"damaged in row group {group}: {error}") from error

    def _check_size(self, group: int) -> None:
        metadata = self._parquet.metadata.row_group(group)
        chunks = (metadata.column(index) for index in range(metadata.num_columns))
        path = ".".join(self._column)
        size = sum(
            chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema == path
        )
        if size > MOST_ROW_GROUP_BYTES:
            raise ResourceExhausted(
                f"row group {group} has {size} bytes, at most {MOST_ROW_GROUP_BYTES}; write smaller ones",
                reason="TOO_LARGE",
                field="uri",
            )


def _bad(why: str) -> InvalidArgument:
    return InvalidArgument(why[:300], reason="BAD_CONTAINER", field="uri")


def _binary_column(schema: "pa.Schema", column: str) -> tuple[str, ...]:
    import pyarrow.types as kinds  # noqa: PLC0415

    def binary(kind: "pa.DataType") -> bool:
        return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))

    if schema.get_field_index(column) < 0:
        raise _bad(f"no column {column!r}, or several")
    kind = schema.field(column).type
    if binary(kind):
        return (column,)
    if (
        kinds.is_struct(kind)
        and kind.get_field_index("bytes") >= 0
        and binary(kind.field("bytes").type)
    ):
        return (column, "bytes")
    raise _bad(f"column {column!r} holds {kind}, not binary nor a struct with binary `bytes`")
