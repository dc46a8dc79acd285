"""What the join answers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Distinct:
    """Values, and how many rows have each.

    Attributes:
        values: uint64 [u], each once, in an order that depends on nothing but the rows.
        counts: uint32 [u].
    """

    values: NDArray[np.uint64]
    counts: NDArray[np.uint32]


@dataclass(frozen=True)
class Estimate:
    """About how many pairs there are: in 19 of 20 samples `low` to `high` holds the truth.

    Where all values were looked at, the three are equal.
    """

    pairs: int
    low: int
    high: int
