"""Single images, those whose class is most uncertain first.

Source: Shannon 1948; as a query Settles and Craven 2008, An Analysis of Active Learning Strategies for
Sequence Labeling Tasks. Predictions keep the two likeliest classes of an image, so what is left is taken
to be spread evenly over the others: the greatest entropy that it can have.
"""

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked, Known, Policy
from hundredfold.selection.domain.policies.predicted import SINGLES, single_pages
from hundredfold.selection.domain.pool import Pool


def entropy(pool: Pool, classes: int) -> NDArray[np.float32]:
    """The greatest entropy of the class of each image, in nats: float32 [m].

    Args:
        pool: the images.
        classes: that there are.
    """
    second = np.clip(pool.probability - pool.margin, 0, 1)
    rest = np.clip(1 - pool.probability - second, 0, 1)
    others = np.float32(max(classes - 2, 1))
    return np.asarray(_term(pool.probability) + _term(second) + others * _term(rest / others))


def choose(known: Known, asked: Asked) -> list[Draft]:
    """The images of greatest entropy."""
    pool, most = known.pool, SINGLES * asked.limit
    if not len(pool):
        return []
    doubt = entropy(pool, int(max(pool.top.max(), pool.second.max())))
    doubt[pool.top == 0] = np.inf
    places = np.arange(len(pool))
    if len(pool) > most:
        places = np.flatnonzero(doubt >= np.partition(doubt, len(pool) - most)[len(pool) - most])
    order = places[np.argsort(-doubt[places], kind="stable")[:most]]
    scores = np.minimum(doubt[order], np.float32(100.0))
    return single_pages(pool, order, scores, asked.page_size, asked.limit)


def _term(share: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(-share * np.log(np.maximum(share, 1e-30)), np.float32)


ENTROPY = Policy("entropy", "Settles and Craven 2008", Kind.SINGLE, choose)
