"""Those who answer pages: what they did, and how many odd images they miss."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from hundredfold.labels.domain.event import Draft, EventKind, Judgement, Verdict
from hundredfold.labels.domain.page import NO_ROWS, Page, PageKind, Rows

MISSED_BEFORE, FOUND_BEFORE = 0.5, 19.5
"""What is believed of somebody of whom nothing is known, in planted images: one of forty is missed."""

_OF_A_CLASS = (PageKind.VERIFY, PageKind.AUDIT, PageKind.REVIEW)


class Counts(NamedTuple):
    """What somebody did in the decisions that count.

    Attributes:
        decisions: how many.
        images: judged in them, planted ones not counted.
        microseconds: spent on them.
        planted: planted images of which something was said.
        found: of those said to be of another class than the page, or not of its class.
        kicked: images that did not belong on their page, by what was said of them.
        corrected: labels taken away or changed on REVIEW pages.
    """

    decisions: int = 0
    images: int = 0
    microseconds: int = 0
    planted: int = 0
    found: int = 0
    kicked: int = 0
    corrected: int = 0

    def plus(self, other: "Counts", sign: int) -> "Counts":
        """Both together, or with sign -1 these without the others."""
        return Counts(*[mine + sign * theirs for mine, theirs in zip(self, other, strict=True)])

    @property
    def miss_rate(self) -> float:
        """Estimated share of odd images that are overlooked: the mean of `beta`."""
        missed, found = self.beta
        return missed / (missed + found)

    @property
    def beta(self) -> tuple[float, float]:
        """The parameters of the Beta distribution of the miss rate."""
        return MISSED_BEFORE + self.planted - self.found, FOUND_BEFORE + self.found

    @property
    def interval(self) -> tuple[float, float]:
        """The 90 % interval of the miss rate."""
        missed, found = self.beta
        return float(beta.ppf(0.05, missed, found)), float(beta.ppf(0.95, missed, found))

    @property
    def odds(self) -> float:
        """Odd images overlooked for each that was kicked."""
        return self.miss_rate / (1 - self.miss_rate)


def counts_of(event: Draft) -> Counts:
    """What one event adds to what its actor did."""
    if event.kind is not EventKind.DECISION:
        return Counts()
    page, said = event.page, event.judgements
    kicked = 0
    planted = found = 0
    if page is not None and page.kind is not PageKind.SINGLE:
        kicked = len(_strangers(event.counted, page))
        if page.several:
            # Pages may be of images most of which are not of the class: one looks for the fewer ones.
            kicked = min(kicked, len(np.unique(_rows(event.counted))) - kicked)
    if page is not None and page.planted.size:
        judged = np.intersect1d(_rows(said), page.planted)
        planted = len(judged)
        found = len(np.intersect1d(_strangers(said, page), judged))
    reviewed = page is not None and page.kind is PageKind.REVIEW
    return Counts(
        decisions=1,
        images=len(np.unique(_rows(event.counted))),
        microseconds=round(event.seconds * 1e6),
        planted=planted,
        found=found,
        kicked=0 if reviewed else kicked,
        corrected=kicked if reviewed else 0,
    )


def miss_rate(people: Iterable[Counts]) -> float:
    """The miss rate of an image that any of them may have judged: their mean by images judged."""
    shares = [(each.images, each.miss_rate) for each in people]
    images = sum(count for count, _ in shares)
    if not images:
        return Counts().miss_rate
    return sum(count * rate for count, rate in shares) / images


def wrong_labels(people: Mapping[str, Counts]) -> float:
    """About how many of the labels that people gave are wrong: odd images that they overlooked.

    Who overlooks a share m of the odd images has overlooked m / (1 - m) for each that he kicked. What a
    review took away is wrong no longer, but who reviews overlooks some as well.
    """
    overlooked = sum(each.kicked * each.odds for each in people.values())
    corrected = sum(each.corrected for each in people.values())
    overlooked_again = sum(each.corrected * each.odds for each in people.values())
    return max(overlooked - corrected, overlooked_again)


def _strangers(said: Iterable[Judgement], page: Page) -> Rows:
    """int64 [k], ascending: images said to be of another class than the page, or not of its class."""
    judgements = list(said)
    given = [each for each in judgements if each.verdict is Verdict.IS]
    main = page.class_id
    if page.kind not in _OF_A_CLASS:
        main = max(given, key=lambda each: len(each.rows)).class_id if given else 0
    away = [each for each in judgements if each.verdict is Verdict.IS_NOT]
    others = [each for each in given if each.class_id != main]
    return np.unique(_rows([*away, *others]))


def _rows(said: Iterable[Judgement]) -> Rows:
    return np.concatenate([NO_ROWS, *(each.rows for each in said)])


def table(people: Mapping[str, Counts]) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    """Names [p], ascending, and what each did, int64 [p, 7]."""
    names = sorted(people)
    rows = [people[name] for name in names]
    return np.array(names, "U128"), np.array(rows, np.int64).reshape(-1, 7)


def from_table(names: npt.NDArray[np.str_], counts: npt.NDArray[np.int64]) -> dict[str, Counts]:
    """What `table` wrote."""
    return {name: Counts(*row) for name, row in zip(names.tolist(), counts.tolist(), strict=True)}
