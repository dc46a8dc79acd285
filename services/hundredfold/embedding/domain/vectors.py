"""Vectors of length 1, and which of a part's rows have one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SHORTEST = 1e-6
"""A shorter vector has no direction: float32 noise decides it."""


def unit_vectors(
    raw: NDArray[np.floating],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Scale vectors to length 1 and tell which are fit to be stored.

    Args:
        raw: any float [n, d], as a model gave it.

    Returns:
        float32 [n, d], zeros where a vector has a NaN, an infinity or no length, and
        bool [n], false there.
    """
    finite = np.isfinite(raw).all(axis=1)
    vectors = np.where(finite[:, None], raw, 0).astype(np.float64)  # float32 squared may overflow
    lengths = np.linalg.norm(vectors, axis=1)
    good = finite & (lengths > _SHORTEST)
    scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=good)
    return (vectors * scale[:, None]).astype(np.float32), good


@dataclass(frozen=True)
class PartVectors:
    """The vectors of one part.

    Attributes:
        rows: int64 [m], ascending.
        vectors: float16 [m, d].
    """

    rows: NDArray[np.int64]
    vectors: NDArray[np.float16]

    @classmethod
    def empty(cls, dimensions: int) -> "PartVectors":
        """A part without vectors."""
        return cls(np.empty(0, np.int64), np.empty((0, dimensions), np.float16))

    def only(self, rows: NDArray[np.int64]) -> "PartVectors":
        """The vectors of those of `rows` that have one."""
        kept = np.isin(self.rows, rows)
        return self if kept.all() else PartVectors(self.rows[kept], self.vectors[kept])

    def with_more(self, more: "PartVectors") -> "PartVectors":
        """These and other vectors, in the order of their rows; no row may be in both."""
        rows, vectors = more.rows, more.vectors
        if len(self.rows):
            rows = np.concatenate([self.rows, rows])
            vectors = np.concatenate([self.vectors, vectors])
        if (
            np.diff(rows) > 0
        ).all():  # as nearly always: a copy would be a part's 100 megabytes and more
            return PartVectors(rows, vectors)
        order = np.argsort(rows, kind="stable")
        return PartVectors(rows[order], vectors[order])

    def missing(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of `rows`, ascending int64 [n], that have no vector here."""
        return rows[~np.isin(rows, self.rows)]


def wanted_rows(
    ok: NDArray[np.int64], representative: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """The rows of a part that are to have a vector.

    Args:
        ok: int64 [n], ascending: the rows whose image can be read.
        representative: int64 [N], of each row of the collection the row that represents it;
            None = every row represents itself. Rows that it does not know yet are left out.
    """
    if representative is None:
        return ok
    known = ok[ok < len(representative)]
    wanted: NDArray[np.int64] = known[representative[known] == known]
    return wanted
