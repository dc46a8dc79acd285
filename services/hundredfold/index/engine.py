"""What an index of vectors is to the rest of the service, whoever keeps it.

There is one in the store, by faiss (`indexes.py`), and one in Milvus (`milvus/`). Both are built of a space, are searched
by a `Finder` that knows vectors by their position among `OpenIndex.rows`, and tell what a build measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Conflict
from hundredfold.index.domain.finding import Finder
from hundredfold.index.domain.progress import Progress
from hundredfold.index.spaces import Space


@dataclass(frozen=True)
class Wish:
    """What kind of index is to be built.

    Attributes:
        exact_below: from so many vectors on it need not be exact.
        memory: bytes that it may take in this service; 0 = any.
    """

    exact_below: int
    memory: int = 0


@dataclass(frozen=True)
class OpenIndex:
    """An index that can be searched.

    Attributes:
        rows: int64 [m], ascending: the row of each vector in it.
        dimensions: of a vector.
        version: tells it from the next one of its space.
        finder: searches it.
        here: bool [m], what of it can be searched; None = all.
        damaged: the files because of which the rest can't.
    """

    rows: NDArray[np.int64]
    dimensions: int
    version: str
    finder: Finder
    here: NDArray[np.bool_] | None = None
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """What is known of an index.

    Attributes:
        engine: "local" or "milvus".
        facts: what its build told: `kind`, `codes`, `factory`, `count`, `dimensions`, `lists`, `probes`, `depth`,
            `recall`, `held_out`, `memory`, `damaged`.
        bytes: of its file, 0 when it has none.
        current: whether it was made of the vectors that are there now.
        signed: whether its manifest is.
    """

    engine: str
    facts: Mapping[str, Any]
    bytes: int
    current: bool
    signed: bool


class IndexEngine(Protocol):
    """Keeps one index a space. Safe for threads."""

    def build(
        self, collection: str, space: str, source: Space, wish: Wish, progress: Progress
    ) -> Mapping[str, Any]:
        """Make the index of a space be of these vectors; what is there already is left alone.

        Returns:
            The facts of `Told`.

        Raises:
            ResourceExhausted: INDEX_MEMORY, nothing fits into the memory.
        """

    def told(self, collection: str, space: str) -> Told:
        """What is known of the index of a space; raises as `open`."""

    def version(self, collection: str, space: str) -> str:
        """What tells one index of a space from the next; raises as `open`."""

    def open(self, collection: str, space: str) -> OpenIndex:
        """Make the index of a space ready to be searched.

        Raises:
            NotFound: there is no such collection.
            Conflict: there is no index (NO_INDEX), or it is not to be trusted: build it again.
            Aborted: it is being replaced all the time.
            Unavailable: who keeps it is away.
        """


def no_index(space: str) -> Conflict:
    """What is raised when a space has none."""
    return Conflict(f"space {space} has no index; call BuildIndex", reason="NO_INDEX")


def outdated(why: str) -> Conflict:
    """What is raised when the vectors have changed so that an index is of no use."""
    return Conflict(f"{why}; call BuildIndex", reason="INDEX_OUTDATED")
