"""Pages that put right what an audit that did not pass is short of.

An audit of guesses proves how many of them were wrong; each that people put right since is one less. Where
the head of today guesses otherwise than the one that was audited, one of the two is wrong, and today's has
learnt more. So a page of images of which it now says the same class puts as many right as it has images
that are confirmed: a second's worth of several, where a page of doubtful images rights about one.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hundredfold.selection.domain import worth
from hundredfold.selection.domain.page import Draft
from hundredfold.selection.domain.policies.base import Asked
from hundredfold.selection.domain.policies.predicted import cut, verify_page
from hundredfold.selection.domain.pool import Pool, places

_LIKELY = 0.5
_LEAST_RATE = 1.0  # about what a page of doubtful images rights in a second
_FEWEST = 6
_SPARE = 1.25


@dataclass(frozen=True)
class Audited:
    """What an audit was drawn from that did not pass.

    Attributes:
        rows: int64 [m], ascending.
        class_ids: int32 [m], what was audited: the guess for each.
        short: how many images must be put right so that it passes; 0 = there is no such audit.
    """

    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    class_ids: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    short: int = 0


def mending_pages(pool: Pool, audited: Audited, asked: Asked) -> list[Draft]:
    """Pages of images that are likelier than not of another class than was audited, the quickest first.

    So many that they are expected to put right what the audit is short of, and a quarter more. A few images
    are left to the pages of all images of their class: heads are too sure of what has just changed.
    """
    changed = pool.take(_changed(pool, audited))
    cuts = cut(changed, asked.page_size)
    righted = cuts.sizes - cuts.odd
    rates = worth.rate(righted, asked.costs.expected_confirms(cuts.sizes, cuts.odd))
    order = np.argsort(-rates, kind="stable")
    order = order[(rates[order] >= _LEAST_RATE) & (cuts.sizes[order] >= _FEWEST)]
    before = np.cumsum(righted[order]) - righted[order]
    wanted = order[before < _SPARE * audited.short][: asked.limit]
    return [verify_page(changed, cuts.page(number), 0.0) for number in wanted.tolist()]


def _changed(pool: Pool, audited: Audited) -> NDArray[np.bool_]:
    """Which images of the pool have another likely guess by now: bool [m]."""
    if not audited.short:
        return np.zeros(len(pool), np.bool_)
    at = places(audited.rows, pool.rows)
    other = (at >= 0) & (pool.top > 0) & (pool.probability >= _LIKELY)
    other[other] = audited.class_ids[at[other]] != pool.top[other]
    return other
