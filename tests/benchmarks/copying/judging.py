"""Verifies the copies of one kind against the originals, and says how well that went."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.hashing.domain.verify.classes import Kind, Look, classify
from hundredfold.hashing.domain.verify.windows import RADIUS as WINDOW_RADIUS
from hundredfold.hashing.domain.verify.windows import window_hashes
from tests.benchmarks.copying.made import Photographs
from tests.benchmarks.copying.scores import Score, distances, near_windows, score

RADIUS = 6
HARD = 3
RESEMBLANCE = 8


@dataclass(frozen=True)
class Judged:
    """What was said of the pairs of one kind of copy.

    Attributes:
        score: recall and precision.
        pairs: how many were verified.
        hard: how many of them are hard negatives.
        hard_wrong: how many of these were called the same.
        similar: how many copies, and how many others, are left to a person.
        wrong: pairs of a copy and another original that were called the same.
        seconds: of the processor.
    """

    score: Score
    pairs: int
    hard: int
    hard_wrong: int
    similar: list[int]
    wrong: list[list[int]]
    seconds: float


Task = tuple[Look, Look, NDArray[np.uint64], NDArray[np.bool_], NDArray[np.bool_], bool]


def judge(task: Task) -> Judged:
    """Copies, originals, the window hashes of these, hard negatives, what is there twice, whether mirrored."""
    copies, originals, whole, hard, twice, mirrored = task
    begun = time.process_time()
    pairs = np.argwhere(_candidates(copies, originals, whole, mirrored=mirrored) | hard)
    left, right = copies.take(pairs[:, 0]), originals.take(pairs[:, 1])
    kinds = classify(left, right, mirrored=mirrored).kind
    same, similar = kinds <= Kind.SAME_PICTURE, kinds == Kind.SIMILAR
    own = pairs[:, 0] == pairs[:, 1]
    is_hard = (hard & ~twice)[pairs[:, 0], pairs[:, 1]]
    return Judged(
        score(pairs[same], len(copies), twice),
        len(pairs),
        int(is_hard.sum()),
        int((is_hard & same).sum()),
        [int((similar & own).sum()), int((similar & ~own).sum())],
        pairs[same & ~own].tolist(),
        time.process_time() - begun,
    )


def _candidates(
    copies: Look, originals: Look, whole: NDArray[np.uint64], *, mirrored: bool
) -> NDArray[np.bool_]:
    """Which pairs come up: bool [copies, originals]."""
    come_up = distances(copies.phash, originals.phash) <= RADIUS
    come_up |= near_windows(window_hashes(copies.luma), whole, WINDOW_RADIUS)
    if mirrored:
        come_up |= near_windows(window_hashes(copies.luma[:, :, ::-1]), whole, WINDOW_RADIUS)
    return come_up


def hard_negatives(photographs: Photographs, originals: Look) -> NDArray[np.bool_]:
    """For each photograph the others of its class that look most like it: bool [n, n]."""
    n, side = len(originals), originals.luma.shape[1] // RESEMBLANCE
    small = originals.luma.reshape(n, RESEMBLANCE, side, RESEMBLANCE, side).mean((2, 4))
    small = small.reshape(n, -1) - small.mean((1, 2))[:, None]
    small /= np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6)
    alike = small @ small.T
    labels = np.array(photographs.labels)
    alike[labels[:, None] != labels[None, :]] = -2
    np.fill_diagonal(alike, -2)
    nearest = np.argsort(-alike, axis=1)[:, :HARD]
    hard = np.zeros((n, n), np.bool_)
    np.put_along_axis(hard, nearest, values=True, axis=1)
    return hard & (alike > -2)
