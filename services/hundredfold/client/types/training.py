"""Heads, backbones, and what they say."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.client.types.pages import Rows


@dataclass(frozen=True)
class Predictions:
    """What a head says: rows int64 [n], class_ids int32 [n], probabilities float32 [n].

    Where an image may be of several classes rows repeat, one for each that is likely enough to be kept, and
    `second_class_ids` is empty.
    """

    model: str
    rows: Rows
    class_ids: NDArray[np.int32]
    second_class_ids: NDArray[np.int32]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """A classifier on the vectors of one space."""

    model: str
    space: str
    labels_seq: int
    labels: int
    class_ids: tuple[int, ...]
    temperature: float
    expected_error: float
    accuracy: float
    calibration_error: float
    created_at: float
    promoted: bool
    seconds: float


@dataclass(frozen=True)
class SpaceQuality:
    """What a space is worth on images held out: accuracy of a head, purity of clusters."""

    space: str
    accuracy: float
    purity: float


@dataclass(frozen=True)
class SpaceComparison:
    """Which of two spaces is better, by a sign-flip test on `images` that were held out."""

    before: SpaceQuality
    after: SpaceQuality
    images: int
    p_value: float
    better: bool


@dataclass(frozen=True)
class Suspicious:
    """Labels of people that look wrong, likeliest first, out of `labels` looked at.

    `rows` int64 [n], `class_ids` int32 [n] (the label), `other_class_ids` int32 [n],
    `probabilities` float32 [n] that the label is wrong.
    """

    rows: Rows
    class_ids: NDArray[np.int32]
    other_class_ids: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    labels: int


@dataclass(frozen=True)
class Model:
    """A backbone, `name@version`."""

    model: str
    dimensions: int
    input_pixels: int
    source: str
    ready: bool
    texts: bool = False
