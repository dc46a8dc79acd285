"""What is learnt from: which images, towards which targets, at which rate. Pure; arrays and tensors."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_FIRST, _LAST = 0.04, 1e-4


def one_cycle(fraction: float, warm_up: float) -> float:
    """The learning rate as a share of the highest.

    Args:
        fraction: of the stage that is done, 0 to 1.
        warm_up: the fraction at which the rate is highest.

    Source: Smith and Topin 2018, with cosines for both halves as in PyTorch's OneCycleLR.
    """
    if fraction < warm_up:
        return _between(_FIRST, 1.0, fraction / warm_up)
    return _between(1.0, _LAST, min(1.0, (fraction - warm_up) / (1.0 - warm_up)))


def _between(begin: float, end: float, fraction: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * fraction)) / 2


def sampling(classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """The probability of each image to be drawn: a class counts by the square root of its images.

    Args:
        classes: int64 [n], from 0.

    Returns:
        float64 [n], sum 1.
    """
    counts = np.bincount(classes)
    weights = 1 / np.sqrt(counts[classes])
    return np.asarray(weights / weights.sum(), np.float64)


def one_hot(classes: NDArray[np.int64], count: int, smoothing: float) -> NDArray[np.float32]:
    """Smoothed targets: float32 [n, count], rows of sum 1."""
    targets = np.full((len(classes), count), smoothing / count, np.float32)
    targets[np.arange(len(classes)), classes] += 1 - smoothing
    return targets


def without_known_wrong(
    probabilities: NDArray[np.float32], images: NDArray[np.int64], classes: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Probabilities [n, C] with what is known to be wrong at 0, rows of sum 1 again.

    Args:
        probabilities: of images without a label.
        images: int64 [m], places in them; may repeat.
        classes: int64 [m], what each is not, from 0.

    Returns:
        float32 [n, C]; all 0 where every class that is thought possible is known to be wrong.
    """
    left = probabilities.copy()
    left[images, classes] = 0
    total = left.sum(axis=1, keepdims=True)
    np.divide(left, total, out=left, where=total > 0)
    return left


def sharpened(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probabilities [n, C] to the power 1 / temperature, rows of sum 1; each row needs one above 0."""
    largest = probabilities.max(axis=1, keepdims=True)
    power = (probabilities / largest) ** (1 / temperature)
    return np.asarray(power / power.sum(axis=1, keepdims=True), np.float32)


def mixed(images: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Mix each image and target with those of another of the batch: the one as far from the end.

    Args:
        images: float [n, 3, p, p].
        targets: float [n, C].
        share: of the image itself, 0 to 1.
    """
    return torch.lerp(images.flip(0), images, share), torch.lerp(targets.flip(0), targets, share)


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy to soft targets, mean over the batch."""
    return torch.nn.functional.cross_entropy(logits.float(), targets)


def balanced_accuracy(guesses: NDArray[np.int64], classes: NDArray[np.int64]) -> float:
    """Mean over the classes of the share of their images that are guessed right.

    A network that answers the same for all is at 1 / classes, however many images that class has.
    """
    right = np.bincount(classes, weights=guesses == classes)
    counts = np.bincount(classes)
    there = counts > 0
    return float((right[there] / counts[there]).mean())
