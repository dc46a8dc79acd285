"""What people said of images that have no label: what each is not, and what each may be."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pairs = tuple[NDArray[np.int64], NDArray[np.int32]]
"""int64 [j] and int32 [j]: images, by place or by row, and a class id for each; images may repeat."""

NO_PAIRS: Pairs = (np.empty(0, np.int64), np.empty(0, np.int32))


@dataclass(frozen=True)
class RuledOut:
    """Which classes images can't be of.

    Attributes:
        at: int64 [k], ascending: places of images of which something is ruled out.
        out: bool [k, C], what.
    """

    at: NDArray[np.int64]
    out: NDArray[np.bool_]

    @property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Two int64 [j]: place in `at`, and place of a class that is ruled out."""
        image, place = np.nonzero(self.out)
        return image, place


@dataclass(frozen=True)
class Hearsay:
    """What was said of images without a label, as a head with C outputs understands it.

    Attributes:
        class_count: C.
        no_at: int64 [n], ascending: places of images.
        no: int64 [n]: the output that each is not.
        may_at: int64 [m], ascending: places of images that are of one of some classes.
        may: int64 [m]: an output that each may be; -1 for a class that the head does not know.
    """

    class_count: int
    no_at: NDArray[np.int64]
    no: NDArray[np.int64]
    may_at: NDArray[np.int64]
    may: NDArray[np.int64]

    @classmethod
    def of(cls, class_ids: NDArray[np.int32], negatives: Pairs, possible: Pairs) -> "Hearsay":
        """What it means for the outputs `class_ids`, int32 [C] ascending.

        Args:
            class_ids: of the head.
            negatives: what images are not; a class that the head does not know is of no consequence.
            possible: what images may be; every class but those of an image is ruled out.
        """
        no_at, no = _sorted(negatives[0], places(class_ids, negatives[1]))
        may_at, may = _sorted(possible[0], places(class_ids, possible[1]))
        return cls(len(class_ids), no_at[no >= 0], no[no >= 0], may_at, may)

    def within(self, start: int, stop: int) -> RuledOut:
        """What is ruled out for the images at places start to stop, places counted from start."""
        no, may = _between(self.no_at, start, stop), _between(self.may_at, start, stop)
        at = np.unique(np.concatenate([self.no_at[no], self.may_at[may]]))
        out = np.zeros((len(at), self.class_count), np.bool_)
        limited, allowed = np.searchsorted(at, self.may_at[may]), self.may[may]
        out[limited] = True
        out[limited[allowed >= 0], allowed[allowed >= 0]] = False
        out[np.searchsorted(at, self.no_at[no]), self.no[no]] = True
        return RuledOut(at - start, out)


def places(class_ids: NDArray[np.int32], wanted: NDArray[np.int32]) -> NDArray[np.int64]:
    """The place of each class id among the outputs; -1 for one that the head does not know."""
    place = np.minimum(np.searchsorted(class_ids, wanted), len(class_ids) - 1)
    return np.where(class_ids[place] == wanted, place, -1)


def _sorted(
    at: NDArray[np.int64], place: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.argsort(at, kind="stable")
    return at[order], place[order]


def _between(at: NDArray[np.int64], start: int, stop: int) -> slice:
    low, high = np.searchsorted(at, [start, stop])
    return slice(int(low), int(high))
