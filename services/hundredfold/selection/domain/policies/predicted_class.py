"""Predicted-class pages, the most confident first: self-training with a person who checks.

Source: research/labelling-loop.md, section 2, strategy d "most confident first"; the usual order of
pseudo-labelling (Lee 2013).
"""

import numpy as np

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked, Known, Policy
from hundredfold.selection.domain.policies.predicted import (
    SINGLES,
    cut,
    single_page,
    verify_page,
)


def choose(known: Known, asked: Asked) -> list[Draft]:
    """The pages whose images are surest; images without a guess come last, one by one."""
    cuts = cut(known.pool, asked.page_size)
    sure = 1 - cuts.odd / np.maximum(cuts.sizes, 1) - (cuts.classes == 0)
    pages: list[Draft] = []
    for number in np.argsort(-sure, kind="stable")[: asked.limit]:
        places, score = cuts.page(int(number)), float(sure[number])
        if cuts.classes[number]:
            pages.append(verify_page(known.pool, places, score))
        else:
            pages.append(single_page(known.pool, places[: min(SINGLES, asked.page_size)], score))
    return pages


PREDICTED_CLASS = Policy("predicted-class", "Lee 2013, checked by people", Kind.VERIFY, choose)
