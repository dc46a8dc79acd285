"""Single images on which a small committee disagrees.

Source: query by committee, Seung et al. 1992; bagged, Abe and Mamitsuka 1998; vote entropy, Engelson and
Dagan 1996. Each of the members is a ridge regression to the classes on a bootstrap of the labels in a
random projection of the vectors, so that they err in different ways. They vote on the images of smallest
margin: on others they would agree.
"""

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked, Known, Policy
from hundredfold.selection.domain.policies.candidates import least_decided
from hundredfold.selection.domain.policies.predicted import SINGLES, single_pages

_MEMBERS = 7
_WIDTH = 64
_RIDGE = 0.1
_MOST_LABELS = 10_000
_MOST_VOTED = 8_192


def choose(known: Known, asked: Asked) -> list[Draft]:
    """The images with the greatest vote entropy; of equal ones those of smaller margin first."""
    order = least_decided(known.pool, max(_MOST_VOTED, SINGLES * asked.limit))
    doubt = np.zeros(len(order))
    if len(order) and len(known.labels):
        doubt = vote_entropy(_votes(known, order, asked.random))
    ranked = np.argsort(-doubt, kind="stable")
    return single_pages(known.pool, order[ranked], doubt[ranked], asked.page_size, asked.limit)


def vote_entropy(votes: NDArray[np.int64]) -> NDArray[np.float64]:
    """The entropy of the votes on each image, in nats.

    Args:
        votes: int64 [v, n], a class from each of the members.
    """
    members = len(votes)
    counts = (votes[:, None] == votes[None]).sum(1)  # of the votes equal to each vote: [v, n]
    # Each vote brings its share of its class's term, -(c/v) log(c/v) / c.
    return np.asarray(-(np.log(counts / members)).sum(0) / members)


def _votes(
    known: Known, places: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int64]:
    some = np.linspace(0, len(known.labels) - 1, min(len(known.labels), _MOST_LABELS)).astype(int)
    examples = known.pool.vectors_of(known.labels.rows[some])
    _, classes = np.unique(known.labels.class_ids[some], return_inverse=True)
    vectors = known.pool.vectors_of(known.pool.rows[places])
    votes = [_vote(examples, classes, vectors, random) for _ in range(_MEMBERS)]
    return np.stack(votes)


def _vote(
    examples: NDArray[np.float32],
    classes: NDArray[np.int64],
    vectors: NDArray[np.float32],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """What one member takes vectors for: int64 [n]."""
    width = min(_WIDTH, vectors.shape[1])
    basis = (random.standard_normal((vectors.shape[1], width)) / width**0.5).astype(np.float32)
    drawn = random.integers(0, len(classes), len(classes))
    inputs = examples[drawn] @ basis
    wanted = np.eye(int(classes.max()) + 1, dtype=np.float32)[classes[drawn]]
    centre, share = inputs.mean(0), wanted.mean(0)
    inputs = inputs - centre
    moments = inputs.T @ inputs + _RIDGE * np.eye(width, dtype=np.float32)
    weights = np.linalg.solve(moments, inputs.T @ (wanted - share))
    return np.asarray(((vectors @ basis - centre) @ weights + share).argmax(1), np.int64)


COMMITTEE = Policy("committee", "Engelson and Dagan 1996", Kind.SINGLE, choose)
