"""Which images a space has vectors of, and those that a better space lacks since it was made."""

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.peers import Embedder, request_id
from hundredfold.selection.state import LoopState
from hundredfold.selection.store import SelectionStore


class SpaceRows:
    """The images of spaces; those of the one asked for last are kept in mind until it grows.

    Args:
        store: of vectors.
    """

    def __init__(self, store: SelectionStore) -> None:
        self._store = store
        self._version = ""
        self._rows: NDArray[np.int64] = np.empty(0, np.int64)

    def of(self, collection: str, space: str) -> NDArray[np.int64]:
        """The rows that have a vector in a space: int64 [m], ascending."""
        version = f"{space} {self._store.vectors_version(collection, space)}"
        if self._version != version:
            self._rows = self._store.rows(collection, space)
            self._version = version
        return self._rows


class CatchingUp:
    """Lets the space in use have what the first one has: whoever adds images embeds them there.

    Args:
        store: of vectors.
        rows: of spaces.
        embedder: makes what is missing.
    """

    def __init__(self, store: SelectionStore, rows: SpaceRows, embedder: Embedder) -> None:
        self._store = store
        self._rows = rows
        self._embedder = embedder
        self._done = ""  # version of the first space up to which nothing is missing

    def embed_new_images(self, state: LoopState) -> None:
        """Ask for the vectors that are missing; nothing happens while the loop is in its first space."""
        promoted = [each for each in state.backbone_rounds if each.promoted]
        if not promoted or promoted[0].before == state.space:
            return
        origin = promoted[0].before
        version = self._store.vectors_version(state.collection, origin)
        if not version or version == self._done:
            return
        missing = np.setdiff1d(
            self._store.rows(state.collection, origin),
            self._rows.of(state.collection, state.space),
            assume_unique=True,
        )
        if len(missing):
            run_id = self._embedder.embed(
                state.collection,
                state.space,
                duplicates=state.duplicates,
                first_rows=missing[:0],
                key=request_id(state.collection, state.space, version),
            )
            if not self._embedder.runs.get(run_id).ended:
                return
        self._done = version
