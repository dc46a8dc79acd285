"""Audits in stages: nested samples, each of which may already prove what is to be proved.

A simple random sample in a random order is looked at in stages of n_1 < n_2 < .. < n_K images. X_k
errors are found among the first n_k; they are put right. Stage k proves that at most A others are left
when X_k <= c_k, and the first stage that does ends the audit. All limits c_k are those of a sample of
fixed size at one nominal level a (Pocock 1977 has the idea, for normal means), which is as high as the
probability alpha of a false claim over all stages together allows. That probability is computed, not
approximated: what is drawn first of a sample of which X_m errors are known is hypergeometric again,
whatever the population.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_REACH = 9.0  # standard deviations to each side, and some images where there is hardly any
_MORE = 14
_MOST_ERRORS = 300  # of larger audits the level is alpha / K: there a share of it hardly matters
_POINTS = 400
_CLOSE = 1.01
Numbers = npt.NDArray[np.int64]
Chances = npt.NDArray[np.float64]


def level(population: int, sizes: Sequence[int], limit: int, alpha: float) -> float:
    """The largest nominal level with which all stages together claim too much at most at alpha.

    With D wrong images in the population stage k rules D out when X_k <= r_k(D), the largest x with
    P(X_k <= x | D) <= a; what is claimed then is that at most A = D - 1 - X_k others are left. Every claim
    that is false, whichever A it is about and after whichever stage it is made, rules the true D out:
    X_k <= c_k(A) and D - X_k > A mean that D >= A + X_k + 1, which is ruled out, and what is more than a number
    ruled out is ruled out too. So the level is good for all A at once, also for one that follows from the
    answers, and for the bound that is told: it holds when P(X_k <= r_k(D) for a k | D) <= alpha for all D. A
    level that is made for one A alone may be higher, but then the bounds break more often than at alpha.

    *Which D.* Let D grow by one: one right image becomes a wrong one, the order of the draw stays. Every
    X_k grows by 0 or 1, so that with limits that stay the event can only shrink: where A is the most that
    may be claimed it has its full probability at D <= A + max c_k + 1. It is computed for each such D, or for
    at most `_POINTS` of them with the limits of the next one, which by the same order is an upper bound of
    all between.

    *One D.* Given X_(k+1) the errors before, X_k, do not depend on D (hypergeometric in n_(k+1) images), so
    that the recursion over the stages has the same matrices for all D.

    Args:
        population: images.
        sizes: images looked at after each stage, ascending.
        limit: the most errors that may be claimed to be left, A.
        alpha: the probability of a false claim.

    Returns:
        In [alpha / K, alpha], which is always low enough, to 1 %.
    """
    # Who has looked at all images claims nothing that can be false.
    sizes = [size for size in sizes if size < population]
    if len(sizes) < 2 or limit < 0:
        return alpha
    low = alpha / len(sizes)
    most = _limit(population, sizes[-1], limit, alpha)
    if not 0 <= most <= _MOST_ERRORS:
        return low
    falsehood = _Falsehood.of(population, sizes, min(population, limit + most + 1))
    high = alpha
    while high > low * _CLOSE:
        middle = math.sqrt(low * high)
        if falsehood.worst(middle) <= alpha:
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True, eq=False)
class _Falsehood:
    """The probability that the true number is ruled out, at g numbers of wrong images.

    Attributes:
        errors: of each stage the least number of errors, int64 [g], and the probability of each from
            there on, float64 [g, w].
        before: of each stage but the first the errors found until the stage before, by those found by
            then: float64 [y, x].
        all: whether no number is left out.
    """

    errors: list[tuple[Numbers, Chances]]
    before: list[Chances]
    all: bool

    @classmethod
    def of(cls, population: int, sizes: Sequence[int], most: int) -> "_Falsehood":
        """For 1 to `most` wrong images."""
        points = np.unique(np.linspace(1, most, min(most, _POINTS)).astype(np.int64))
        errors = [_draws(population, points, size) for size in sizes]
        tops = [
            min(size, int(first.max()) + chances.shape[1])
            for size, (first, chances) in zip(sizes, errors, strict=True)
        ]
        before = [
            _matrix(*_draws(sizes[k], np.arange(tops[k] + 1), sizes[k - 1]), tops[k - 1] + 1)
            for k in range(1, len(sizes))
        ]
        return cls(errors, before, len(points) == most)

    def worst(self, nominal: float) -> float:
        """The highest at a nominal level."""
        last = self.before[-1].shape[0]
        going = np.ones((len(self.errors[0][0]), self.before[0].shape[1]))
        for each, (first, chances) in enumerate(self.errors):
            if each:
                going = going @ self.before[each - 1].T
            limits = first - 1 + np.count_nonzero(np.cumsum(chances, axis=1) <= nominal, axis=1)
            if not self.all:
                limits = np.append(limits[1:], limits[-1:])
            going = np.where(np.arange(going.shape[1]) > limits[:, None], going, 0.0)
        first, chances = self.errors[-1]
        found = np.minimum(first[:, None] + np.arange(chances.shape[1]), last - 1)
        open_ = np.sum(chances * np.take_along_axis(going, found, axis=1), axis=1)
        return float(np.max(1 - open_))


def _matrix(first: Numbers, chances: Chances, width: int) -> Chances:
    """Distributions as the rows of a matrix; what is beyond it, which hardly ever is, at its end."""
    made = np.zeros((len(first), width))
    columns = np.minimum(first[:, None] + np.arange(chances.shape[1]), width - 1)
    np.add.at(made, (np.arange(len(first))[:, None], columns), chances)
    return made


def _limit(population: int, size: int, limit: int, level: float) -> int:
    """The most errors with which a sample of a fixed size claims that at most A others are left; -1 = none."""
    if population - size <= limit:
        return size
    low, high = -1, size
    while low < high:
        middle = (low + high + 1) // 2
        first, chances = _draws(population, np.array([limit + middle + 1]), size)
        if float(chances[0, : max(0, middle - int(first[0]) + 1)].sum()) <= level:
            low = middle
        else:
            high = middle - 1
    return low


def _draws(population: int, wrong: Numbers, sample: int) -> tuple[Numbers, Chances]:
    """The wrong images in samples without replacement, where they are not too unlikely (1e-16).

    By the ratio of each probability to the one before, so that it is exact in large populations too.

    Args:
        population: images.
        wrong: of them, int64 [m], at most the population.
        sample: drawn.

    Returns:
        The least numbers, int64 [m], and the probability of each from there on, float64 [m, w].
    """
    mean = wrong * (sample / population)
    spread = np.sqrt(mean * (1 - wrong / population) * (1 - sample / population))
    reach = math.ceil(_REACH * float(spread.max(initial=0.0))) + _MORE
    first = np.maximum(np.floor(mean).astype(np.int64) - reach, 0)
    first = np.maximum(first, sample - (population - wrong))
    k = (first[:, None] + np.arange(2 * reach + 1)).astype(np.float64)
    d = wrong[:, None].astype(np.float64)
    more = np.maximum(d - k, 0) * np.maximum(sample - k, 0)
    less = (k + 1) * (population - d - sample + k + 1)
    with np.errstate(divide="ignore"):
        steps = np.log(more) - np.log(less)
    logs = np.zeros_like(k)
    np.cumsum(steps[:, :-1], axis=1, out=logs[:, 1:])
    chances = np.exp(logs - logs.max(axis=1, keepdims=True))
    return first, chances / chances.sum(axis=1, keepdims=True)
