"""How good probabilities are."""

import numpy as np
from numpy.typing import NDArray


def accuracy(top: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """The share of guesses that are right; 0 of none."""
    return float((top == truth).mean()) if len(truth) else 0.0


def calibration_error(
    probability: NDArray[np.float32], right: NDArray[np.bool_], bins: int = 15
) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy, bin by bin.

    Bins are of equal width, weighted by how many images are in them (Guo et al. 2017).

    Args:
        probability: float32 [n], of the guessed class.
        right: bool [n], whether the guess was right.
        bins: how many.
    """
    if not len(right):
        return 0.0
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, probability.astype(np.float64) - right, minlength=bins)
    return float(np.abs(gap).sum() / len(right))


def average_precision(scores: NDArray[np.float32], yes: NDArray[np.bool_]) -> float:
    """The mean precision at each yes, the highest scores first; 0 without a yes or without a no.

    Args:
        scores: float32 [n].
        yes: bool [n].
    """
    if yes.all() or not yes.any():
        return 0.0
    found = yes[np.argsort(-scores, kind="stable")]
    at = np.flatnonzero(found) + 1
    return float((np.arange(1, len(at) + 1) / at).mean())
