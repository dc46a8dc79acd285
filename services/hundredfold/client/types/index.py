"""What was found: neighbours, copies, clusters, the map."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.client.types.pages import Rows


@dataclass(frozen=True)
class Found:
    """What a search found: rows int64 [q, limit], -1 = no more; similarities float32 [q, limit]."""

    rows: NDArray[np.int64]
    similarities: NDArray[np.float32]
    damaged: tuple[str, ...] = ()
    """Files whose images were not searched."""


@dataclass(frozen=True)
class Filter:
    """What a search may find: all for which everything that is set holds.

    Attributes:
        rows: only these.
        without: none of these.
        mask: bool [N], by row; rows past its end are left out.
        hide_copies: only representatives.
        cluster: only the images of `run/number`.
        tags: only images that their source gave one of these, such as those of a split.
        source_labels: only images whose label, by their source, is one of these.
    """

    rows: Rows | None = None
    without: Rows | None = None
    mask: NDArray[np.bool_] | None = None
    hide_copies: bool = False
    cluster: str = ""
    tags: tuple[str, ...] = ()
    source_labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Index:
    """The index of a space; `recall` is what a build measured for `held_out` vectors, 1 when it is flat."""

    kind: str
    codes: str
    factory: str
    vectors: int
    dimensions: int
    lists: int
    probes: int
    depth: int
    recall: float
    held_out: int
    memory_bytes: int
    file_bytes: int
    current: bool
    removed: int
    signed: bool
    damaged: tuple[str, ...]
    engine: str


@dataclass(frozen=True)
class DuplicateGroup:
    """A representative, its copies int64 [n] and their distances uint8 [n] in bits."""

    representative: int
    copies: Rows
    distances: NDArray[np.uint8]


@dataclass(frozen=True)
class DuplicateGroups:
    """Groups of two and more, largest first, and how many there are in all."""

    duplicates: str
    groups: tuple[DuplicateGroup, ...]
    group_count: int
    copy_count: int


@dataclass(frozen=True)
class Leaks:
    """Images that have a copy on another side, the nearest first, and how many there are in all.

    Attributes:
        leaks: the run.
        sides: tags, or two collections.
        count: images in all.
        rows: int64 [n].
        others: int64 [n], the nearest copy of each, a row of the collection of its side.
        distances: uint8 [n], bits.
        row_sides: uint8 [n], a place in `sides`.
        other_sides: uint8 [n].
    """

    leaks: str
    sides: tuple[str, ...]
    count: int
    rows: Rows
    others: Rows
    distances: NDArray[np.uint8]
    row_sides: NDArray[np.uint8]
    other_sides: NDArray[np.uint8]


@dataclass(frozen=True)
class Cluster:
    """One cluster: `medoid` is the row nearest to its centre.

    `density` images are within the same distance of their centre in all clusters; `id` is what a later
    clustering calls the cluster that shares most images with this one.
    """

    number: int
    size: int
    medoid: int
    spread: float
    density: int = 0
    id: int = -1


@dataclass(frozen=True)
class Assignment:
    """In which cluster of a clustering `run` each image is: rows int64 [n], numbers int32 [n]."""

    run: str
    rows: Rows
    numbers: NDArray[np.int32]


@dataclass(frozen=True)
class Map:
    """The 2-D map: rows int64 [n], points float32 [n, 2] within -1 to 1."""

    rows: Rows
    points: NDArray[np.float32]


@dataclass(frozen=True)
class Unlabelled:
    """Where images are along what the labels do not tell.

    Attributes:
        view: of all images.
        shares: of what the unlabelled images differ by, what each of its axes has: 0 to 1.
    """

    view: Map
    shares: tuple[float, ...]
