"""Which images are kept out of learning, so that something unseen is left to measure with.

Both sets follow from the row alone, so that every service agrees about them without asking, and no
selection of images to label can move an image in or out.
"""

import numpy as np
from numpy.typing import NDArray

STREAM_SHARE = 0.01
"""The random stream: images that no policy chooses and no head learns from."""

HELD_OUT_SHARE = 0.1
"""Images that no backbone learns from; the stream is part of them."""

FIRST_SAMPLE = 60
"""Images that are asked about early, so that backbones can be measured; in a small collection more than the stream has."""

LEAST_MEASURED = 20
"""Images that it takes to measure with."""

_MOST_OF_SAMPLE = 0.75


def in_stream(rows: NDArray[np.int64], share: float = STREAM_SHARE) -> NDArray[np.bool_]:
    """Which of rows [n] belong to the random stream: bool [n]; those of a smaller share are the first of it."""
    return np.asarray(_place(rows) < share, np.bool_)


def held_out(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of rows [n] no backbone learns from: bool [n]."""
    return np.asarray(_place(rows) < HELD_OUT_SHARE, np.bool_)


def sample_share(total: int) -> float:
    """Which share of so many images is asked about at random.

    The stream, or `FIRST_SAMPLE` images if it has fewer. Where even those are more than a tenth no backbone is
    worth a try.
    """
    share = FIRST_SAMPLE / max(total, 1)
    return STREAM_SHARE if share > HELD_OUT_SHARE else max(STREAM_SHARE, share)


def enough_of_sample(images: int) -> int:
    """How many images of a sample of so many must be labelled to measure with.

    Most of it: those that are labelled first are those that heads know anyway.
    """
    return int(_MOST_OF_SAMPLE * min(FIRST_SAMPLE, images))


def measured(rows: NDArray[np.int64], total: int) -> NDArray[np.bool_]:
    """On which of the labelled rows [n] to measure a backbone: bool [n].

    Those that were asked about at random; while they are few all that are held out, which lean to what was
    chosen to be labelled.

    Args:
        rows: labelled.
        total: images of the collection.
    """
    sample = in_stream(rows, sample_share(total))
    return sample if sample.sum() >= LEAST_MEASURED else held_out(rows)


def _place(rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """A number in [0, 1) for each row, as good as random: the finaliser of SplitMix64 (Steele et al. 2014)."""
    mixed = rows.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11), np.float64) / 2.0**53
