"""Vectors in a column of a Parquet file, their ids in another."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.embedding.vector_files import Asked, Ids, bad

_VECTORS = ("vector", "embedding", "vectors", "embeddings")
_IDS = ("row", "key", "uri")
_ROWS_AT_ONCE = 4096


class ParquetVectors:
    """See `VectorFile`."""

    def __init__(self, file: BinaryIO, asked: Asked) -> None:
        with _errors_told():
            self._parquet = pq.ParquetFile(file, page_checksum_verification=True)
            schema = self._parquet.schema_arrow
        self._vectors = _pick(asked.vector_column, _VECTORS, schema.names, "vector_column")
        _check_kind(self._vectors, schema.field(self._vectors).type)
        self.match, self._ids = _id_column(asked, schema)
        metadata = self._parquet.metadata
        self.count = metadata.num_rows
        sizes = [metadata.row_group(each).num_rows for each in range(metadata.num_row_groups)]
        self._begins = [0, *accumulate(sizes)]
        self.dimensions = self._find_dimensions()

    def ids(self) -> Iterator[Ids]:
        """See `VectorFile.ids`."""
        if not self._ids:
            return
        for batch in self._batches(None, self._ids):
            if batch.null_count:
                raise bad("id_column", f"{self._ids} has a null: each vector needs its id")
            yield batch.cast(pa.int64()).to_numpy() if self.match == "row" else batch.to_pylist()

    def read(
        self, positions: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.floating[Any]]]]:
        """See `VectorFile.read`; what is skipped are row groups."""
        for group, begin in enumerate(self._begins[:-1]):
            first, last = np.searchsorted(positions, (begin, self._begins[group + 1]))
            if first == last:
                continue
            at = begin
            for batch in self._batches([group], self._vectors):
                places = np.arange(*np.searchsorted(positions, (at, at + len(batch))))
                if len(places):
                    yield places, self._array(batch, at)[positions[places] - at]
                at += len(batch)

    def _batches(self, groups: Sequence[int] | None, column: str) -> Iterator[Any]:
        with _errors_told():
            for batch in self._parquet.iter_batches(
                _ROWS_AT_ONCE, row_groups=groups, columns=[column], use_threads=False
            ):
                yield batch.column(0)

    def _find_dimensions(self) -> int:
        kind = self._parquet.schema_arrow.field(self._vectors).type
        if pa.types.is_fixed_size_list(kind):
            return int(kind.list_size)
        for batch in self._batches(None, self._vectors):
            for length in batch.value_lengths().drop_null():
                return int(length.as_py())
        return 0

    def _array(self, batch: Any, begin: int) -> NDArray[np.floating[Any]]:
        """Lists as float [n, d]; those that are null, or hold a null, with NaN."""
        there = batch.is_valid().to_numpy(zero_copy_only=False)
        filled = batch.drop_null()
        if not pa.types.is_fixed_size_list(batch.type):
            lengths = filled.value_lengths().to_numpy()
            if (wrong := lengths != self.dimensions).any():
                place = begin + int(np.flatnonzero(there)[np.argmax(wrong)])
                raise InvalidArgument(
                    f"vector {place} has {lengths[np.argmax(wrong)]} dimensions, "
                    f"the first one {self.dimensions}",
                    field="source",
                )
        values = filled.flatten().to_numpy(zero_copy_only=False)
        if not there.all():
            found = np.full((len(batch), self.dimensions), np.nan, values.dtype)
            found[there] = values.reshape(-1, self.dimensions)
            return found
        vectors: NDArray[np.floating[Any]] = values.reshape(-1, self.dimensions)
        return vectors


def _id_column(asked: Asked, schema: Any) -> tuple[str, str]:
    """What the ids name, and their column, "" when vector i is that of row i."""
    names = (asked.match,) if asked.match else _IDS
    if not asked.id_column and not set(names) & set(schema.names):
        if asked.match:
            raise _absent(asked.match, schema.names, "id_column")
        return "row", ""
    column = _pick(asked.id_column, names, schema.names, "id_column")
    match = asked.match or (column if column in _IDS else "")
    if not match:
        raise InvalidArgument(f"say what {column} is: rows, keys or URIs", field="match")
    kind = schema.field(column).type
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (pa.types.is_integer(kind) if match == "row" else texts):
        wanted = "integers" if match == "row" else "texts"
        raise bad("id_column", f"{column} is of {kind}, not {wanted}")
    return match, column


def _check_kind(column: str, kind: Any) -> None:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(fits(kind) for fits in lists) or not pa.types.is_floating(kind.value_type):
        raise bad("vector_column", f"{column} is of {kind}, not lists of floats")


def _pick(wanted: str, usual: Sequence[str], names: Sequence[str], field: str) -> str:
    if wanted and wanted not in names:
        raise _absent(wanted, names, field)
    found = wanted or next((name for name in usual if name in names), "")
    if not found:
        raise _absent(" or ".join(usual[:2]), names, field)
    return found


def _absent(wanted: str, names: Sequence[str], field: str) -> InvalidArgument:
    return InvalidArgument(
        f"there is no column {wanted}; there are {', '.join(names[:20])}", field=field
    )


@contextmanager
def _errors_told() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise bad("source", f"source is no whole Parquet file: {str(error)[:200]}") from error
