"""Which of two spaces is better, on labelled images that neither their backbones nor a head learnt from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.training.domain.learning import Examples, learn
from hundredfold.training.domain.posterior import posterior
from hundredfold.training.domain.projection import fit_projection

DIMENSIONS = 160
CLUSTERS_A_CLASS = 2
MOST_P_VALUE = 0.1

_NEAR = 10
_RESTARTS = 5
_STEPS = 25
_FLIPS = 10_000
_MOST_SIGNS = 4_000_000  # held at once
_SAME = 1e-9
_NONE = np.empty(0, np.int64), np.empty(0, np.int32)
_NOBODY = np.empty(0, np.int64), np.empty(0, np.int64)


@dataclass(frozen=True)
class Quality:
    """What one space is worth on the images measured.

    Attributes:
        right: bool [h], whether a head fitted on the other labels predicts each image right.
        likely: float64 [h], the probability that it gives to the class of each.
        pure: float64 [h], in what share of some clusterings each is of the commonest class of its cluster.
        near: float64 [h], the share of its class among the labelled images nearest to each.
    """

    right: NDArray[np.bool_]
    likely: NDArray[np.float64]
    pure: NDArray[np.float64]
    near: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """The share that is predicted right."""
        return float(self.right.mean())

    @property
    def purity(self) -> float:
        """The share that is of the commonest class of its cluster."""
        return float(self.pure.mean())


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
    known = posterior(learned.linear(features[measured]), learned.calibration, _NOBODY)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
    nearest = np.argsort(-(unit[measured] @ unit[taught].T), axis=1, kind="stable")[:, :_NEAR]
    same = sample.classes[taught][nearest] == sample.classes[measured][:, None]
    truth = learned.class_ids == sample.classes[measured][:, None]
    right = learned.class_ids[known.argmax(axis=1)] == sample.classes[measured]
    likely = np.where(truth, known, 0.0).sum(axis=1, dtype=np.float64)
    return Quality(right, likely, _pure(unit, sample), same.mean(axis=1))


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
    """How likely a gain like this is if neither space were better.

    The gain of an image is that of the probability of its class and of its neighbours together: accuracy
    and purity in small steps. In whole ones few images tell little: docs/adr/0015.
    """
    return sign_flip_test(after.likely - before.likely + after.near - before.near)


def better(before: Quality, after: Quality) -> bool:
    """Whether probabilities and neighbours improved, hardly by chance, and neither accuracy nor purity fell.

    Each of those may be less by one image: a head that is better errs elsewhere.
    """
    return (
        chance(before, after) <= MOST_P_VALUE
        and int(after.right.sum()) >= int(before.right.sum()) - 1
        and float(after.pure.sum()) >= float(before.pure.sum()) - 1
    )


def _pure(unit: NDArray[np.float32], sample: Sample) -> NDArray[np.float64]:
    """For each image held out in what share of some k-means it is of the commonest class of its cluster."""
    count = CLUSTERS_A_CLASS * len(np.unique(sample.classes[sample.classes > 0]))
    found = [_commonest(clusters(unit, count, seed), sample) for seed in range(_RESTARTS)]
    return np.asarray(np.mean(found, axis=0), np.float64)


def _commonest(assigned: NDArray[np.int64], sample: Sample) -> NDArray[np.bool_]:
    """Which of the images held out are of the commonest class of their cluster."""
    class_ids, classes = np.unique(sample.classes, return_inverse=True)
    votes = np.zeros((assigned.max() + 1, len(class_ids)), np.int64)
    np.add.at(votes, (assigned, classes), 1)
    votes[:, class_ids == 0] = -1
    commonest = votes.argmax(1)[assigned[sample.held_out]]
    return np.asarray(commonest == classes[sample.held_out])


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
