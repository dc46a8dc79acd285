"""When a better backbone is worth a try."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.holdout import LEAST_MEASURED, held_out
from hundredfold.selection.domain.pool import Labels
from hundredfold.selection.domain.stream import Early


@dataclass(frozen=True)
class Rules:
    """What a round of fine-tuning takes.

    Attributes:
        each_class: labels a known class for the first.
        least: labels for the first, whatever the number of classes.
        of_a_class: labels in each of `classes` classes.
        classes: with so many labels.
        measured: labelled images of the random stream to measure with.
        growth: times the labels of the round before, for the next.
        last: share of the expected work, at its end, in which none begins: it would come too late.
        most_labelled: share of the images; with more labels too few are left that a better backbone may help.
    """

    each_class: int = 12
    least: int = 250
    of_a_class: int = 4
    classes: int = 2
    measured: int = 45
    growth: float = 1.6
    last: float = 0.1
    most_labelled: float = 0.3


DEFAULT_RULES = Rules()


@dataclass(frozen=True)
class Material:
    """What there is to learn from and to measure with.

    Attributes:
        learnt: int64 [k], labels of each class outside the held-out images.
        measured: labelled images to measure with: of the random stream, or, where that is too small, held out.
        needed: how many of those it takes.
    """

    learnt: NDArray[np.int64]
    measured: int
    needed: int

    @property
    def labels(self) -> int:
        """Labels that a backbone may learn from."""
        return int(self.learnt.sum())


def material(labels: Labels, early: Early, rules: Rules = DEFAULT_RULES) -> Material:
    """Count the labels that people gave.

    Those of the stream are waited for until nearly all that came are labelled: the first ones are the easy
    ones.

    Args:
        labels: by people.
        early: the part of the random stream that comes at once.
        rules: what it takes.
    """
    kept = held_out(labels.rows)
    _, counts = np.unique(labels.class_ids[~kept], return_counts=True)
    learnt = counts.astype(np.int64)
    if not early.needed:
        return Material(learnt, int(kept.sum()), min(rules.measured, LEAST_MEASURED))
    sample = early.within(labels.rows)
    return Material(learnt, int(sample.sum()), min(rules.measured, early.needed))


def enough(there: Material, before: int, rules: Rules) -> bool:
    """Whether there are labels for a round of fine-tuning.

    Args:
        there: labels.
        before: of them at the begin of the round before; 0 = there was none.
        rules: what it takes.
    """
    first = max(rules.each_class * len(there.learnt), rules.least)
    return (
        there.labels >= max(first, rules.growth * before)
        and int((there.learnt >= rules.of_a_class).sum()) >= rules.classes
        and there.measured >= there.needed
    )


def worth_trying(labelled: int, total: int, rules: Rules = DEFAULT_RULES) -> bool:
    """Whether enough images are left without a label that a better backbone could help."""
    return labelled <= rules.most_labelled * total


def in_time(done: float, left: float, rules: Rules) -> bool:
    """Whether enough work is left: human seconds so far, and those expected."""
    return left > rules.last * (done + left)
