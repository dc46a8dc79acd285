"""Shrunk linear discriminant analysis of two groups a class, yes and no, where an image may be of several classes.

What was said of one class says nothing of another, so each has means of its own; the covariance within the
groups is taken to be the same everywhere, so that one solve serves all classes. An image counts in it once
for each class that it is known to be of or not. Pulls and priors are those of `lda`; the covariance is shrunk
by 200 / (pairs a class), at least 20 and at most 95 %: the groups of one class hold all other classes mixed, so
that the means of a few images say less than they do there. Measured on photos of clothes with ten tags
(docs/adr/0016-several-classes-an-image.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.training.domain.lda import Linear

_PULL = 2.0
_SHRINKAGE_AT_PAIRS = 200.0
_SHRINKAGE = (0.2, 0.95)
_RIDGE = 1e-6  # keeps the covariance of images that are all alike invertible


@dataclass(frozen=True)
class PairMoments:
    """The sums that a head is made of; the first axis of the first two is no, yes.

    Attributes:
        counts: float64 [2, C], images.
        sums: float64 [2, C, k], the sum of their features.
        gram: float64 [k, k], the sum of the outer products of all, as often as they count.
    """

    counts: NDArray[np.float64]
    sums: NDArray[np.float64]
    gram: NDArray[np.float64]

    def __add__(self, other: "PairMoments") -> "PairMoments":
        return PairMoments(
            self.counts + other.counts, self.sums + other.sums, self.gram + other.gram
        )

    def __sub__(self, other: "PairMoments") -> "PairMoments":
        return PairMoments(
            self.counts - other.counts, self.sums - other.sums, self.gram - other.gram
        )


def moments(features: NDArray[np.float32], said: NDArray[np.int8]) -> PairMoments:
    """The moments of some images.

    Args:
        features: float32 [n, k].
        said: int8 [n, C], 1 = it is of the class, -1 = it is not, 0 = nobody said.
    """
    groups = [(said < 0).astype(np.float32), (said > 0).astype(np.float32)]
    counts = np.stack([each.sum(0, dtype=np.float64) for each in groups])
    sums = np.stack([(each.T @ features).astype(np.float64) for each in groups])
    times = np.abs(said).sum(1, dtype=np.float32)
    gram = ((features * times[:, None]).T @ features).astype(np.float64)
    return PairMoments(counts, sums, gram)


def fit(total: PairMoments, background: NDArray[np.float64]) -> Linear:
    """The head of some images: a positive logit for yes.

    Args:
        total: their moments, of at least one pair.
        background: float64 [k], the mean of all images, which means of few images are pulled to.
    """
    means = (total.sums + _PULL * background) / (total.counts + _PULL)[:, :, None]
    apart = means[1] - means[0]
    weights = np.linalg.solve(_covariance(total, means), apart.T)
    prior = np.log((total.counts[1] + 1) / (total.counts[0] + 1))
    bias = prior - ((means[1] + means[0]) / 2 * weights.T).sum(1)
    return Linear(weights.astype(np.float32), bias.astype(np.float32))


def _covariance(total: PairMoments, means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shrunk covariance around the (pulled) means, pooled over groups and classes: float64 [k, k]."""
    count, dimensions = total.counts.sum(), len(total.gram)
    counts = total.counts.ravel()
    means, sums = means.reshape(len(counts), -1), total.sums.reshape(len(counts), -1)
    cross = sums.T @ means
    scatter = total.gram - cross - cross.T + (means.T * counts) @ means
    a_class = count / total.counts.shape[1]
    share = float(np.clip(_SHRINKAGE_AT_PAIRS / a_class, *_SHRINKAGE))
    mean_variance = max(np.trace(scatter) / count / dimensions, 0.0)
    covariance = (1 - share) / count * scatter
    covariance[np.diag_indices(dimensions)] += share * mean_variance + _RIDGE
    return np.asarray(covariance, np.float64)
