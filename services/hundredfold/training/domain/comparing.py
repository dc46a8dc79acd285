"""Which of two spaces is better, on labelled images that neither their backbones nor a head learnt from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.training.domain.learning import Examples, Learned, learn
from hundredfold.training.domain.posterior import posterior
from hundredfold.training.domain.projection import fit_projection

DIMENSIONS = 160
CLUSTERS_A_CLASS = 2
MOST_P_VALUE = 0.2

_RESTARTS = 3
_STEPS = 25
_FLIPS = 10_000
_MOST_SIGNS = 4_000_000  # held at once
_SAME = 1e-9
_NO_ROWS = np.empty(0, np.int64)
_NONE = _NO_ROWS, np.empty(0, np.int32)


@dataclass(frozen=True)
class Quality:
    """What one space is worth on the images measured.

    Attributes:
        right: bool [h], whether a head fitted on the other labels predicts each image right.
        scores: float32 [h], the Brier score of what it says of each (Brier 1950), 0 = sure and right, 2 = sure and wrong.
        purity: share of them that are of the commonest class of their cluster.
    """

    right: NDArray[np.bool_]
    scores: NDArray[np.float32]
    purity: float

    @property
    def accuracy(self) -> float:
        """The share that is predicted right."""
        return float(self.right.mean())


@dataclass(frozen=True)
class Sample:
    """Images that two spaces are measured on.

    Attributes:
        classes: int32 [n], the class of each that is labelled; 0 of the others.
        held_out: bool [n], which of the labelled ones are measured, and not learnt from.
    """

    classes: NDArray[np.int32]
    held_out: NDArray[np.bool_]


def quality(vectors: NDArray[np.float16], sample: Sample) -> Quality:
    """Measure a space.

    Args:
        vectors: float16 [n, d], of the images of the sample.
        sample: at least one image held out, and one labelled that is not.
    """
    features = fit_projection(vectors, DIMENSIONS)(vectors)
    taught = np.flatnonzero((sample.classes > 0) & ~sample.held_out)
    measured = np.flatnonzero(sample.held_out)
    learned = learn(features, Examples(taught, sample.classes[taught], *_NONE))
    right, scores = _answers(learned, features[measured], sample.classes[measured])
    return Quality(right, scores, _purity(features, sample))


def _answers(
    learned: Learned, features: NDArray[np.float32], classes: NDArray[np.int32]
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Of each image whether the head is right, and its Brier score."""
    said = posterior(learned.linear(features), learned.calibration, (_NO_ROWS, _NO_ROWS))
    truth = (learned.class_ids[None] == classes[:, None]).astype(np.float32)
    # A class that the head does not know has a probability of its own: that of none.
    missing = 1 - truth.sum(1) - (1 - said.sum(1))
    scores = np.square(said - truth).sum(1) + np.square(missing)
    return learned.class_ids[said.argmax(1)] == classes, scores.astype(np.float32)


def sign_flip_test(gains: NDArray[np.floating]) -> float:
    """The chance of a mean gain as high if each were as likely a loss: one-sided (Fisher 1935).

    By `_FLIPS` random ways to give the signs, always the same ones.

    Args:
        gains: [h], of each image.
    """
    flips, gains = np.random.default_rng(0), gains.astype(np.float64)
    at_least = 1  # the way they came
    block = max(1, _MOST_SIGNS // len(gains))
    for start in range(0, _FLIPS, block):
        count = min(block, _FLIPS - start)
        signs = 2 * flips.integers(0, 2, (count, len(gains)), np.int8) - 1
        at_least += int((signs @ gains >= gains.sum() - _SAME).sum())
    return at_least / (_FLIPS + 1)


def chance(before: Quality, after: Quality) -> float:
    """How likely so much better scores are if neither space were better.

    Scores and not right answers: from few images more can be told of how sure a head is of the truth than of
    the few answers that two heads differ in.
    """
    return sign_flip_test(before.scores - after.scores)


def better(before: Quality, after: Quality) -> bool:
    """Whether scores rose, hardly by chance, and neither accuracy nor purity fell."""
    return (
        chance(before, after) <= MOST_P_VALUE
        and after.accuracy >= before.accuracy
        and after.purity >= before.purity
    )


def _purity(features: NDArray[np.float32], sample: Sample) -> float:
    """The mean of some k-means, which find different clusters."""
    count = CLUSTERS_A_CLASS * len(np.unique(sample.classes[sample.classes > 0]))
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
    shares = [_share(clusters(unit, count, seed), sample) for seed in range(_RESTARTS)]
    return float(np.mean(shares))


def _share(assigned: NDArray[np.int64], sample: Sample) -> float:
    """The share of the images held out that are of the commonest class of their cluster."""
    class_ids, classes = np.unique(sample.classes, return_inverse=True)
    votes = np.zeros((assigned.max() + 1, len(class_ids)), np.int64)
    np.add.at(votes, (assigned, classes), 1)
    votes[:, class_ids == 0] = -1
    commonest = votes.argmax(1)[assigned[sample.held_out]]
    return float((commonest == classes[sample.held_out]).mean())


def clusters(unit: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    """Spherical k-means (Dhillon & Modha 2001): int64 [n], the cluster of each image.

    Args:
        unit: float32 [n, k], of length 1.
        count: of clusters; at most n.
        seed: of the images that the first centres are.
    """
    count = min(count, len(unit))
    centres = unit[np.random.default_rng(seed).choice(len(unit), count, replace=False)]
    assigned = np.full(len(unit), -1)
    for _ in range(_STEPS):
        before, assigned = assigned, (unit @ centres.T).argmax(1)
        if (assigned == before).all():
            break
        sums = (assigned == np.arange(count)[:, None]).astype(np.float32) @ unit
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        # A centre that nobody is nearest to stays where it is.
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)
    return assigned
