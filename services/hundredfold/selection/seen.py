"""What a round of a loop has seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.holdout import in_stream
from hundredfold.selection.audits import Checked, Known
from hundredfold.selection.domain.pool import Guesses, Labels, places
from hundredfold.selection.domain.rounds import Standing
from hundredfold.selection.domain.stream import measurable


@dataclass(frozen=True)
class Seen:
    """What a round was made from.

    Attributes:
        seq: the newest event taken into account.
        standing: what pages are composed of.
        known: what forecasts are made of.
        people: the labels that people gave.
        waiting: int64 [w], rows on the pages that were offered.
    """

    seq: int
    standing: Standing
    known: Known
    people: Labels
    waiting: NDArray[np.int64]


def doubted(machine: Labels, guesses: Guesses | None) -> float:
    """How many labels that models gave the head in use takes for wrong, those of clusters among them."""
    if guesses is None:
        return 0.0
    at = places(guesses.rows, machine.rows)
    there = at >= 0
    at, labels = at[there], machine.class_ids[there]
    probability = guesses.probability[at].astype(np.float64)
    # Where it says something else that is wrong, or the label is.
    return float(np.where(guesses.top[at] == labels, 1 - probability, probability).sum())


def checked(
    people: Labels,
    rows: NDArray[np.int64],
    unsure: NDArray[np.int64],
    guesses: Guesses | None,
) -> Checked:
    """How the head does on images of the random stream, of which it has learnt nothing.

    Only steps of the stream count that people have answered whole: what comes first of one is easy.

    Args:
        people: the labels that they gave.
        rows: int64 [n], all images.
        unsure: int64 [u], those set aside.
        guesses: of the head in use.
    """
    if guesses is None:
        return Checked()
    every = rows[in_stream(rows)]
    waiting = np.setdiff1d(every, np.concatenate([people.rows, unsure]))
    stream = np.flatnonzero(in_stream(people.rows))
    stream = stream[measurable(people.rows[stream], waiting, len(every))]
    at = np.searchsorted(guesses.rows, people.rows[stream])
    there = at < len(guesses.rows)
    there[there] = guesses.rows[at[there]] == people.rows[stream[there]]
    at, stream = at[there], stream[there]
    wrong = int((guesses.top[at] != people.class_ids[stream]).sum())
    expected = float((1 - guesses.probability[at].astype(np.float64)).sum())
    return Checked(len(at), wrong, expected)
