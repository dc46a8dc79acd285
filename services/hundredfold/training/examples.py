"""From labels and a space to what a head learns from, whatever the size of the collection."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.holdout import held_out
from hundredfold.training.domain.learning import NONE_LEARNT, REST, Examples
from hundredfold.training.peers import Labels
from hundredfold.training.spaces import Features


@dataclass(frozen=True)
class Lesson:
    """What a head learns from.

    Attributes:
        rows: int64 [n], ascending: the images that were labelled or kicked, and some of the rest.
        features: float32 [n, k].
        examples: what was said of them.
        origins: uint8, how each label of the examples came about.
    """

    rows: NDArray[np.int64]
    features: NDArray[np.float32]
    examples: Examples
    origins: NDArray[np.uint8]


def lesson(labels: Labels, features: Features, learnt_up_to: int = 0) -> Lesson:
    """What people said of the images that have a vector, and what the rest looks like.

    Args:
        labels: to learn from.
        features: of the space.
        learnt_up_to: the newest label that its backbone has learnt from; 0 = none.
    """
    known, kicked = features.holds(labels.rows), features.holds(labels.negative_rows)
    labelled, negative = labels.rows[known], labels.negative_rows[kicked]
    limited = features.holds(labels.possible_rows)
    possible = labels.possible_rows[limited]
    rest = np.setdiff1d(features.sample(REST), labelled)
    rows = np.unique(np.concatenate([labelled, negative, possible, rest]))
    learnt = NONE_LEARNT
    if learnt_up_to and len(labels.seqs):
        learnt = (labels.seqs[known] <= learnt_up_to) & ~held_out(labelled)
    examples = Examples(
        np.searchsorted(rows, labelled),
        labels.class_ids[known],
        np.searchsorted(rows, negative),
        labels.negative_class_ids[kicked],
        np.searchsorted(rows, rest),
        rows,
        (np.searchsorted(rows, possible), labels.possible_class_ids[limited]),
        learnt,
    )
    return Lesson(rows, features.of(rows), examples, labels.origins[known])
