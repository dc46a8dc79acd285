"""Which images a search may find."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.newest import Newest
from hundredfold.index.engine import OpenIndex
from hundredfold.index.lineage import parsed
from hundredfold.index.store import IndexStore

Mask = NDArray[np.bool_]
_KEPT = 8


@dataclass(frozen=True)
class Filter:
    """What may be found: all for which everything that is set holds.

    Attributes:
        rows: int64 [n], only these.
        without: int64 [n], none of these.
        mask: uint8 [b], only rows r whose bit r % 8 of byte r // 8 is 1.
        hide_copies: only representatives.
        cluster: only the images of `run/number`.
        tags: only images that their source gives one of these.
        source_labels: only images whose label, by their source, is one of these.
    """

    rows: NDArray[np.int64] | None = None
    without: NDArray[np.int64] | None = None
    mask: NDArray[np.uint8] | None = None
    hide_copies: bool = False
    cluster: str = ""
    tags: tuple[str, ...] = ()
    source_labels: tuple[str, ...] = ()


class Filters:
    """Makes masks by position in an index. Safe for threads.

    Args:
        kept: indexes, what was removed from them, copies and clusters.
    """

    def __init__(self, kept: IndexStore) -> None:
        self._kept = kept
        self._masks: Newest[Mask] = Newest(_KEPT)

    def mask(self, collection: str, space: str, opened: OpenIndex, wanted: Filter) -> Mask | None:
        """Bool [m] of what may be found, read-only; None = all.

        Raises:
            NotFound: there is no such cluster.
            InvalidArgument: the cluster is named otherwise than `run/number`.
        """
        masks = [opened.here, self._standing(collection, space, opened)]
        if wanted.hide_copies:
            masks.append(self._representatives(collection, space, opened))
        if wanted.cluster:
            masks.append(_among(opened.rows, self._members(collection, wanted.cluster)))
        for column, values in (("tags", wanted.tags), ("label", wanted.source_labels)):
            if values:
                masks.append(self._said(collection, space, opened, column, values))
        if wanted.rows is not None:
            masks.append(_among(opened.rows, wanted.rows))
        if wanted.without is not None:
            masks.append(~_among(opened.rows, wanted.without))
        if wanted.mask is not None:
            masks.append(_bits(opened.rows, wanted.mask))
        told = [each for each in masks if each is not None]
        return np.logical_and.reduce(told) if told else None

    def _standing(self, collection: str, space: str, opened: OpenIndex) -> Mask | None:
        """What was not removed."""
        removed = self._kept.removed
        version = removed.version(collection, space)
        if not version:
            return None

        def make() -> Mask:
            return ~_among(opened.rows, removed.rows(collection, space))

        key = (collection, space, "standing")
        return self._masks.get(key, (opened.version, version), make)

    def _representatives(self, collection: str, space: str, opened: OpenIndex) -> Mask | None:
        run = self._kept.copies_run(collection)
        if not run:
            return None

        def make() -> Mask:
            of_row = self._kept.representatives(collection, run)
            known = opened.rows < len(of_row)
            chosen = np.ones(len(opened.rows), dtype=np.bool_)
            chosen[known] = of_row[opened.rows[known]] == opened.rows[known]
            return chosen

        key = (collection, space, "representatives")
        return self._masks.get(key, (opened.version, run), make)

    def _said(
        self, collection: str, space: str, opened: OpenIndex, column: str, values: tuple[str, ...]
    ) -> Mask:
        images = self._kept.images
        return self._masks.get(
            (collection, space, column, values),
            (opened.version, images.version(collection)),
            lambda: images.said(collection, opened.rows, column, values),
        )

    def _members(self, collection: str, cluster: str) -> NDArray[np.int64]:
        run, number = parsed(cluster)
        found = self._kept.read_clusters(collection, run)
        if number >= len(found.sizes):
            raise NotFound(f"run {run} has no cluster {number}", field="filter.cluster")
        return found.nearest(number, int(found.sizes[number]))[0]


def _among(rows: NDArray[np.int64], some: NDArray[np.int64]) -> Mask:
    """Which of the rows, ascending, are among some: bool [len(rows)]."""
    chosen = np.zeros(len(rows), dtype=np.bool_)
    at = np.searchsorted(rows, some)
    there = at < len(rows)
    at, some = at[there], some[there]
    chosen[at[rows[at] == some]] = True
    return chosen


def _bits(rows: NDArray[np.int64], mask: NDArray[np.uint8]) -> Mask:
    chosen = np.zeros(len(rows), dtype=np.bool_)
    within = int(np.searchsorted(rows, len(mask) * 8))
    covered = rows[:within]
    chosen[:within] = (mask[covered >> 3] >> (covered & 7).astype(np.uint8)) & 1
    return chosen
