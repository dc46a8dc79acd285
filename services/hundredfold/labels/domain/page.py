"""Pages, and the right to answer one."""

import enum
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Rows: TypeAlias = npt.NDArray[np.int64]
Ids: TypeAlias = npt.NDArray[np.int32]
Mask: TypeAlias = npt.NDArray[np.bool_]

CELL_SHIFT = 32
PAIR_SHIFT = 31

NO_ROWS: Rows = np.empty(0, np.int64)
NO_IDS: Ids = np.empty(0, np.int32)
NO_NUMBERS: npt.NDArray[np.float32] = np.empty(0, np.float32)


def cells(rows: Rows, class_id: int) -> Rows:
    """See `Page.cells`: of rows [n] and a class; 0 where an image is of one class."""
    return (rows << CELL_SHIFT) | class_id if class_id else rows


def pair_keys(left: Rows, right: Rows) -> Rows:
    """int64 [n]: a number for each pair of rows [n], the same whichever of them is the left one."""
    return (np.minimum(left, right) << PAIR_SHIFT) | np.maximum(left, right)


def pair_rows(keys: Rows) -> tuple[Rows, Rows]:
    """The smaller and the larger row, int64 [n] each, of `pair_keys` [n]."""
    return keys >> PAIR_SHIFT, keys & ((1 << PAIR_SHIFT) - 1)


def pair_cells(keys: Rows) -> Rows:
    """See `Page.cells`: of `pair_keys` [n]; negative, so that they are no cells of images."""
    return ~keys


class PageKind(enum.IntEnum):
    """What a page asks; the numbers are those of the API."""

    CLUSTER = 1
    VERIFY = 2
    SINGLE = 3
    AUDIT = 4
    REVIEW = 5
    PICKED = 6
    PAIR = 7


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """Some images and one question.

    Attributes:
        page_id: unique in its collection.
        kind: what is asked.
        rows: int64 [n], in the order they are shown; PAIR: the left image of each pair, which may repeat.
        class_id: the class asked about (VERIFY, AUDIT, REVIEW) or likely (CLUSTER, PICKED); 0 for none.
        second: int32 [n] or [0]: the next likely class of each.
        probability: float32 [n] or [0]; PAIR: that the two are the same picture.
        model: the head that arranged it, or "".
        cluster: `run/number`, or "".
        score: pages with a higher one are handed out first.
        planted: int64 [k], some of `rows`: known not to be of the class; to see whether they are found.
        audit_id: AUDIT: whose sample it shows, or "" for the random stream.
        several: whether its images may be of other classes too.
        own: whether who holds it picked its images himself: it never goes into the queue.
        others: PAIR: int64 [n], the right image of each pair; else [0].
    """

    page_id: str
    kind: PageKind
    rows: Rows
    class_id: int = 0
    second: Ids = field(default_factory=lambda: NO_IDS)
    probability: npt.NDArray[np.float32] = field(default_factory=lambda: NO_NUMBERS)
    model: str = ""
    cluster: str = ""
    score: float = 0.0
    planted: Rows = field(default_factory=lambda: NO_ROWS)
    audit_id: str = ""
    several: bool = False
    own: bool = False
    others: Rows = field(default_factory=lambda: NO_ROWS)

    @property
    def cells(self) -> Rows:
        """What it asks about, int64 [n]: its rows; with several classes an image row << 32 | class.

        Of pairs a negative number each. No cell is on two leased pages, so an image may be on pages of
        several classes, and on those of pairs besides.
        """
        if self.kind is PageKind.PAIR:
            return pair_cells(self.pairs)
        return (self.rows << CELL_SHIFT) | self.class_id if self.several else self.rows

    @property
    def pairs(self) -> Rows:
        """The `pair_keys` of a page of pairs: int64 [n]."""
        return pair_keys(self.rows, self.others)

    @property
    def asked(self) -> Mask:
        """Which of the images are there to be answered, not planted: bool [n]."""
        return ~np.isin(self.rows, self.planted)

    def only(self, kept: Mask) -> "Page":
        """The page with the images of a mask [n]; itself when that is all of them."""
        if kept.all():
            return self
        return replace(
            self,
            rows=self.rows[kept],
            second=self.second[kept] if self.second.size else self.second,
            probability=self.probability[kept] if self.probability.size else self.probability,
            planted=self.planted[np.isin(self.planted, self.rows[kept])],
            others=self.others[kept] if self.others.size else self.others,
        )


class LeaseState(enum.StrEnum):
    """Where a lease stands. Only an ACTIVE one may be answered, and it leaves that state once."""

    ACTIVE = "ACTIVE"
    ANSWERED = "ANSWERED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to answer a page for a time.

    Attributes:
        token: the fencing token: higher than every token given before.
        page: what to answer, as it was shown.
        annotator: who holds it.
        expires_at: Unix seconds.
        state: where it stands.
    """

    token: int
    page: Page
    annotator: str
    expires_at: float
    state: LeaseState = LeaseState.ACTIVE
