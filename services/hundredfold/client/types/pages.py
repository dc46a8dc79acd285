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


def no_rows() -> Rows:
    """No images: int64 [0]."""
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Page:
    """Some images and one question.

    `rows` int64 [n], `second` int32 [n] (class ids) and `probability` float32 [n] may be empty.
    `planted` int64 [k] are odd images put there to see whether they are found: in events, never in a
    lease. `audit_id` is that of an AUDIT page; empty for the random stream.
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
    """One verdict on some images of a page; `class_id` is 0 with UNSURE."""

    class_id: int
    verdict: Verdict
    rows: Rows
