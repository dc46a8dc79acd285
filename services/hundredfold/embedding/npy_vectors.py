"""Vectors in an array of numpy, their ids in another."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.embedding.vector_files import Asked, Ids, bad, pieces

_BYTES_AT_ONCE = 16 << 20


@dataclass(frozen=True)
class _Array:
    """An open `.npy`: where its numbers begin, their shape and type."""

    file: BinaryIO
    field: str
    begin: int
    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"

    @classmethod
    def open(cls, file: BinaryIO, field: str) -> "_Array":
        try:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, by_columns, dtype = read(file)
        except (ValueError, EOFError) as error:
            raise bad(field, f"{field} is no .npy: {str(error)[:200]}") from error
        if by_columns and len(shape) > 1:
            raise bad(field, f"{field} is in Fortran order: save np.ascontiguousarray of it")
        if dtype.hasobject:
            raise bad(field, f"{field} holds Python objects, which are not read")
        array = cls(file, field, file.tell(), shape, dtype)
        there, wanted = (
            file.seek(0, 2) - array.begin,
            int(np.prod(shape, dtype=float)) * dtype.itemsize,
        )
        if there < wanted:
            raise bad(
                field, f"{field} is cut off: {there:,} bytes of numbers, its head says {wanted:,}"
            )
        return array

    @property
    def at_once(self) -> int:
        """How many rows are read together."""
        return max(1, _BYTES_AT_ONCE // max(1, self._row_bytes))

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=int)) * self.dtype.itemsize

    def piece(self, number: int) -> NDArray[Any]:
        begin = number * self.at_once
        rows = min(self.at_once, self.shape[0] - begin)
        self.file.seek(self.begin + begin * self._row_bytes)
        data = self.file.read(rows * self._row_bytes)
        if len(data) < rows * self._row_bytes:
            raise bad(self.field, f"{self.field} has become shorter")
        return np.frombuffer(data, self.dtype).reshape(rows, *self.shape[1:])


class NpyVectors:
    """See `VectorFile`."""

    def __init__(self, file: BinaryIO, ids: BinaryIO | None, asked: Asked) -> None:
        self._vectors = _Array.open(file, "source")
        if len(self._vectors.shape) != 2 or self._vectors.dtype.kind != "f":
            raise bad("source", f"source is {_told(self._vectors)}, not floats of shape [m, d]")
        if self._vectors.dtype.itemsize > 8:
            raise bad(
                "source", f"source is {_told(self._vectors)}, not float16, float32 or float64"
            )
        self._ids = None if ids is None else _Array.open(ids, "ids")
        self.count, self.dimensions = self._vectors.shape
        self.match = asked.match or "row"
        if self._ids is not None:
            self._check_ids(self._ids, asked.match)
        elif self.match != "row":
            raise InvalidArgument("vectors in .npy need a file of ids to be matched", field="ids")

    def ids(self) -> Iterator[Ids]:
        """See `VectorFile.ids`."""
        if self._ids is None:
            return
        for number in range(-(-self.count // self._ids.at_once)):
            some = self._ids.piece(number)
            yield some.astype(np.int64) if self.match == "row" else list(map(str, some.tolist()))

    def read(
        self, positions: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.floating[Any]]]]:
        """See `VectorFile.read`."""
        size = self._vectors.at_once
        for number, places in pieces(positions, size):
            yield places, self._vectors.piece(number)[positions[places] - number * size]

    def _check_ids(self, ids: _Array, match: str) -> None:
        if ids.shape != (self.count,):
            raise bad("ids", f"ids is {_told(ids)}; there are {self.count:,} vectors")
        wanted = "iu" if self.match == "row" else "U"
        if ids.dtype.kind not in wanted:
            say = "" if match else ": say whether they are keys or URIs"
            kind = "integers" if self.match == "row" else "texts"
            raise bad("ids", f"ids is {_told(ids)}, not {kind}{say}")


def _told(array: _Array) -> str:
    return f"{array.dtype.name} {list(array.shape)}"
