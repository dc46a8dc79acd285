"""Single images, the least decided first: the usual active learning, to compare with."""

import numpy as np

from hundredfold.selection.domain.page import Draft
from hundredfold.selection.domain.policies.base import Asked
from hundredfold.selection.domain.policies.predicted import SINGLES, single_page
from hundredfold.selection.domain.pool import Pool


def margin(pool: Pool, asked: Asked) -> list[Draft]:
    """The images whose two likeliest classes are closest together."""
    size = min(SINGLES, asked.page_size)
    order = np.argsort(pool.margin, kind="stable")[: size * asked.limit]
    pieces = [order[start : start + size] for start in range(0, len(order), size)]
    return [single_page(pool, piece, 1 - float(pool.margin[piece].mean())) for piece in pieces]
