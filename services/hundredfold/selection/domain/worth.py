"""What a page is worth: wrong labels put right in a second of a person's time.

The one currency of the scheduler. A label is that of the complete labelling: a person's where there is
one, else the head's guess. Each image whose label is expected to be wrong counts where a page meets it,
kicked or named: a kick takes the wrong guess away, and the next one comes on a page that is worth its own
seconds.
"""

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.pool import Pool

_LEAST_SECONDS = 1e-9


def rate(wrong: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Wrong labels put right a second: float64 [p]."""
    return np.asarray(wrong / np.maximum(seconds, _LEAST_SECONDS))


def of_page(page: Draft, pool: Pool, costs: CostModel) -> float:
    """What a page of images of the pool is worth.

    Args:
        page: of any kind but REVIEW, whose images are not in the pool.
        pool: with the guesses of a head; without one each image counts as wrong.
        costs: of a person's actions.
    """
    places = pool.places(page.rows)
    wrong = float((1 - pool.probability[places].astype(np.float64)).sum())
    return wrong / max(_seconds(page, pool, places, wrong, costs), _LEAST_SECONDS)


def _seconds(
    page: Draft, pool: Pool, places: NDArray[np.int64], wrong: float, costs: CostModel
) -> float:
    if page.kind is Kind.SINGLE:
        return len(page) * costs.single_seconds
    if page.kind is Kind.CLUSTER:
        odd = len(page) - _largest_share(pool, places)
        naming = 0.0 if page.class_id else costs.naming_seconds
        return costs.expected_confirm(len(page), odd) + naming
    return costs.expected_confirm(len(page), wrong)


def _largest_share(pool: Pool, places: NDArray[np.int64]) -> float:
    """How many images of a page are expected to be of its commonest class; half without a head."""
    if not pool.model:
        return len(places) / 2
    of_class = np.bincount(pool.top[places], pool.probability[places])
    return max(float(of_class.max(initial=0)), 1.0)
