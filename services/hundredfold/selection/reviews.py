"""Labels that look wrong, asked for now and then: heads that have not seen a label judge it."""

import logging

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import ServiceError
from hundredfold.selection.domain.cleaning import Finds, Suspicious, doubted_less
from hundredfold.selection.domain.pool import Labels, places
from hundredfold.selection.peers import Trainer
from hundredfold.selection.state import LoopState

_LEAST = 100
_GROWTH = 1.15
_MOST = 1_000
_REVIEWED = 5  # the origin of a label that a review confirmed: PAGE_KIND_REVIEW
_log = logging.getLogger("hundredfold.selection.reviews")


class Reviews:
    """The suspicious labels of a collection; used by the thread of its loop.

    They are asked for anew when labels have grown by 15 %: folds are fitted for it.

    Args:
        trainer: that judges.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._found = Suspicious()
        self._before = Finds()  # of lists that were replaced
        self._judged = 0

    def current(self, state: LoopState, people: Labels) -> Suspicious:
        """What looks wrong of the labels that people gave and nobody has reviewed since."""
        if "cleaning" in state.without or len(people) < _LEAST:
            return Suspicious()
        # Fewer labels than were judged: some were taken back.
        if len(people) < self._judged or len(people) >= _GROWTH * self._judged:
            self._judge(state, people)
        finds = self._before + _finds(self._found, people)
        return doubted_less(_standing(self._found, people), finds)

    def _judge(self, state: LoopState, people: Labels) -> None:
        try:
            found = self._trainer.suspicious(state.collection, state.space, _MOST)
            self._before += _finds(self._found, people)
            self._found = found
        except ServiceError as error:
            # Nothing of the work depends on it.
            _log.info("%s: no suspicious labels: %s", state.collection, error.message)
        self._judged = len(people)


def _standing(found: Suspicious, people: Labels) -> Suspicious:
    """What nobody has looked at again."""
    same, reviewed = _now(found, people)
    open_ = same & ~reviewed
    others = found.others[open_] if len(found.others) else found.others
    return Suspicious(found.rows[open_], found.class_ids[open_], found.wrong[open_], others)


def _finds(found: Suspicious, people: Labels) -> Finds:
    """What became of those that somebody has looked at again."""
    same, reviewed = _now(found, people)
    return Finds(float(found.wrong[~same | reviewed].sum()), int((~same).sum()))


def _now(found: Suspicious, people: Labels) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of them have the same label still, and which had one confirmed by a review: bool [n] each."""
    at = places(people.rows, found.rows)
    same = at >= 0
    same[same] = people.class_ids[at[same]] == found.class_ids[same]
    reviewed = np.zeros(len(found), np.bool_)
    if len(people.origins):
        reviewed[same] = people.origins[at[same]] == _REVIEWED
    return same, reviewed
