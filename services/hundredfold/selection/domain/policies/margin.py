"""Single images, the least decided first: the usual active learning, to compare with.

Source: Scheffer, Decomain and Wrobel 2001, Active Hidden Markov Models for Information Extraction.
"""

from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.base import Asked, Known, Policy
from hundredfold.selection.domain.policies.candidates import least_decided
from hundredfold.selection.domain.policies.predicted import SINGLES, single_pages


def choose(known: Known, asked: Asked) -> list[Draft]:
    """The images whose two likeliest classes are closest together."""
    order = least_decided(known.pool, SINGLES * asked.limit)
    scores = 1 - known.pool.margin[order]
    return single_pages(known.pool, order, scores, asked.page_size, asked.limit)


MARGIN = Policy("margin", "Scheffer et al. 2001", Kind.SINGLE, choose)
