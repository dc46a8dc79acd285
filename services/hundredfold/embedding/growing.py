"""Parts of a space while vectors are added to them, in any order."""

import time

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import PartInfo
from hundredfold.chassis.storage.store import damaged
from hundredfold.embedding.domain.vectors import PartVectors
from hundredfold.embedding.pieces import EmbeddedPiece
from hundredfold.embedding.store import PartState, Space

MOST_HELD = 16 * layout.PART_ROWS
"""Vectors of unfinished parts that are kept in memory: 2.7 GB of 1,280 numbers."""


class GrowingPart:
    """A part while vectors are added to it.

    Args:
        space: it is a part of it.
        info: the part.
        kept: what is there.
        missing: int64 [m], ascending: the rows without a vector.
        order: int64 [k], those of them to embed now.
        duplicates: the FindDuplicates run whose representatives these are; "" = every image.
    """

    def __init__(
        self,
        space: Space,
        info: PartInfo,
        kept: PartVectors,
        missing: NDArray[np.int64],
        order: NDArray[np.int64],
        *,
        duplicates: str,
    ) -> None:
        self.order = order
        self.info = info
        self._space = space
        self._duplicates = duplicates
        self._missing = missing
        self._kept: PartVectors | None = kept
        self._more = [PartVectors(kept.rows[:0], kept.vectors[:0])]
        self._vectors = len(kept.rows)
        self._tried = [kept.rows[:0]]
        self._failed = 0
        self._left = len(order)
        # What is in the store may hold rows that are left out now.
        self._is_saved = len(order) > 0 and len(kept.rows) == space.state(info.part).vectors
        self._in_store = 0
        self.held = len(kept.rows)
        """How many vectors are in memory."""

    @property
    def complete(self) -> bool:
        """Whether all that is to be embedded now was tried."""
        return not self._left

    def add(self, piece: EmbeddedPiece) -> None:
        """Take what became of some of its rows."""
        # Copies: what comes from a cluster lies in memory that all its processes share, and is held there till it goes.
        self._tried.append(piece.tried.copy())
        self._more.append(PartVectors(piece.rows.copy(), piece.vectors.copy()))
        self._vectors += len(piece.rows)
        self._failed += len(piece.tried) - len(piece.rows)
        self._left -= len(piece.tried)
        self.held += len(piece.rows)
        self._is_saved = False

    def state(self) -> PartState:
        """`rows` stops before the first row that is still missing."""
        left = self._missing[~np.isin(self._missing, np.concatenate(self._tried))]
        first = self.info.part * layout.PART_ROWS
        rows = int(left[0]) - first if len(left) else self.info.rows
        return PartState(rows, self._failed, self._duplicates, self._vectors)

    def save(self) -> None:
        """Write what there is, if it is not written yet.

        Raises:
            Conflict: ARTIFACT_DAMAGED, what was let go is not in the store any more.
        """
        if self._is_saved:
            return
        more = PartVectors(
            np.concatenate([each.rows for each in self._more]),
            np.concatenate([each.vectors for each in self._more]),
        )
        kept = self._read() if self._kept is None else self._kept
        self._kept = kept.with_more(more)
        del self._more[1:]
        self._space.write(self.info.part, self._kept, self.state())
        self.held = len(self._kept.rows)
        self._is_saved = True

    def let_go(self) -> None:
        """Save it, and keep no vectors in memory: they are read again when more have come."""
        self.save()
        self._kept = None
        self._in_store, self.held = self._vectors, 0

    def _read(self) -> PartVectors:
        kept = self._space.read(self.info.part)
        if len(kept.rows) != self._in_store:
            raise damaged(
                f"{self._space}/{layout.vectors_part(self.info.part)}", "not what was saved"
            )
        return kept


class GrowingParts:
    """The parts that are at work. Each is saved when it is complete, and all every so often.

    Args:
        save_seconds: how often.
        most_held: with more vectors in memory than these they are saved, and kept in the store alone.
    """

    def __init__(self, save_seconds: float, most_held: int = MOST_HELD) -> None:
        self._save_seconds = save_seconds
        self._most_held = most_held
        self._parts: dict[int, GrowingPart] = {}
        self._saved_at = time.monotonic()

    def open(self, part: GrowingPart) -> None:
        """Take up a part; one without rows to embed is saved, as others of its rows may be left out now."""
        if part.complete:
            part.save()
        else:
            self._parts[part.info.part] = part

    def add(self, piece: EmbeddedPiece) -> None:
        """Take what became of some rows of a part that is at work."""
        part = self._parts[piece.part]
        part.add(piece)
        if part.complete:
            part.save()
            del self._parts[piece.part]
        elif sum(each.held for each in self._parts.values()) > self._most_held:
            for each in self._parts.values():
                each.let_go()
        elif time.monotonic() - self._saved_at > self._save_seconds:
            self.save()

    def save(self) -> None:
        """Save all that is at work."""
        for part in self._parts.values():
            part.save()
        self._saved_at = time.monotonic()
