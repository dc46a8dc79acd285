"""Labels that look wrong.

A page asks "are these all c?" and shows what a head took for c. An image of c is confirmed; one that is
not is confirmed only where the person overlooks it, with the miss rate m, else kicked, and shown as its
next guess. With p the calibrated probability of the label's class by a head that has not heard it, and o
the probability of all that the image may be instead, Bayes' rule gives

    P(wrong | confirmed) = m o / (m o + p)

What may it be instead? Classes are asked about in the order of their probabilities. Was it d, it was asked
about under c before d, or else it were labelled d: that is the less likely the less likely c is beside d.
But heads change, and a head of now does not tell the order of then. So each d counts in o with its
probability times (p / (p + p_d)) ^ 3/4: nearly all of it where c is far likelier, a twentieth where d is
fifty times as likely. The exponent was found on the labels of simulated people who overlook 5 %
(docs/adr/0012-heads.md).

An answer given for one image alone, or imported, is wrong by a slip: another class in place of the right
one, each of the C - 1 as likely as another. Then o is 1 - p, and m is slip / (C - 1): much less
suspicious at the same p. Heads are fitted without each fold of the labels (as in confident learning:
Northcutt et al. 2021), the wrong ones among the others included: a few per cent of them hardly move a
shrunk LDA.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.training.domain.learning import Examples, judge
from hundredfold.training.domain.posterior import guess, posterior

MISSED = 0.05
"""Share of odd images on a page that are overlooked."""

SLIPPED = 0.02
"""Share of answers about single images, and of imported labels, that are wrong."""

_ORDER = 0.75
_CAN_NOT_SAY = 0.5  # of a class that no head knows without this label


@dataclass(frozen=True)
class Suspicious:
    """Labels, the likeliest wrong first; all arrays are [n].

    Attributes:
        at: int64, places among the examples.
        other: int32, the class id that is likeliest beside the label; 0 where there is none.
        probability: float32, that the label is wrong.
    """

    at: NDArray[np.int64]
    other: NDArray[np.int32]
    probability: NDArray[np.float32]


def suspicious(
    features: NDArray[np.float32], examples: Examples, by_page: NDArray[np.bool_]
) -> Suspicious:
    """All labels, the likeliest wrong first; ties in the order of the examples.

    Args:
        features: float32 [N, k], of the images that the examples name.
        examples: at least two labels in each of two classes.
        by_page: bool [n], whether a label was given by confirming a page of many.
    """
    judged = judge(features, examples)
    every = np.arange(len(judged.classes))
    chances = posterior(judged.logits, judged.calibration, (every[:0], every[:0]))
    right = chances[every, judged.classes]
    unknown = 1 - chances.sum(1)
    chances[every, judged.classes] = 0.0
    before = unknown + _asked_before(right, chances)
    right[~judged.known], before[~judged.known] = _CAN_NOT_SAY, 1 - _CAN_NOT_SAY
    slipped = SLIPPED / (len(judged.class_ids) - 1)
    odd = np.where(by_page, MISSED * before, slipped * (1 - right)).astype(np.float64)
    wrong = odd / (odd + right)
    order = np.argsort(-wrong, kind="stable")
    named = np.append(judged.class_ids, np.int32(0))
    return Suspicious(order, named[guess(chances).top[order]], wrong[order].astype(np.float32))


def _asked_before(right: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """How likely each image is of another class, and was asked about under its label before: float32 [n].

    Args:
        right: float32 [n], the probability of the label.
        others: float32 [n, C], of the other classes.
    """
    share = right[:, None] / np.maximum(right[:, None] + others, np.finfo(np.float32).tiny)
    return np.asarray((others * share**_ORDER).sum(1), np.float32)
