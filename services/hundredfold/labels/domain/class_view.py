"""One class, as audits see labels, where an image may be of several: each image is of it, or not."""

from collections.abc import Mapping

import numpy as np

from hundredfold.labels.domain.event import CERTIFIED, Standing, Verdict
from hundredfold.labels.domain.page import Ids, Mask, Rows
from hundredfold.labels.domain.pair_fold import PairFold
from hundredfold.labels.domain.people import Counts
from hundredfold.labels.domain.tally import UNSURE

NOT = -2
"""In place of a class: known, or taken, not to be of it."""


class ClassView:
    """The labels of one class.

    Args:
        fold: of all.
        class_id: a class in use.
    """

    def __init__(self, fold: PairFold, class_id: int) -> None:
        self._fold = fold
        self._class_id = class_id
        self._meaning: Ids = np.zeros(len(Verdict) + 1, np.int32)
        self._meaning[[Verdict.IS, Verdict.IS_NOT, Verdict.UNSURE]] = class_id, NOT, UNSURE

    @property
    def standing(self) -> Standing:
        """Which events count."""
        return self._fold.standing

    @property
    def people(self) -> Mapping[str, Counts]:
        """Who decided, and what each did."""
        return self._fold.people

    def labelled_by_people(self) -> int:
        """Images of which people said whether they are of the class."""
        known = self._fold.yes.get(self._class_id, 0) + self._fold.no.get(self._class_id, 0)
        return known - self._fold.certified(self._class_id)

    @property
    def contradictions(self) -> int:
        """None are counted: of a pair the newest answer counts, and pages ask each pair once."""
        return 0

    def answers(self) -> int:
        """Pairs of any class that people answered, which their slips are counted among."""
        return self._fold.answered_by_people()

    def class_of(self, rows: Rows) -> Ids:
        """int32 [n]: the class, `NOT`, `UNSURE`, or 0 where nobody said."""
        said, _ = self._fold.about(rows, self._class_id)
        return self._meaning[said]

    def done(self, rows: Rows) -> Mask:
        """Of which of rows [n] something is known: bool [n]."""
        done: Mask = self.class_of(rows) != 0
        return done

    def by_people(self, rows: Rows) -> Mask:
        """Of which of rows [n] people said it, no certificate: bool [n]."""
        said, origins = self._fold.about(rows, self._class_id)
        known: Mask = (said > 0) & (origins != CERTIFIED)
        return known

    def refused(self, rows: Rows, class_ids: int | Ids) -> Mask:  # noqa: ARG002  as of a Fold
        """None: what an image is not is known of it like what it is."""
        return np.zeros(len(rows), np.bool_)
