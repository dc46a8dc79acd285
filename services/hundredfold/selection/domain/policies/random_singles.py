"""Any images, one by one: passive learning, the baseline of the active learning literature.

Source: Settles 2009, Active Learning Literature Survey.
"""

import numpy as np

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked, Known, Policy
from hundredfold.selection.domain.policies.predicted import SINGLES, single_pages


def choose(known: Known, asked: Asked) -> list[Draft]:
    """Images at random."""
    size = min(len(known.pool), SINGLES * asked.limit)
    order = asked.random.choice(len(known.pool), size, replace=False) if size else np.empty(0, int)
    return single_pages(known.pool, order, np.zeros(size), asked.page_size, asked.limit)


RANDOM_SINGLES = Policy("random-singles", "Settles 2009", Kind.SINGLE, choose)
