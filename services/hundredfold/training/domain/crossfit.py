"""Heads from labels and kicks: one from all, and one for each fold that has heard nothing of it.

A kicked image enters the head too, where one of the classes it was not kicked from is likelier than all
others together: as an example of that class, counted with its calibrated probability. It is one step of classification EM
(Celeux & Govaert 1992) on partial labels. Measured against whole posteriors, more steps, other weights
and images that nobody has seen: docs/adr/0012-heads.md.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hundredfold.training.domain import lda
from hundredfold.training.domain.calibration import Answers
from hundredfold.training.domain.posterior import Calibration, guess, posterior

FOLDS = 5

_SURE = 0.5


@dataclass(frozen=True)
class Evidence:
    """What people said of images.

    Attributes:
        labelled: float32 [n, k], the features of the labelled images.
        classes: int64 [n], the class of each: 0 to C - 1.
        label_folds: int64 [n].
        kicked: float32 [m, k], the features of the others of which they said something.
        kicked_from: bool [m, C], what each is not; of what is known to be of one of some classes all others.
        kick_folds: int64 [m].
        learnt: bool [n], the labels that the backbone has learnt from; empty = none.
    """

    labelled: NDArray[np.float32]
    classes: NDArray[np.int64]
    label_folds: NDArray[np.int64]
    kicked: NDArray[np.float32]
    kicked_from: NDArray[np.bool_]
    kick_folds: NDArray[np.int64]
    learnt: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))

    def labels_of(self, fold: int) -> lda.Moments:
        """The moments of the labelled images of a fold."""
        inside = self.label_folds == fold
        return lda.moments(self.labelled[inside], self.classes[inside], self.kicked_from.shape[1])


@dataclass(frozen=True)
class Heads:
    """Heads of one lot of evidence.

    Attributes:
        whole: the head from all of it.
        answers: what was said, and what the heads think that have not heard it.
        without: for each fold the head of the others; None where those have no label.
    """

    whole: lda.Linear
    answers: Answers
    without: tuple[lda.Linear | None, ...]


def fold_of(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The fold of each image; the same image is always in the same fold."""
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return ((mixed >> np.uint64(33)) % np.uint64(FOLDS)).astype(np.int64)


def from_labels(evidence: Evidence) -> Heads:
    """Heads that learn from the labels alone."""
    parts = [evidence.labels_of(fold) for fold in range(FOLDS)]
    total = sum(parts[1:], parts[0])
    return _judge(evidence, [total - part for part in parts], total)


def with_kicks(evidence: Evidence, heads: Heads, calibration: Calibration) -> Heads:
    """Heads that learn from what the kicked images may be, as some calibrated heads see it."""
    parts = [evidence.labels_of(fold) for fold in range(FOLDS)]
    total = sum(parts[1:], parts[0])
    others = []
    for fold, (part, head) in enumerate(zip(parts, heads.without, strict=True)):
        guessed = evidence.kick_folds != fold
        more = _guessed(evidence, guessed, head, calibration) if head else None
        others.append(total - part + more if more else total - part)
    everybody = np.ones(len(evidence.kicked), np.bool_)
    return _judge(evidence, others, total + _guessed(evidence, everybody, heads.whole, calibration))


def _guessed(
    evidence: Evidence, inside: NDArray[np.bool_], head: lda.Linear, calibration: Calibration
) -> lda.Moments:
    """The moments of some kicked images, each of its likeliest class, by the probability of that."""
    features, kicked_from = evidence.kicked[inside], evidence.kicked_from[inside]
    image, place = np.nonzero(kicked_from)
    found = guess(posterior(head(features), calibration, (image, place)))
    sure = found.probability > _SURE
    return lda.moments(
        features[sure], found.top[sure], kicked_from.shape[1], found.probability[sure]
    )


def _judge(evidence: Evidence, others: list[lda.Moments], total: lda.Moments) -> Heads:
    """Fit the heads, and let each judge the fold that it has not seen."""
    class_count = evidence.kicked_from.shape[1]
    logits = np.zeros((len(evidence.classes), class_count), np.float32)
    kicked_logits = np.zeros(evidence.kicked_from.shape, np.float32)
    known = np.zeros(len(evidence.classes), np.bool_)
    heads = [lda.fit(each) if each.counts.sum() >= 1 else None for each in others]
    for fold, (head, learnt) in enumerate(zip(heads, others, strict=True)):
        if head is None:
            continue
        labelled, kicked = evidence.label_folds == fold, evidence.kick_folds == fold
        logits[labelled] = head(evidence.labelled[labelled])
        known[labelled] = learnt.counts[evidence.classes[labelled]] >= 0.5
        kicked_logits[kicked] = head(evidence.kicked[kicked])
    classes = np.where(known, evidence.classes, -1)
    answers = Answers(logits, classes, kicked_logits, evidence.kicked_from, evidence.learnt)
    return Heads(lda.fit(total), answers, tuple(heads))
