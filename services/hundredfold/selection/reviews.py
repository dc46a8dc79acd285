"""Labels that look wrong, asked for now and then: heads that have not seen a label judge it."""

import logging

from hundredfold.chassis.errors import ServiceError
from hundredfold.selection.domain.cleaning import Suspicious
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
        self._judged = 0

    def current(self, state: LoopState, people: Labels) -> Suspicious:
        """What looks wrong of the labels that people gave and nobody has reviewed since."""
        if "cleaning" in state.without or len(people) < _LEAST:
            return Suspicious()
        # Fewer labels than were judged: some were taken back.
        if len(people) < self._judged or len(people) >= _GROWTH * self._judged:
            self._judge(state, len(people))
        return _standing(self._found, people)

    def _judge(self, state: LoopState, labels: int) -> None:
        try:
            self._found = self._trainer.suspicious(state.collection, state.space, _MOST)
        except ServiceError as error:
            # Nothing of the work depends on it.
            _log.info("%s: no suspicious labels: %s", state.collection, error.message)
        self._judged = labels


def _standing(found: Suspicious, people: Labels) -> Suspicious:
    at = places(people.rows, found.rows)
    there = at >= 0
    there[there] = people.class_ids[at[there]] == found.class_ids[there]
    if len(people.origins):
        there[there] = people.origins[at[there]] != _REVIEWED
    others = found.others[there] if len(found.others) else found.others
    return Suspicious(found.rows[there], found.class_ids[there], found.wrong[there], others)
