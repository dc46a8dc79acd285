"""Which of two spaces is better, on labelled images that neither their backbones nor a head learnt from."""

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from hundredfold.training.domain.learning import Examples, learn, predict
from hundredfold.training.domain.projection import fit_projection

DIMENSIONS = 160
CLUSTERS_A_CLASS = 2
MOST_P_VALUE = 0.2

_RESTARTS = 3
_STEPS = 25
_NONE = np.empty(0, np.int64), np.empty(0, np.int32)


@dataclass(frozen=True)
class Quality:
    """What one space is worth on the images measured.

    Attributes:
        right: bool [h], whether a head fitted on the other labels predicts each image right.
        purity: share of them that are of the commonest class of their cluster.
    """

    right: NDArray[np.bool_]
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
    found = predict(learned, features[measured], *_NONE)
    return Quality(found.top == sample.classes[measured], _purity(features, sample))


def sign_test(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> float:
    """The chance of so many more right answers if neither were better: exact, one-sided.

    Args:
        before: bool [h], whether each answer was right.
        after: the same, of the space that may be better.
    """
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    differ = gained + lost
    falls = sum(comb(differ, count) for count in range(gained, differ + 1))
    return float(falls / 2**differ)


def better(before: Quality, after: Quality) -> bool:
    """Whether accuracy rose, hardly by chance, and purity did not fall."""
    return (
        after.accuracy > before.accuracy
        and sign_test(before.right, after.right) <= MOST_P_VALUE
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
