"""Predicted-class pages in random order: what choosing is worth.

Source: research/labelling-loop.md, section 2, strategy d "random order".
"""

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked, Known, Policy
from hundredfold.selection.domain.policies.predicted import SINGLES, cut, single_page, verify_page


def choose(known: Known, asked: Asked) -> list[Draft]:
    """Any pages of one predicted class; images that have none are asked about one by one."""
    cuts = cut(known.pool, asked.page_size)
    pages: list[Draft] = []
    for number in asked.random.permutation(len(cuts.starts))[: asked.limit]:
        places = cuts.page(int(number))
        if cuts.classes[number]:
            pages.append(verify_page(known.pool, places, 0.0))
        else:
            pages.append(single_page(known.pool, places[: min(SINGLES, asked.page_size)], 0.0))
    return pages


RANDOM = Policy("random", "the usual baseline", Kind.VERIFY, choose)
