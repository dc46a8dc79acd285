"""Single images that are typical of where no label is.

Source: TypiClust, Hacohen, Dekel and Weinshall 2022 (arXiv 2202.02794): cluster into as many groups as
there are labels and images asked for, at most 256 here; from the groups with the fewest labels, the
largest first, take the image with the nearest neighbours. On at most 8,192 images that stand for the pool.
"""

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked, Known, Policy
from hundredfold.selection.domain.policies.candidates import FEW, known_vectors, stand_ins
from hundredfold.selection.domain.policies.grouping import group
from hundredfold.selection.domain.policies.predicted import SINGLES, single_pages

_MOST_GROUPS = 256
_NEIGHBOURS = 20
_MOST_IN_GROUP = 1_024


def choose(known: Known, asked: Asked) -> list[Draft]:
    """The most typical image of each group in turn."""
    some = stand_ins(known, FEW)
    if not len(some):
        return []
    wanted = SINGLES * asked.limit
    labelled = known_vectors(known.pool, known.labels)
    groups = min(len(known.labels) + wanted, _MOST_GROUPS)
    number, _ = group(np.concatenate([some.vectors, labelled]), groups, asked.random)
    labels = np.bincount(number[len(some) :], minlength=groups)
    number = number[: len(some)]
    turn = np.empty(len(some), np.int64)
    for each in np.unique(number):
        inside = np.flatnonzero(number == each)
        turn[inside[np.argsort(-typicality(some.vectors[inside]), kind="stable")]] = np.arange(
            len(inside)
        )
    sizes = np.bincount(number, some.weights, minlength=groups)
    order = np.lexsort((number, -sizes[number], labels[number], turn))[:wanted]
    scores = np.arange(len(order), 0, -1) / len(order)
    return single_pages(known.pool, some.places[order], scores, asked.page_size, asked.limit)


def typicality(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """One over the mean distance to the 20 nearest of a group, or all of it: float64 [n].

    Neighbours are looked for among the first 1,024.
    """
    likeness = vectors @ vectors[:_MOST_IN_GROUP].T
    near = min(_NEIGHBOURS + 1, likeness.shape[1])
    nearest = -np.partition(-likeness, near - 1, axis=1)[:, :near]
    distance = np.sqrt(np.maximum(2 - 2 * nearest.astype(np.float64), 0)).mean(1)
    return np.asarray(1 / np.maximum(distance, 1e-6))


TYPICLUST = Policy("typiclust", "Hacohen et al. 2022", Kind.SINGLE, choose)
