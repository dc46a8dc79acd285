"""What a recipe of a backbone is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn


@dataclass(frozen=True)
class Network:
    """A built network in two halves.

    Attributes:
        features: normalised float32 [n, 3, p, p] to the pooled features [n, d].
        classifier: pooled features [n, d] to logits [n, classes]; None where nobody reads them.
    """

    features: nn.Module
    classifier: nn.Module | None


@dataclass(frozen=True)
class Recipe:
    """How one backbone is made.

    Attributes:
        name: its name in the model repository.
        input_pixels: pixels a side of its input.
        mean: what is taken from each channel of 0..255 before the network sees it.
        deviation: what each channel is then divided by.
        build: a state dict to the network, in evaluation mode; None = the weights come later.
        source: where the weights come from.
        licence: of the weights.
        weights: finds the weights file that comes with a package; None = the user must give one.
    """

    name: str
    input_pixels: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    build: Callable[[Mapping[str, Tensor] | None], Network]
    source: str
    licence: str
    weights: Callable[[], Path] | None = None


def in_bytes(values: Sequence[float]) -> tuple[float, float, float]:
    """A mean or deviation of three channels of 0..1, as most libraries give it, in units of 0..255."""
    red, green, blue = (round(255 * value, 4) for value in values)
    return red, green, blue


def square(size: Sequence[int]) -> int:
    """The side of an input of shape [3, p, p].

    Raises:
        RuntimeError: it is no square of three channels.
    """
    if len(size) != 3 or size[0] != 3 or size[1] != size[2]:
        raise RuntimeError(f"an input of {tuple(size)} is no square of three channels")
    return int(size[1])
