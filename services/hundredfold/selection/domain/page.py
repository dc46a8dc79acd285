"""A page before it has a name."""

import enum
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NO_SECOND = np.empty(0, np.int32)
NO_PROBABILITY = np.empty(0, np.float32)
NO_ROWS = np.empty(0, np.int64)


class Kind(enum.StrEnum):
    """What a page asks."""

    CLUSTER = "CLUSTER"
    VERIFY = "VERIFY"
    SINGLE = "SINGLE"
    AUDIT = "AUDIT"
    REVIEW = "REVIEW"
    PAIR = "PAIR"


@dataclass(frozen=True)
class Draft:
    """A page, except for its id.

    Attributes:
        kind: what it asks.
        rows: int64 [n], in the order in which they are to be shown; PAIR: the left image of each pair.
        score: pages with a higher one are handed out first.
        class_id: VERIFY, AUDIT and REVIEW: the class asked about; CLUSTER: the likely one, or 0.
        second: int32 [n], the likeliest class of each image after that; or empty.
        probability: float32 [n], that an image is of `class_id` (SINGLE: of its likeliest class);
            or empty; PAIR: that the two are the same picture.
        cluster: of a page of a cluster, `run/number`.
        planted: int64 [k], rows among `rows` that are known not to be of `class_id`.
        audit_id: AUDIT: of which audit; empty for the random stream.
        others: PAIR: int64 [n], the right image of each pair; else empty.
    """

    kind: Kind
    rows: NDArray[np.int64]
    score: float
    class_id: int = 0
    second: NDArray[np.int32] = field(default_factory=lambda: NO_SECOND)
    probability: NDArray[np.float32] = field(default_factory=lambda: NO_PROBABILITY)
    cluster: str = ""
    planted: NDArray[np.int64] = field(default_factory=lambda: NO_ROWS)
    audit_id: str = ""
    others: NDArray[np.int64] = field(default_factory=lambda: NO_ROWS)

    def __len__(self) -> int:
        return len(self.rows)
