"""What people say of pairs of images, for others to read (`layout.pair_judgements`)."""

import io
from dataclasses import dataclass, fields

import numpy as np

from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.labels.domain.page import Mask, Rows


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The arrays of the artifact; see `layout.pair_judgements`."""

    left: Rows
    right: Rows
    same: Mask
    keep: Rows

    def same_as(self, other: "Judged") -> bool:
        """Whether both hold the same."""
        return all(
            np.array_equal(getattr(self, each.name), getattr(other, each.name))
            for each in fields(self)
        )

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it."""
        return not (self.left.size or self.keep.size)


_NOTHING = Judged(
    np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.bool_), np.empty(0, np.int64)
)


class JudgedPairs:
    """The artifact of each collection.

    Args:
        store: where it is.
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def read(self, collection: str) -> Judged:
        """What is there; nothing when it was never written or can't be read: it is made of the ledger."""
        try:
            data = self._store.read_bytes(layout.pair_judgements(collection))
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return Judged(*(arrays[each.name] for each in fields(Judged)))
        except (NotFound, ValueError, KeyError, OSError, EOFError):
            return _NOTHING

    def write(self, collection: str, judged: Judged, seq: int) -> None:
        """Replace it."""
        out = io.BytesIO()
        arrays = {each.name: getattr(judged, each.name) for each in fields(Judged)}
        np.savez_compressed(out, seq=np.int64(seq), **arrays)
        self._store.write_bytes(layout.pair_judgements(collection), out.getvalue())
