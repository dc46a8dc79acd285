"""Pages, leases, and what is said of them."""

import enum
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


class PageKind(enum.StrEnum):
    """What a page asks."""

    CLUSTER = "CLUSTER"
    VERIFY = "VERIFY"
    SINGLE = "SINGLE"
    AUDIT = "AUDIT"
    REVIEW = "REVIEW"
    PICKED = "PICKED"
    PAIR = "PAIR"


def no_rows() -> Rows:
    """No images: int64 [0]."""
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Page:
    """Some images and one question.

    `rows` int64 [n], `second` int32 [n] (class ids) and `probability` float32 [n] may be empty.
    `planted` int64 [k] are odd images put there to see whether they are found: in events, never in a
    lease. `audit_id` is that of an AUDIT page; empty for the random stream. A PAIR page asks of each
    pair of `rows` and `others` int64 [n] whether both show the same picture, `probability` is that.
    """

    page_id: str
    kind: PageKind
    rows: Rows
    class_id: int
    second: NDArray[np.int32]
    probability: NDArray[np.float32]
    model: str
    cluster: str
    score: float
    planted: Rows = field(default_factory=no_rows)
    audit_id: str = ""
    others: Rows = field(default_factory=no_rows)


@dataclass(frozen=True)
class Lease:
    """The right to answer a page until `expires_at` (unix seconds)."""

    token: int
    page: Page
    annotator: str
    expires_at: float


class Verdict(enum.StrEnum):
    """What a person says about images and a class."""

    IS = "IS"
    IS_NOT = "IS_NOT"
    UNSURE = "UNSURE"


@dataclass(frozen=True)
class Judgement:
    """One verdict on some images of a page; `class_id` is 0 with UNSURE.

    Of pairs of images `others` int64 [n] are the right ones, `class_id` is 0 and IS means the same picture.
    """

    class_id: int
    verdict: Verdict
    rows: Rows
    others: Rows = field(default_factory=no_rows)


@dataclass(frozen=True)
class Pairs:
    """What people say of pairs of images, the newest word on each, all of one seq.

    `rows` int64 [n] is the image with the smaller row of each pair, `others` int64 [n] the other one,
    `verdicts` the word on each, `seqs` int64 [n] the event that gave it. `kept_rows` int64 [k] are to
    stand for what they are the same as, the newest choice first.
    """

    seq: int
    rows: Rows
    others: Rows
    verdicts: tuple[Verdict, ...]
    seqs: NDArray[np.int64]
    kept_rows: Rows
