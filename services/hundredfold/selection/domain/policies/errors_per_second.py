"""The pages that put most errors right in a second of a person's time."""

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain.page import Draft
from hundredfold.selection.domain.policies.base import Asked
from hundredfold.selection.domain.policies.predicted import (
    SINGLES,
    Cuts,
    cut,
    single_page,
    verify_page,
)
from hundredfold.selection.domain.pool import Pool


def errors_per_second(pool: Pool, asked: Asked) -> list[Draft]:
    """Predicted-class pages by expected errors over expected seconds.

    Where a label would cost more seconds on its page than alone, the images are asked about one by
    one: those of which every known class is known to be wrong, and very unsure ones on short pages.
    """
    cuts = cut(pool, asked.page_size)
    seconds = np.array(
        [
            asked.costs.expected_confirm(int(size), float(odd))
            for size, odd in zip(cuts.sizes, cuts.odd, strict=True)
        ]
    )
    alone = _better_alone(pool, cuts, seconds, asked)
    score = np.where(
        alone,
        cuts.odd / np.maximum(cuts.sizes * asked.costs.single_seconds, 1e-9),
        cuts.odd / np.maximum(seconds, 1e-9),
    )
    pages: list[Draft] = []
    for number in np.argsort(-score, kind="stable")[: asked.limit]:
        places, value = cuts.page(int(number)), float(score[number])
        if alone[number]:
            pages += [
                single_page(pool, places[start : start + SINGLES], value)
                for start in range(0, len(places), SINGLES)
            ]
        else:
            pages.append(verify_page(pool, places, value))
    return pages[: asked.limit]


def _better_alone(
    pool: Pool, cuts: Cuts, seconds: NDArray[np.float64], asked: Asked
) -> NDArray[np.bool_]:
    labels = cuts.sizes - cuts.odd
    nobody = pool.top[cuts.places[cuts.starts]] == 0
    return np.asarray(nobody | (labels * asked.costs.single_seconds < seconds), np.bool_)
