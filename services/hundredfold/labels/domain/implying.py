"""What follows from what was said of an image, where it may be of several classes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hundredfold.labels.domain.event import Verdict
from hundredfold.labels.domain.page import Rows
from hundredfold.labels.domain.schema import Schema

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of n images, by class, merged ones as they were given; all arrays are [C, n].

    Attributes:
        said: uint8, the newest Verdict; 0 for none.
        given: int64, the event that said it.
        origins: uint8, see `Draft.origin`.
    """

    said: Codes
    given: Rows
    origins: Codes


Implied = Said
"""The same with what follows from it, for classes in use."""


@dataclass(frozen=True, slots=True)
class _Relatives:
    """Of a class in use: of which classes yes means yes to it, of which no means no, and which are it by now."""

    yes: list[int]
    no: list[int]
    same: list[int]


class Implications:
    """What follows from what, by a schema.

    Yes to a class is yes to those above it, no to a class is no to those beneath it; a class that was
    merged counts as the one it was merged into. Where yes and no follow, the newer word counts, yes when
    they are of one event. Set aside is only what neither follows for.
    """

    def __init__(self, schema: Schema) -> None:
        above = {each: schema.above(each) for each in schema.names}
        in_use = {each: schema.in_use(each) for each in schema.names}
        self._related: dict[int, _Relatives] = {}
        for class_id in schema.used.tolist():
            same = [each for each, used in in_use.items() if used == class_id]
            beneath = [each for each, line in above.items() if class_id in line]
            over = [each for each, used in in_use.items() if used in above[class_id]]
            if len(same) + len(beneath) + len(over) > 1:
                self._related[class_id] = _Relatives(same + beneath, same + over, same)
        alone = [each for each in schema.used.tolist() if each not in self._related]
        self._alone = np.array([0, *alone], np.int64)

    def is_alone(self, class_id: int) -> bool:
        """Whether what is said of other classes says nothing of a class in use."""
        return class_id not in self._related

    def of(self, said: Said) -> Implied:
        """What is known of each image and class in use; of class 0 what was set aside under none."""
        zeros = np.zeros_like(said.said), np.zeros_like(said.given), np.zeros_like(said.origins)
        found = Said(*zeros)
        found.said[self._alone] = said.said[self._alone]
        found.given[self._alone] = said.given[self._alone]
        found.origins[self._alone] = said.origins[self._alone]
        for class_id, relatives in self._related.items():
            yes_at, origins = _newest(said, Verdict.IS, relatives.yes)
            no_at, no_origins = _newest(said, Verdict.IS_NOT, relatives.no)
            unsure_at, _ = _newest(said, Verdict.UNSURE, relatives.same)
            is_yes, is_no = (yes_at > 0) & (yes_at >= no_at), no_at > yes_at
            found.said[class_id] = np.select(
                [is_yes, is_no, unsure_at > 0], [Verdict.IS, Verdict.IS_NOT, Verdict.UNSURE]
            )
            found.given[class_id] = np.select([is_yes, is_no], [yes_at, no_at], unsure_at)
            found.origins[class_id] = np.select([is_yes, is_no], [origins, no_origins], 0)
        return found


def _newest(said: Said, verdict: Verdict, classes: list[int]) -> tuple[Rows, Codes]:
    """The newest event that said so of one of these classes, int64 [n], 0 for none, and its origin."""
    seqs = np.zeros(said.given.shape[1], np.int64)
    origins = np.zeros(said.given.shape[1], np.uint8)
    for class_id in classes:
        newer = (said.said[class_id] == verdict) & (said.given[class_id] > seqs)
        seqs[newer] = said.given[class_id][newer]
        origins[newer] = said.origins[class_id][newer]
    return seqs, origins
