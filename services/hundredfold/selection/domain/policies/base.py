"""What a policy is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.page import Draft
from hundredfold.selection.domain.pool import Pool


@dataclass(frozen=True)
class Asked:
    """What a policy is asked for.

    Attributes:
        limit: at most so many pages.
        page_size: at most so many images on each.
        costs: of a person's actions.
        random: for every random choice, so that a seed repeats it.
    """

    limit: int
    page_size: int
    costs: CostModel
    random: np.random.Generator


Policy = Callable[[Pool, Asked], list[Draft]]
"""Makes the next pages of a pool that has guesses of a head: highest score first, no image twice."""
