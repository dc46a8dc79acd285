"""The pages that put most errors right in a second of a person's time.

Source: measured on three collections, docs/adr/0007-the-loop.md.
"""

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain import worth
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked, Known, Policy
from hundredfold.selection.domain.policies.predicted import (
    SINGLES,
    Cuts,
    cut,
    single_page,
    verify_page,
)


def choose(known: Known, asked: Asked) -> list[Draft]:
    """Predicted-class pages by expected errors over expected seconds.

    Where a label would cost more seconds on its page than alone, the images are asked about one by
    one: those of which every known class is known to be wrong, and very unsure ones on short pages.
    """
    pool, costs = known.pool, asked.costs
    cuts = cut(pool, asked.page_size)
    together = costs.expected_confirms(cuts.sizes, cuts.odd)
    alone = _better_alone(cuts, together, costs.single_seconds)
    seconds = np.where(alone, cuts.sizes * costs.single_seconds, together)
    score = worth.rate(cuts.odd, seconds)
    pages: list[Draft] = []
    for number in np.argsort(-score, kind="stable")[: asked.limit]:
        places, value = cuts.page(int(number)), float(score[number])
        if alone[number]:
            size = min(SINGLES, asked.page_size)
            pages += [
                single_page(pool, places[start : start + size], value)
                for start in range(0, len(places), size)
            ]
        else:
            pages.append(verify_page(pool, places, value))
    return pages[: asked.limit]


def _better_alone(
    cuts: Cuts, seconds: NDArray[np.float64], single_seconds: float
) -> NDArray[np.bool_]:
    labels = cuts.sizes - cuts.odd
    return np.asarray((cuts.classes == 0) | (labels * single_seconds < seconds), np.bool_)


ERRORS_PER_SECOND = Policy("errors-per-second", "docs/adr/0007-the-loop.md", Kind.VERIFY, choose)
