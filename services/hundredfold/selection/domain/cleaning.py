"""Labels that look wrong come back: are all of these really so?

Missed odd images cap what the work can reach; reading the most suspicious tenth of the labels again finds
half of them (research/labelling-loop.md, section 6).
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain import worth
from hundredfold.selection.domain.page import Draft, Kind

_PRIOR = 4.0  # wrong labels that the probabilities are worth

LEAST = 0.05
"""A label that is less likely to be wrong is not asked about again."""


@dataclass(frozen=True)
class Suspicious:
    """Labels of people that look wrong.

    Attributes:
        rows: int64 [n].
        class_ids: int32 [n], the label of each.
        wrong: float32 [n], the probability that it is wrong.
        others: int32 [n], the likeliest class beside it; or empty.
    """

    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    class_ids: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    wrong: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    others: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Finds:
    """What second looks have come to.

    Attributes:
        expected: wrong labels among those that were looked at again, by their probabilities.
        wrong: how many were.
    """

    expected: float = 0.0
    wrong: int = 0

    def __add__(self, other: "Finds") -> "Finds":
        return Finds(self.expected + other.expected, self.wrong + other.wrong)

    @property
    def trust(self) -> float:
        """Wrong labels for each one expected, at most 1: the mean of a Gamma posterior, as in `stopping`."""
        return min(1.0, (_PRIOR + self.wrong) / (_PRIOR + self.expected))


def doubted_less(suspicious: Suspicious, finds: Finds) -> Suspicious:
    """The same, as likely wrong as such labels have turned out to be.

    The probabilities rest on an average of people: of careful ones hardly a label is wrong, and what looks wrong
    is only hard.
    """
    return replace(suspicious, wrong=suspicious.wrong * np.float32(finds.trust))


def doubtful(suspicious: Suspicious, labels: int) -> NDArray[np.int64]:
    """Rows whose label is too likely wrong to count as known: int64 [n].

    Half of the labels at most, the likeliest wrong: where all are doubted, as those of somebody who answers at
    random, he is to be put to the test all the same.
    """
    likely = np.flatnonzero(suspicious.wrong >= LEAST)
    order = np.argsort(-suspicious.wrong[likely], kind="stable")
    return suspicious.rows[likely[order[: labels // 2]]]


def review_pages(suspicious: Suspicious, page_size: int, costs: CostModel) -> list[Draft]:
    """A page for each class, the likeliest wrong first, so that they stand together: one drag.

    A page ends where one more image would find fewer wrong labels a second. Highest score first; scores are in
    the scheduler's currency.
    """
    likely = np.flatnonzero(suspicious.wrong >= LEAST)
    order = likely[
        np.lexsort(
            (suspicious.rows[likely], -suspicious.wrong[likely], suspicious.class_ids[likely])
        )
    ]
    _, starts, counts = np.unique(
        suspicious.class_ids[order], return_index=True, return_counts=True
    )
    pages = [
        _page(suspicious, order[start : start + min(count, page_size)], costs)
        for start, count in zip(starts, counts, strict=True)
    ]
    return sorted(pages, key=lambda page: -page.score)


def _page(suspicious: Suspicious, places: NDArray[np.int64], costs: CostModel) -> Draft:
    wrong = np.cumsum(suspicious.wrong[places], dtype=np.float64)
    rates = worth.rate(wrong, costs.expected_confirms(np.arange(1, len(places) + 1), wrong))
    places = places[: int(rates.argmax()) + 1]
    return Draft(
        Kind.REVIEW,
        suspicious.rows[places],
        float(rates.max()),
        int(suspicious.class_ids[places[0]]),
        suspicious.others[places] if len(suspicious.others) else suspicious.others,
        1 - suspicious.wrong[places],
    )
