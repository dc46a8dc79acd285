"""What a policy is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain import planting
from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.pool import Labels, Pool


@dataclass(frozen=True)
class Known:
    """What a policy chooses by.

    Attributes:
        pool: images that need an answer, with the guesses of a head; it may be empty.
        labels: what people labelled.
        clusters: of the space; there may be none.
    """

    pool: Pool
    labels: Labels
    clusters: Clusters


@dataclass(frozen=True)
class Asked:
    """What a policy is asked for.

    Attributes:
        limit: at most so many pages.
        page_size: at most so many images on each.
        costs: of a person's actions.
        random: for every random choice, so that a seed repeats it.
        planted_share: of the images shown on pages of predicted classes, those known to be odd.
    """

    limit: int
    page_size: int
    costs: CostModel
    random: np.random.Generator
    planted_share: float = planting.SHARE


@dataclass(frozen=True)
class Policy:
    """A way of choosing pages.

    Attributes:
        name: by which it is asked for.
        source: where it was published, or where it was measured.
        kind: of its pages; one of predicted classes asks about single images where there is no guess.
        choose: makes the next pages: highest score first, no image twice, none from outside the pool;
            the same for the same seed.
    """

    name: str
    source: str
    kind: Kind
    choose: Callable[[Known, Asked], list[Draft]]
