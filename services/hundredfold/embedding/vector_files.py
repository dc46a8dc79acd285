"""What a file of vectors that people bring is, whatever its format."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import InvalidArgument

Ids = NDArray[np.int64] | list[str]
"""Some of the ids of a file, in its order: rows, or keys or URIs."""


@dataclass(frozen=True)
class Asked:
    """Where vectors are and what their ids name; fields as in `ImportVectorsRequest`.

    Attributes:
        match: `row`, `key` or `uri`; "" leaves it to the file.
    """

    source: str
    ids: str = ""
    match: str = ""
    vector_column: str = ""
    id_column: str = ""

    def to_json(self) -> dict[str, str]:
        """As parameters of a run."""
        return asdict(self)


class VectorFile(Protocol):
    """An open file of vectors."""

    @property
    def count(self) -> int:
        """How many vectors there are."""
        ...

    @property
    def dimensions(self) -> int:
        """Their length."""
        ...

    @property
    def match(self) -> str:
        """What the ids name: `row`, `key` or `uri`."""
        ...

    def ids(self) -> Iterator[Ids]:
        """All ids in the order of the vectors, a piece at a time; none when vector i is that of row i.

        Raises:
            InvalidArgument: they are no such ids, or not as many as there are vectors.
        """
        ...

    def read(
        self, positions: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.floating[Any]]]]:
        """The vectors at some positions, ascending, a piece at a time: where among them, and float [n, d].

        What lies between is skipped where the file allows it.

        Raises:
            InvalidArgument: BAD_CONTAINER, the file is damaged there; or a vector has another dimension.
        """
        ...


def bad(field: str, why: str) -> InvalidArgument:
    """The error of a file that is not what it should be."""
    return InvalidArgument(why, reason="BAD_CONTAINER", field=field)


def pieces(positions: NDArray[np.int64], size: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Which pieces of `size` vectors hold some positions, and which of the positions each holds."""
    of = positions // size
    for piece in np.unique(of).tolist():
        yield piece, np.arange(*np.searchsorted(of, (piece, piece + 1)))
