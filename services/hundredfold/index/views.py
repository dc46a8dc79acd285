"""Views of a whole space: of two groups that somebody picked, and of what has no label yet."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Conflict
from hundredfold.index.domain import separating, unlabelled
from hundredfold.index.spaces import Space, Spaces


@dataclass(frozen=True)
class Laid:
    """Where all images of a space are.

    Attributes:
        rows: int64 [n], ascending.
        points: float32 [n, 2] within -1 to 1.
        shares: of what is told in `unlabelled.View`; () of other views.
        damaged: files whose images are left out.
    """

    rows: NDArray[np.int64]
    points: NDArray[np.float32]
    shares: tuple[float, ...]
    damaged: tuple[str, ...]


@dataclass(frozen=True)
class Labelled:
    """What has a label.

    Attributes:
        rows: int64 [n], examples of classes.
        class_ids: int32 [n], of each.
        mask: uint8 [b], of further rows: bit r % 8 of byte r // 8.
    """

    rows: NDArray[np.int64]
    class_ids: NDArray[np.int32]
    mask: NDArray[np.uint8]


class Views:
    """Lays spaces out. Safe for threads.

    Args:
        spaces: where vectors come from.
    """

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces

    def separated(
        self, collection: str, space: str, a: NDArray[np.int64], b: NDArray[np.int64]
    ) -> Laid:
        """As two groups of rows are farthest apart.

        Raises:
            NotFound: there is no such collection or space, or a row has no vector.
            Conflict: NO_VECTORS, or ARTIFACT_DAMAGED if all of them are.
        """
        source = self._spaces.whole(collection, space)
        plane = separating.plane(source.of_rows(a), source.of_rows(b))
        return _laid(source, plane)

    def unlabelled(self, collection: str, space: str, labelled: Labelled) -> Laid:
        """As those without a label differ most by what the classes do not.

        Raises:
            NotFound: there is no such collection or space.
            Conflict: NO_VECTORS, ARTIFACT_DAMAGED if all of them are, or NOTHING_UNLABELLED.
        """
        source = self._spaces.whole(collection, space)
        positions = source.positions(labelled.rows)
        there = positions >= 0
        left = ~_bits(source.rows, labelled.mask)
        left[positions[there]] = False
        if not left.any():
            raise Conflict(f"all images of {collection} have a label", reason="NOTHING_UNLABELLED")
        means = unlabelled.class_means(
            source.vectors.take(positions[there]), labelled.class_ids[there]
        )
        found = unlabelled.view(source.vectors, left, means)
        return _laid(source, found.plane, found.shares)


def _laid(source: Space, plane: separating.Plane, shares: tuple[float, ...] = ()) -> Laid:
    points = separating.lay_out(source.vectors, plane)
    return Laid(source.rows, points, shares, source.damaged)


def _bits(rows: NDArray[np.int64], mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which rows have their bit set; none past the end of the mask."""
    bits = np.unpackbits(mask, bitorder="little").astype(np.bool_)
    within = rows < len(bits)
    chosen = np.zeros(len(rows), dtype=np.bool_)
    chosen[within] = bits[rows[within]]
    return chosen
