"""Where the images of a collection are, part by part, as the catalog says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.storage.collections import PartInfo, read_images_part
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.domain.vectors import wanted_rows

_SAMPLED_PARTS = 8
"""A sample is taken of so many parts: the lists of all parts of a large collection take minutes to read."""


@dataclass(frozen=True)
class OkImages:
    """The readable images of a part: rows int64 [n] ascending, and where each is."""

    rows: NDArray[np.int64]
    uris: Any  # pyarrow.Array of strings: a part's URIs as Python strings would be megabytes

    def uris_of(self, rows: NDArray[np.int64]) -> list[str]:
        """Where some of the rows are."""
        return list(self.uris.take(np.searchsorted(self.rows, rows)).to_pylist())


def ok_images(store: ArtifactStore, collection: str, part: int) -> OkImages:
    """The readable images of a part."""
    table = read_images_part(store, collection, part, ["row", "uri", "status"])
    ok = table["status"].to_numpy() == "ok"
    table = table.filter(ok)
    return OkImages(table["row"].to_numpy(), table["uri"].combine_chunks())


def sample(
    store: ArtifactStore,
    collection: str,
    parts: Sequence[PartInfo],
    known: NDArray[np.int64] | None,
    most: int,
) -> list[str]:
    """Where at most so many images are that are to have a vector, evenly spread; the same each time.

    Args:
        store: the artifact store.
        collection: whose.
        parts: of it.
        known: int64 [N], of each row its representative; None = every row represents itself.
        most: how many.
    """
    chosen = [parts[i] for i in _spread(len(parts), _SAMPLED_PARTS)]
    found: list[str] = []
    for info in chosen:
        images = ok_images(store, collection, info.part)
        rows = wanted_rows(images.rows, known)
        found += images.uris_of(rows[_spread(len(rows), most)])
    return [found[i] for i in _spread(len(found), most)]


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of the places 0 to `count` - 1, evenly spread: int64, ascending."""
    return np.arange(min(count, most), dtype=np.int64) * count // max(1, min(count, most))
